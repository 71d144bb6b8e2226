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

"""Who is asked, who gets the credentials, and what is sent."""

import gc
import os
import pathlib
import socket
import ssl
import threading
import time
import tracemalloc
import warnings
from collections.abc import Iterator, Mapping

import pytest
import trustme

from oslo_image import exception
from oslo_image.stores import wire
from oslo_image.stores.base import DescriptorRange
from oslo_image.stores.wire import connection
from oslo_image.testing import scripted
from oslo_image.testing.scripted import ScriptedServer
from tests.unit.stores.wire_help import CANARY, everything_said

SECRETS = {
    'Authorization': CANARY,
    'X-Auth-Token': CANARY,
    'Cookie': CANARY,
    'X-Anything': CANARY,
}


@pytest.fixture
def client() -> Iterator[wire.Client]:
    made = wire.Client(wire.Settings(connect_timeout=5, read_timeout=5))
    yield made
    made.close()


@pytest.fixture
def open_client() -> Iterator[wire.Client]:
    """One whose policy lets redirects lead to loopback."""
    made = wire.Client(
        wire.Settings(
            connect_timeout=5,
            read_timeout=5,
            policy=wire.AddressPolicy(allow_local=True),
        )
    )
    yield made
    made.close()


class Tokens:
    """Credentials that have to be renewed."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.seen: list[tuple[str, str, Mapping[str, str]]] = []

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        self.seen.append((method, url, dict(headers)))
        return {'X-Auth-Token': self.tokens[0]}

    def renew(self) -> bool:
        del self.tokens[0]
        return bool(self.tokens)


class TestRedirects:
    @pytest.mark.parametrize('code', [301, 302, 303, 307, 308])
    def test_are_followed(self, client: wire.Client, code: int) -> None:
        script = [scripted.redirect('other?x=1', code)]
        with ScriptedServer(b'bits', script) as server:
            response = client.request('GET', server.url, trusted=True)
            assert response.read() == b'bits'
            assert response.url.endswith('/other?x=1')
            assert response.trusted
        assert [r.path for r in server.requests] == ['/image', '/other?x=1']

    def test_of_a_write_are_not(self, client: wire.Client) -> None:
        with ScriptedServer(b'', [scripted.redirect('/x', 307)]) as server:
            with client.request(
                'PUT', server.url, body=b'bits', trusted=True
            ) as response:
                assert response.status == 307
        assert len(server.requests) == 1

    def test_in_circles_end(self, client: wire.Client) -> None:
        with ScriptedServer(
            b'', lambda *_: scripted.redirect('/image')
        ) as server:
            with pytest.raises(exception.ProtocolViolation, match='8 times'):
                client.request('GET', server.url, trusted=True)
        assert len(server.requests) == 9

    def test_to_nowhere(self, client: wire.Client) -> None:
        with ScriptedServer(b'', [scripted.status(302)]) as server:
            with pytest.raises(exception.ProtocolViolation, match='nowhere'):
                client.request('GET', server.url, trusted=True)

    @pytest.mark.parametrize(
        'place', ['file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://x']
    )
    def test_to_other_schemes(self, client: wire.Client, place: str) -> None:
        with ScriptedServer(b'', [scripted.redirect(place)]) as server:
            with pytest.raises(exception.LocationDenied, match='scheme'):
                client.request('GET', server.url, trusted=True)

    @pytest.mark.parametrize(
        'host',
        [
            '127.0.0.1',
            'localhost',
            '127.1',
            '2130706433',
            '0x7f.1',
            '[::1]',
            '[::ffff:127.0.0.1]',
            'user@127.0.0.1',
            '0.0.0.0',
        ],
    )
    def test_to_a_denied_address_connect_to_nothing(
        self, client: wire.Client, host: str
    ) -> None:
        with ScriptedServer(b'internal') as internal:
            place = f'http://{host}:{internal.port}/'
            with ScriptedServer(b'', [scripted.redirect(place)]) as server:
                with pytest.raises(exception.LocationDenied):
                    client.request('GET', server.url, trusted=True)
        assert internal.connections == 0

    def test_back_home_are_trusted(self, open_client: wire.Client) -> None:
        with ScriptedServer(b'bits') as home:
            script = [scripted.redirect(f'{home.url}2')]
            with ScriptedServer(b'', script) as away:
                home._script = iter([scripted.redirect(away.url)])
                response = open_client.request('GET', home.url, trusted=True)
                assert response.trusted
                assert response.read() == b'bits'


class TestAddresses:
    def test_an_untrusted_url_connects_to_nothing_local(
        self, client: wire.Client
    ) -> None:
        with ScriptedServer(b'internal') as server:
            with pytest.raises(exception.LocationDenied, match='loopback'):
                client.request('GET', server.url)
        assert server.connections == 0

    def test_not_even_over_a_connection_that_is_open(
        self, client: wire.Client
    ) -> None:
        with ScriptedServer(b'internal') as server:
            client.request('GET', server.url, trusted=True).read()
            with pytest.raises(exception.LocationDenied, match='loopback'):
                client.request('GET', server.url)
        assert len(server.requests) == 1


class TestCredentials:
    def test_go_to_their_origin(self, client: wire.Client) -> None:
        auth = wire.FixedAuth({'Authorization': CANARY})
        with ScriptedServer(b'', [scripted.redirect('/other')]) as server:
            client.request(
                'GET', server.url, headers=SECRETS, auth=auth, trusted=True
            ).read()
        for request in server.requests:
            assert request.headers['x-auth-token'] == CANARY
            assert request.headers['authorization'] == CANARY

    def test_go_to_no_other(self, open_client: wire.Client) -> None:
        auth = wire.FixedAuth({'Authorization': CANARY})
        with ScriptedServer(b'bits') as other:
            place = other.url.replace('://', f'://user:{CANARY}@')
            with ScriptedServer(b'', [scripted.redirect(place)]) as server:
                response = open_client.request(
                    'GET',
                    server.url,
                    headers=SECRETS | {'Range': 'bytes=0-1'},
                    auth=auth,
                    trusted=True,
                )
                assert response.read() == b'bi'
        (request,) = other.requests
        assert CANARY not in str(request)
        assert request.headers['range'] == 'bytes=0-1'
        assert request.headers['host'] == f'127.0.0.1:{other.port}'

    def test_in_the_url_are_not_sent(self, client: wire.Client) -> None:
        with ScriptedServer(b'bits') as server:
            url = server.url.replace('://', f'://user:{CANARY}@')
            client.request('GET', url, trusted=True).read()
        assert CANARY not in str(server.requests)

    def test_are_renewed_once(self, client: wire.Client) -> None:
        def script(number: int, request: scripted.Request):
            if request.headers['x-auth-token'] == 'good':
                return None
            return scripted.status(401)

        auth = Tokens('old', 'good')
        with ScriptedServer(b'bits', script) as server:
            response = client.request(
                'PUT', server.url, body=b'body', auth=auth, trusted=True
            )
            assert response.status == 200
            assert response.read() == b'bits'
            assert [r.body for r in server.requests] == [b'body'] * 2
            method, url, headers = auth.seen[1]
            assert (method, url) == ('PUT', server.url)
            assert headers['Content-Length'] == '4'
            assert headers['Host'] == f'127.0.0.1:{server.port}'
            auth = Tokens('old', 'older', 'good')
            with client.request(
                'GET', server.url, auth=auth, trusted=True
            ) as response:
                assert response.status == 401
        assert len(server.requests) == 4

    def test_that_break_lines_are_not_shown(self, client: wire.Client) -> None:
        auth = wire.FixedAuth({'X-Auth-Token': f'{CANARY}\r\n'})
        with ScriptedServer() as server:
            with pytest.raises(exception.InvalidOption) as info:
                client.request('GET', server.url, auth=auth, trusted=True)
        assert CANARY not in everything_said(info.value)


class TestSending:
    @pytest.mark.parametrize('size', [0, 1, 3_000_000])
    def test_every_kind_of_body(
        self, client: wire.Client, size: int, tmp_path: pathlib.Path
    ) -> None:
        data = os.urandom(size)
        path = tmp_path / 'file'
        path.write_bytes(b'before' + data + b'after')
        with path.open('rb') as file, ScriptedServer() as server:
            part = DescriptorRange(file.fileno(), 6, size)
            half = size // 2
            for body, length in (
                (data, None),
                (bytearray(data), size),
                (memoryview(data), None),
                (part, None),
                ([data[:half], b'', data[half:]], size),
                (iter([part]), size),
            ):
                client.request(
                    'PUT', server.url, body=body, length=length, trusted=True
                ).close()
        assert [r.body for r in server.requests] == [data] * 6
        assert server.connections == 1

    def test_over_tls(self, tmp_path: pathlib.Path) -> None:
        """TLS must see the bytes, so there is no sendfile."""
        authority = trustme.CA()
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert('h.example').configure_cert(served)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        data = os.urandom(3_000_000)
        path = tmp_path / 'file'
        path.write_bytes(b'x' + data)
        got = bytearray()
        near, far = socket.socketpair()

        def serve() -> None:
            with served.wrap_socket(far, server_side=True) as sock:
                while len(got) < len(data):
                    got.extend(sock.recv(1 << 16))

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            path.open('rb') as file,
            trusting.wrap_socket(near, server_hostname='h.example') as sock,
        ):
            part = DescriptorRange(file.fileno(), 1, len(data))
            connection.send(sock, part, 5)
            thread.join()
        assert got == data

    def test_a_slow_reader_is_waited_for(
        self, client: wire.Client, tmp_path: pathlib.Path
    ) -> None:
        """Socket buffers fill up, for sendfile as well."""
        data = os.urandom(20_000_000)
        path = tmp_path / 'file'
        path.write_bytes(data)
        with path.open('rb') as file, ScriptedServer() as server:
            for body in (data, DescriptorRange(file.fileno(), 0, len(data))):
                client.request(
                    'PUT', server.url, body=body, trusted=True
                ).close()
        assert all(r.body == data for r in server.requests)

    @pytest.mark.parametrize(
        ('pieces', 'words'),
        [
            ([b'12'], 'missing'),
            ([b'1234'], 'more than'),
            ([b'123', b'4'], 'more than'),
        ],
    )
    def test_another_length_than_announced(
        self, client: wire.Client, pieces: list[bytes], words: str
    ) -> None:
        with ScriptedServer() as server:
            with pytest.raises(exception.SizeMismatch, match=words):
                client.request(
                    'PUT', server.url, body=pieces, length=3, trusted=True
                )
        assert server.requests == []  # none came to its end

    def test_a_length_that_contradicts(self, client: wire.Client) -> None:
        for body, length in ((b'123', 4), (iter([b'123']), None)):
            with pytest.raises(ValueError, match='length|bytes'):
                client.request('PUT', 'http://h/', body=body, length=length)

    def test_a_file_that_is_shorter(
        self, client: wire.Client, tmp_path: pathlib.Path
    ) -> None:
        path = tmp_path / 'file'
        path.write_bytes(b'12')
        with path.open('rb') as file, ScriptedServer() as server:
            with pytest.raises(exception.Truncated) as info:
                client.request(
                    'PUT',
                    server.url,
                    body=DescriptorRange(file.fileno(), 0, 3),
                    trusted=True,
                    side='destination',
                )
        assert info.value.side == 'source'
        assert info.value.offset == 2

    def test_a_refusal_is_read_although_the_body_breaks(
        self, client: wire.Client
    ) -> None:
        """The server says 413 and hangs up without having read it all."""
        hung_up = threading.Event()

        def serve(listener: socket.socket) -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1)
                sock.sendall(b'HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno')
            hung_up.set()

        def pieces() -> Iterator[bytes]:
            yield b'1' * 1000
            hung_up.wait(5)
            for _ in range(20):
                time.sleep(0.01)
                yield b'2' * 1000

        with socket.create_server(('127.0.0.1', 0)) as listener:
            thread = threading.Thread(target=serve, args=[listener])
            thread.start()
            port = listener.getsockname()[1]
            with client.request(
                'PUT',
                f'http://127.0.0.1:{port}/',
                body=pieces(),
                length=21000,
                trusted=True,
                side='destination',
            ) as response:
                error = response.error('destination')
            thread.join()
        assert isinstance(error, exception.NoSpace)

    def test_an_unreachable_destination(self, client: wire.Client) -> None:
        with ScriptedServer() as server:
            url = server.url
        with pytest.raises(exception.DestinationError) as info:
            client.request(
                'PUT', url, body=b'', trusted=True, side='destination'
            )
        assert info.value.temporary
        assert info.value.side == 'destination'


class TestConnections:
    def test_are_used_again(self, client: wire.Client) -> None:
        with ScriptedServer(b'bits') as server:
            for _ in range(3):
                client.request('GET', server.url, trusted=True).read()
            client.request('HEAD', server.url, trusted=True).close()
            client.request('GET', server.url, trusted=True).close()
            client.request('GET', server.url, trusted=True).read()
        assert server.connections == 1

    def test_that_were_closed_meanwhile_are_not(
        self, client: wire.Client
    ) -> None:
        def hang_up(exchange: scripted.Exchange) -> None:
            scripted.Good()(exchange)
            exchange.keep = False

        with ScriptedServer(b'bits', lambda *_: hang_up) as server:
            for _ in range(5):
                response = client.request('GET', server.url, trusted=True)
                assert response.read() == b'bits'
        assert server.connections == 5

    def test_that_were_closed_meanwhile_cost_no_write(
        self, client: wire.Client
    ) -> None:
        def hang_up(exchange: scripted.Exchange) -> None:
            scripted.Good()(exchange)
            exchange.keep = False

        with ScriptedServer(b'bits', [hang_up]) as server:
            client.request('GET', server.url, trusted=True).read()
            time.sleep(0.1)
            with client.request(
                'PUT', server.url, body=b'once', trusted=True
            ) as response:
                assert response.status == 200

    def test_with_an_unread_rest_are_not(self, client: wire.Client) -> None:
        def begin(exchange: scripted.Exchange) -> None:
            exchange.send_head()
            exchange.send(exchange.body[:-1])
            if not exchange.wait(0.2):
                exchange.send(exchange.body[-1:])

        with ScriptedServer(b'bits' * 100_000, [begin]) as server:
            response = client.request('GET', server.url, trusted=True)
            response.body.readinto(memoryview(bytearray(10)))
            response.close()
            assert not any(client._pool._kept.get().idle.values())

    def test_that_close_under_the_request_are_replaced(
        self, client: wire.Client
    ) -> None:
        def hang_up(exchange: scripted.Exchange) -> None:
            exchange.keep = False

        script = [scripted.Good(), hang_up, scripted.Good(), hang_up]
        with ScriptedServer(b'bits', script) as server:
            for _ in range(2):
                response = client.request('GET', server.url, trusted=True)
                assert response.read() == b'bits'
            with pytest.raises(exception.DestinationError):
                client.request(
                    'PUT',
                    server.url,
                    body=b'never twice',
                    trusted=True,
                    side='destination',
                )
        assert len(server.requests) == 4

    def test_do_not_outlive_the_client(self) -> None:
        with ScriptedServer(b'bits') as server:
            client = wire.Client(wire.Settings())
            response = client.request('GET', server.url, trusted=True)
            client.close()
            assert response.read() == b'bits'
            assert not any(client._pool._kept.get().idle.values())

    def test_are_not_shared_with_a_forked_child(
        self, client: wire.Client
    ) -> None:
        with ScriptedServer(b'bits') as server:
            client.request('GET', server.url, trusted=True).read()
            # As another thread might, at the fork.
            with client._pool._kept.get().lock:
                pid = os.fork()
            if not pid:
                try:
                    got = client.request('GET', server.url, trusted=True)
                    same = got.read() == b'bits'
                    [[own]] = client._pool._kept.get().idle.values()
                    client._pool = None  # type: ignore[assignment]
                    os._exit(0 if same and own.sock is None else 1)
                finally:
                    os._exit(2)
            assert os.waitpid(pid, 0)[1] == 0
            client.request('GET', server.url, trusted=True).read()
        assert [r.connection for r in server.requests] == [0, 1, 0]

    def test_refused(self, client: wire.Client) -> None:
        with ScriptedServer() as server:
            url = server.url
        with pytest.raises(exception.SourceUnavailable, match='refused'):
            client.request('GET', url, trusted=True)

    @pytest.mark.parametrize(
        ('code', 'temporary'),
        [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)],
    )
    def test_no_such_host(
        self,
        client: wire.Client,
        monkeypatch: pytest.MonkeyPatch,
        code: int,
        temporary: bool,
    ) -> None:
        def resolve(*args: object, **kwargs: object) -> None:
            raise socket.gaierror(code, 'in words')

        monkeypatch.setattr(socket, 'getaddrinfo', resolve)
        with pytest.raises(exception.SourceError, match='host') as info:
            client.request('GET', 'http://absent.invalid/', trusted=True)
        assert info.value.temporary is temporary
        assert info.value.errno is None
        assert info.value.__context__ is None


class TestProxy:
    def test_gets_whole_urls(self) -> None:
        with ScriptedServer(b'bits') as proxy:
            settings = wire.Settings(
                proxies={'http': f'http://me:{CANARY}@127.0.0.1:{proxy.port}'}
            )
            client = wire.Client(settings)
            url = 'http://there.example/a?b'
            response = client.request('GET', url, trusted=True)
            assert response.read() == b'bits'
            client.close()
        (request,) = proxy.requests
        assert request.path == url
        assert request.headers['host'] == 'there.example'
        assert request.headers['proxy-authorization'] == wire.basic(
            'me', CANARY
        )

    def test_is_not_led_to_denied_addresses(self) -> None:
        with ScriptedServer(b'bits') as proxy:
            client = wire.Client(
                wire.Settings(proxies={'http': f'127.0.0.1:{proxy.port}'})
            )
            for host in ('127.0.0.1', '0x7f.1', 'localhost', '[::1]'):
                with pytest.raises(exception.LocationDenied):
                    client.request('GET', f'http://{host}:1/')
            client.request('GET', 'http://absent.invalid/').read()
            client.close()
        assert [r.path for r in proxy.requests] == ['http://absent.invalid/']

    def test_that_makes_no_tunnel(self) -> None:
        for code, kind in (
            (407, exception.PermissionDenied),
            (502, exception.SourceUnavailable),
        ):
            with ScriptedServer(b'', [scripted.status(code)]) as proxy:
                client = wire.Client(
                    wire.Settings(proxies={'https': f'127.0.0.1:{proxy.port}'})
                )
                with pytest.raises(kind, match='tunnel'):
                    client.request('GET', 'https://there.example/')
                client.close()
            assert proxy.requests[0].method == 'CONNECT'
            assert proxy.requests[0].path == 'there.example:443'

    @pytest.mark.parametrize(
        'proxy', ['https://h:1', 'socks5://h', ':', 'a b']
    )
    def test_of_other_kinds(self, proxy: str) -> None:
        with pytest.raises(exception.InvalidOption, match='proxy'):
            wire.Client(wire.Settings(proxies={'http': proxy}))


def test_a_short_answer_takes_little_room(client: wire.Client) -> None:
    """Whatever the longest one is that would be taken."""
    with ScriptedServer(b'bits') as server:
        response = client.request('GET', server.url, trusted=True)
        tracemalloc.start()
        assert response.read(64 << 20) == b'bits'
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1 << 20


def test_a_connection_that_is_reset_at_once_is_closed(
    client: wire.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that has no peer any more says so to getpeername(2)."""
    sockets = [socket.socket() for _ in range(10)]
    left = iter(sockets)
    monkeypatch.setattr(
        connection.addresses, 'dial', lambda *ignored: next(left)
    )
    with pytest.raises(exception.SourceUnavailable):
        client.request('GET', 'http://127.0.0.1:9/')
    assert sockets[0].fileno() == -1
    for one in sockets:
        one.close()


def test_forgotten_connections_are_closed_whatever_refers_to_what() -> None:
    """Collected in a cycle, sockets may go before who would close them."""
    gc.collect()
    with ScriptedServer(b'bits') as server:
        for _ in range(20):
            forgotten = wire.Client(wire.Settings())
            with forgotten.request('GET', server.url, trusted=True) as answer:
                assert answer.read(10) == b'bits'
            forgotten.itself = forgotten  # type: ignore[attr-defined]
            del forgotten
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('always')
            gc.collect()
    assert not seen
