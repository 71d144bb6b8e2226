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

"""The http store: its URIs, its options, its credentials."""

import base64
import logging
import pathlib
import subprocess
import sys

import pytest

from oslo_image import exception
from oslo_image.stores import http
from oslo_image.testing import scripted
from oslo_image.testing.scripted import ScriptedServer
from tests.unit.stores.wire_help import (
    CANARY,
    everything_said,
    make_store,
    options,
    read_all,
    trusted,
    untrusted,
)

DATA = b'bits' * 50_000


class TestParse:
    @pytest.mark.parametrize(
        'uri',
        [
            'http://h/a',
            'https://user:pw@h:8443/a/b%2Fc?X-Amz-Signature=x%2F&b=c',
            'HTTP://H/',
            'http://[2001:db8::1]:80/a',
            'https://h',
            'https://h/a?url=http://other/',
        ],
    )
    def test_keeps_the_uri(self, uri: str) -> None:
        with make_store() as store:
            location = store.parse(uri)
        assert location.reveal() == uri
        assert not location.trusted

    @pytest.mark.parametrize(
        'uri',
        [
            'ftp://h/a',
            'http:///a',
            'http://http://h/a',
            'http://h:port/a',
            'http://h:99999/a',
            'http://h/a\n',
            'http://h/a\0',
            'http://h/a b',
            'http://good\\@evil/',
        ],
    )
    def test_refuses(self, uri: str) -> None:
        with make_store() as store:
            with pytest.raises(exception.InvalidLocation):
                store.parse(uri)

    def test_shows_no_secret(self) -> None:
        with make_store() as store:
            location = store.parse(f'http://u:{CANARY}@h/a?sig={CANARY}')
            assert CANARY not in f'{location} {location!r}'
            with pytest.raises(exception.InvalidLocation) as info:
                store.parse(f'http://u:{CANARY}@h:x/a?sig={CANARY}')
        assert CANARY not in everything_said(info.value)


class TestOptions:
    def test_glance_stores_names(self) -> None:
        names = {option.dest for option in http.HttpStore.list_opts()}
        assert names >= {
            'https_ca_certificates_file',
            'https_insecure',
            'http_proxy_information',
        }
        assert all(option.help for option in http.HttpStore.list_opts())

    def test_certificates_are_verified_by_default(self) -> None:
        assert options().https_insecure is False

    @pytest.mark.parametrize(
        ('name', 'value'),
        [
            ('https_ca_certificates_file', '/nonexistent/ca'),
            ('http_client_certificate_file', '/nonexistent/cert'),
            ('http_client_key_file', '/nonexistent/key'),
            ('http_denied_networks', ['10.0.0.0/99']),
            ('http_proxy_information', {'ftp': 'h:1'}),
            ('http_proxy_information', {'http': 'socks5://h:1'}),
        ],
    )
    def test_a_wrong_one_is_named(self, name: str, value: object) -> None:
        with pytest.raises(exception.InvalidOption, match=name):
            http.HttpStore(options(**{name: value}))

    def test_a_proxy_that_is_none_shows_no_password(self) -> None:
        proxy = {'http': f'http://u:{CANARY}@:1'}
        with pytest.raises(exception.InvalidOption) as info:
            http.HttpStore(options(http_proxy_information=proxy))
        assert CANARY not in everything_said(info.value)

    def test_a_file_that_is_no_certificate(
        self, tmp_path: pathlib.Path
    ) -> None:
        path = tmp_path / 'ca'
        path.write_text('nothing')
        with make_store(https_ca_certificates_file=str(path)) as store:
            with pytest.raises(exception.InvalidOption, match='ca') as info:
                store.open_source(trusted('https://127.0.0.1:1/'))
        assert info.value.__context__ is None

    def test_insecure_is_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with ScriptedServer(DATA) as server:
            with make_store(https_insecure=True) as store:
                for _ in range(3):
                    store.open_source(trusted(server.url)).close()
        warnings = [
            record
            for record in caplog.records
            if record.levelno == logging.WARNING
        ]
        assert len(warnings) == 1
        assert 'https_insecure' in caplog.text

    def test_proxies_of_the_environment_are_ignored(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv('http_proxy', 'http://127.0.0.1:1')
        with ScriptedServer(DATA) as server, make_store() as store:
            store.open_source(trusted(server.url)).close()

    def test_a_proxy_is_used(self) -> None:
        with ScriptedServer(DATA) as proxy:
            there = {'http': f'127.0.0.1:{proxy.port}'}
            with make_store(http_proxy_information=there) as store:
                location = untrusted('http://absent.invalid/image')
                with store.open_source(location) as source:
                    assert read_all(source.open_stream()) == DATA
        assert {r.path for r in proxy.requests} == {location.reveal()}


class TestTrust:
    def test_the_callers_own_uri_may_be_local(self) -> None:
        with ScriptedServer(DATA) as server, make_store() as store:
            assert store.stat(trusted(server.url)) == (len(DATA), 'ETag "v1"')

    def test_a_catalogues_may_not(self) -> None:
        with ScriptedServer(DATA) as server:
            with make_store() as store:
                with pytest.raises(exception.LocationDenied):
                    store.open_source(untrusted(server.url))
        assert server.connections == 0

    def test_unless_the_operator_says_so(self) -> None:
        with ScriptedServer(DATA) as server:
            with make_store(http_allow_local_addresses=True) as store:
                store.open_source(untrusted(server.url)).close()

    def test_networks_that_the_operator_denies(self) -> None:
        with ScriptedServer(DATA) as server:
            with make_store(
                http_allow_local_addresses=True,
                http_denied_networks=['127.0.0.0/8'],
            ) as store:
                with pytest.raises(exception.LocationDenied):
                    store.open_source(untrusted(server.url))
        assert server.connections == 0


class TestAuth:
    @pytest.mark.parametrize(
        ('auth', 'userinfo', 'expected'),
        [
            (None, '', None),
            (None, 'u%40:p%3a:@', 'u@:p::'),
            (('me', 'mine'), '', 'me:mine'),
            (('me', 'mine'), 'u:p@', 'me:mine'),
        ],
    )
    def test_basic(
        self, auth: object, userinfo: str, expected: str | None
    ) -> None:
        with ScriptedServer(DATA) as server, make_store() as store:
            uri = server.url.replace('://', f'://{userinfo}')
            with store.open_source(trusted(uri), auth=auth) as source:
                assert read_all(source.open_stream()) == DATA
        for request in server.requests:
            field = request.headers.get('authorization')
            if expected is None:
                assert field is None
            else:
                plain = base64.b64decode(field.removeprefix('Basic '))
                assert plain.decode() == expected

    def test_fields(self) -> None:
        with ScriptedServer(DATA) as server, make_store() as store:
            auth = {'Authorization': 'Bearer t'}
            with store.open_source(trusted(server.url), auth=auth) as source:
                read_all(source.open_stream())
        assert len(server.requests) == 2
        for request in server.requests:
            assert request.headers['authorization'] == 'Bearer t'

    @pytest.mark.parametrize('auth', ['token', object()])
    def test_another_stores_is_not_sent(self, auth: object) -> None:
        with ScriptedServer(DATA) as server, make_store() as store:
            store.open_source(trusted(server.url), auth=auth).close()
        assert 'authorization' not in server.requests[0].headers

    def test_is_not_sent_where_an_untrusted_location_leads(self) -> None:
        with (
            ScriptedServer(DATA) as server,
            make_store(http_allow_local_addresses=True) as store,
        ):
            location = store.parse(server.url)
            assert not location.trusted
            store.open_source(location, auth=('me', 'mine')).close()
        assert 'authorization' not in server.requests[0].headers

    def test_is_not_taken_along_by_a_redirect(self) -> None:
        with ScriptedServer(DATA) as other:
            away = scripted.redirect(other.url)
            with (
                ScriptedServer(b'', lambda *_: away) as server,
                make_store(http_allow_local_addresses=True) as store,
            ):
                uri = server.url.replace('://', f'://u:{CANARY}@')
                with store.open_source(trusted(uri)) as source:
                    assert read_all(source.open_stream()) == DATA
            assert 'authorization' in server.requests[0].headers
        assert len(other.requests) == 2
        assert 'authorization' not in str(other.requests).lower()

    def test_a_signed_query_is_sent_verbatim(self) -> None:
        with ScriptedServer(DATA) as server, make_store() as store:
            query = '?X-Amz-Signature=a%2fb%2F+c&d=../e'
            store.open_source(trusted(server.url + query)).close()
        assert server.requests[0].path == f'/image{query}'


class TestReadOnly:
    def test_nothing_is_written_nor_deleted(self) -> None:
        with ScriptedServer(DATA) as server, make_store() as store:
            location = trusted(server.url)
            with pytest.raises(exception.InvalidWriter, match='read-only'):
                store.open_writer(location)
            with pytest.raises(exception.InvalidWriter, match='deleted'):
                store.delete(location)
        assert server.requests == []


def test_a_store_is_usable_after_close() -> None:
    with ScriptedServer(DATA) as server:
        store = http.HttpStore(options())
        for _ in range(2):
            store.stat(trusted(server.url))
            store.close()
            store.close()


def test_importing_the_store_is_light() -> None:
    code = (
        'import sys, oslo_image.stores.http;'
        'print({"urllib3", "ssl", "http.client", "oslo_config"}'
        ' & set(sys.modules))'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == 'set()'
