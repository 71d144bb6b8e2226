# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Reading from a real web server, over TLS too."""

import concurrent.futures
import os
import pathlib
import random
import socket
import threading

import pytest

from oslo_image import exception
from oslo_image.stores.base import MiB
from oslo_image.testing import scripted
from oslo_image.testing.scripted import ScriptedServer
from tests.servers import nginx as nginx_server
from tests.servers import policy
from tests.unit.stores.wire_help import (
    CANARY,
    chain,
    make_store,
    read_all,
    trusted,
    untrusted,
)

DATA = random.Random(2).randbytes(5 * MiB + 3)


def serve(server: nginx_server.Nginx, name: str, data: bytes = DATA) -> str:
    (server.root / name).write_bytes(data)
    return server.url(name)


class TestPlain:
    @pytest.mark.parametrize('size', [0, 1, 65535, 65536, 65537, len(DATA)])
    def test_whole(
        self,
        nginx: nginx_server.Nginx,
        tmp_path: pathlib.Path,
        size: int,
    ) -> None:
        url = serve(nginx, tmp_path.name, DATA[:size])
        with make_store() as store, store.open_source(trusted(url)) as source:
            assert source.size == size
            assert source.version.startswith('ETag "')
            assert read_all(source.open_stream(), MiB) == DATA[:size]
            source.check_unchanged()

    def test_parallel_ranges(
        self, nginx: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx, tmp_path.name)
        step = 100_003
        with (
            make_store() as store,
            store.open_source(trusted(url)) as source,
            concurrent.futures.ThreadPoolExecutor(8) as pool,
        ):
            assert source.ranged

            def read(offset: int) -> bytes:
                buffer = memoryview(bytearray(step))
                return bytes(buffer[: source.read_into(offset, buffer)])

            parts = pool.map(read, range(0, len(DATA), step))
            assert b''.join(parts) == DATA

    def test_replaced_between_two_ranges(
        self, nginx: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx, tmp_path.name)
        with make_store() as store, store.open_source(trusted(url)) as source:
            assert read_all(source.open_stream(MiB, 10)) == DATA[MiB:][:10]
            other = nginx.root / f'{tmp_path.name}.new'
            other.write_bytes(DATA[::-1])
            os.utime(other, (1, 1))
            other.rename(nginx.root / tmp_path.name)
            with pytest.raises(exception.SourceChanged):
                source.open_stream(2 * MiB)

    def test_removed_between_two_ranges(
        self, nginx: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx, tmp_path.name)
        with make_store() as store, store.open_source(trusted(url)) as source:
            (nginx.root / tmp_path.name).unlink()
            with pytest.raises(exception.ImageNotFound):
                source.open_stream(MiB)

    def test_absent(self, nginx: nginx_server.Nginx) -> None:
        with make_store() as store:
            with pytest.raises(exception.ImageNotFound) as info:
                store.open_source(trusted(nginx.url('absent')))
        assert info.value.side == 'source'

    def test_from_a_catalogue(
        self, nginx: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx, tmp_path.name)
        with make_store() as store:
            with pytest.raises(exception.LocationDenied):
                store.open_source(untrusted(url))
        assert tmp_path.name not in nginx.log()

    def test_connections_are_used_again(
        self, nginx: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx, tmp_path.name)
        made = []
        with make_store() as store, store.open_source(trusted(url)) as source:
            connect = socket.socket.connect

            def counted(sock: socket.socket, address: object) -> None:
                made.append(address)
                connect(sock, address)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(socket.socket, 'connect', counted, raising=False)
                for start in range(0, len(DATA), MiB):
                    read_all(source.open_stream(start, MiB))
        assert made == []


class TestTls:
    def test_with_its_authority(
        self, nginx_tls: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx_tls, tmp_path.name)
        with (
            make_store(
                https_ca_certificates_file=str(nginx_tls.ca_file)
            ) as store,
            store.open_source(trusted(url)) as source,
        ):
            assert read_all(source.open_stream(), MiB) == DATA
            assert read_all(source.open_stream(7, 8)) == DATA[7:15]

    def test_without_it(
        self, nginx_tls: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx_tls, tmp_path.name)
        with make_store() as store:
            with pytest.raises(
                exception.SourceError, match='TLS: certificate verify failed'
            ) as info:
                store.open_source(trusted(f'{url}?sig={CANARY}'))
        assert not info.value.temporary
        assert CANARY not in str(info.value)
        assert chain(info.value) == [info.value]

    def test_by_another_name(
        self, nginx_tls: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx_tls, tmp_path.name)
        with make_store(
            https_ca_certificates_file=str(nginx_tls.ca_file)
        ) as store:
            with pytest.raises(exception.SourceError, match='mismatch'):
                store.open_source(
                    trusted(url.replace('127.0.0.1', 'localhost'))
                )

    def test_insecure(
        self, nginx_tls: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx_tls, tmp_path.name)
        with (
            make_store(https_insecure=True) as store,
            store.open_source(trusted(url)) as source,
        ):
            assert read_all(source.open_stream(), MiB) == DATA

    def test_plain_http_to_it(
        self, nginx_tls: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx_tls, tmp_path.name)
        with make_store() as store:
            with pytest.raises(exception.ImageError):
                store.open_source(trusted(url.replace('https', 'http')))

    def test_tls_to_a_server_without(
        self, nginx: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx, tmp_path.name)
        with make_store() as store:
            with pytest.raises(exception.SourceError, match='TLS') as info:
                store.open_source(trusted(url.replace('http', 'https')))
        assert not info.value.temporary

    def test_client_certificate(self, tmp_path: pathlib.Path) -> None:
        with policy.provided(
            nginx_server.Nginx(tmp_path, tls=True, client_certificates=True)
        ) as server:
            url = serve(server, 'image')
            trust = {'https_ca_certificates_file': str(server.ca_file)}
            with make_store(**trust) as store:
                with pytest.raises(exception.SourceError, match='400'):
                    store.open_source(trusted(url))
            certificate = str(server.client_certificate)
            with (
                make_store(
                    http_client_certificate_file=certificate, **trust
                ) as store,
                store.open_source(trusted(url)) as source,
            ):
                assert read_all(source.open_stream(), MiB) == DATA

    def test_through_a_tunnel(
        self, nginx_tls: nginx_server.Nginx, tmp_path: pathlib.Path
    ) -> None:
        url = serve(nginx_tls, tmp_path.name)
        with ScriptedServer(b'', lambda *_: tunnel) as proxy:
            with (
                make_store(
                    https_ca_certificates_file=str(nginx_tls.ca_file),
                    http_proxy_information={
                        'https': f'http://me:mine@127.0.0.1:{proxy.port}'
                    },
                ) as store,
                store.open_source(trusted(url)) as source,
            ):
                assert read_all(source.open_stream(), MiB) == DATA
        request = proxy.requests[0]
        assert request.method == 'CONNECT'
        assert request.path == f'127.0.0.1:{nginx_tls.port}'
        assert request.headers['proxy-authorization'].startswith('Basic ')


def tunnel(exchange: scripted.Exchange) -> None:
    """Connect as a proxy does, and carry bytes both ways."""
    host, _, port = exchange.request.path.rpartition(':')
    inner = exchange._sock
    with socket.create_connection((host, int(port))) as outer:
        exchange.send(b'HTTP/1.1 200 Connected\r\n\r\n')
        back = threading.Thread(target=carry, args=(outer, inner))
        back.start()
        carry(inner, outer)
        back.join()
    exchange.keep = False


def carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
