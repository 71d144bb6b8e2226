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

"""Who may use an account in Swift, and how tokens come and go."""

import io
import logging
import secrets
import time

import pytest
import requests
from keystoneauth1 import session as sessions

from oslo_image import exception, move, stores
from oslo_image.image import Location
from oslo_image.stores.registry import Stores
from oslo_image.stores.swift import SwiftAuth, account
from tests.functional import boxes, clients, images, proxy
from tests.functional.images import MiB

DATA = images.noise(3 * MiB + 7)


def store(box, name='image', data=DATA, config=None, uri=None, **more):
    with stores.open_writer(
        uri or box.uri(name),
        box.config if config is None else config,
        **more,
    ) as writer:
        writer.write(data)
        return writer.commit().reveal()


def read(uri, config, **more):
    with stores.open_source(uri, config, **more) as source:
        buffer = bytearray(source.size)
        source.read_into(0, memoryview(buffer))
        return bytes(buffer)


def storage(box, name='image'):
    """Return the URI of an object by its account's URL."""
    url = box.client.get_auth()[0]
    scheme, _, rest = url.partition('://')
    return f'swift+{scheme}://{rest}/{box.name}/{name}'


@pytest.fixture(autouse=True)
def nothing_is_shown(caplog):
    """No token and no key in what is logged."""
    caplog.set_level(logging.DEBUG)
    yield
    for word in ('AUTH_tk', 'gAAAAA'):
        assert word not in caplog.text


class TestForms:
    """Each way to say who one is."""

    def test_password_of_keystone(self, keystone_box):
        store(keystone_box)
        assert read(keystone_box.uri('image'), keystone_box.config) == DATA

    def test_application_credential(
        self, keystone_box, keystone, keystone_user
    ):
        credential = keystone.application_credential(keystone_user)
        name = 'swift_store_application_credential'
        config = {
            'swift_store_auth_address': keystone.url,
            f'{name}_id': credential.id,
            f'{name}_secret': credential.secret,
        }
        assert store(keystone_box, config=config) == keystone_box.uri('image')
        assert keystone_box.get('image') == DATA

    def test_address_without_a_version(self, keystone_box, keystone):
        address = keystone.url.removesuffix('/v3')
        config = {**keystone_box.config, 'swift_store_auth_address': address}
        store(keystone_box, config=config)

    @pytest.mark.parametrize('kind', ['swift_box', 'keystone_box'])
    def test_no_proxy_of_the_environment_is_used(
        self, request, kind, monkeypatch
    ):
        """Neither for the token nor for the bytes."""
        box = request.getfixturevalue(kind)
        for scheme in ('http', 'https', 'all'):
            monkeypatch.setenv(f'{scheme}_proxy', 'http://127.0.0.1:9')
        monkeypatch.setenv('no_proxy', '')
        # Of other settings there is no token yet.
        config = {**box.config, 'swift_store_expire_soon_interval': 61}
        store(box, config=config)
        assert read(box.uri('image'), config) == DATA

    @pytest.mark.parametrize('kind', ['swift_box', 'keystone_box', 'rgw_box'])
    def test_credentials_in_the_uri(self, request, kind):
        """They are read, and not written."""
        box = request.getfixturevalue(kind)
        config = box.config
        address = config['swift_store_auth_address'].partition('://')[2]
        user = config['swift_store_user'].replace(':', '%3A')
        uri = (
            f'swift+http://{user}:{config["swift_store_key"]}@{address}/'
            f'{box.name}/image'
        )

        written = store(box, config={}, uri=uri)

        assert config['swift_store_key'] not in written
        assert written == storage(box)
        assert read(uri, {}) == DATA
        # To whom the same credentials are configured it is a reference.
        assert store(box, config=config, uri=uri, if_exists='replace') == (
            box.uri('image')
        )

    def test_account_and_user_with_an_at_sign(self, swift, tmp_path):
        user = swift.users[2]
        login = swift.auth_url, user.login, user.key
        address = swift.auth_url.partition('://')[2]
        with clients.swift(*login) as client:
            box = boxes.Box(client, boxes.options(*login), tmp_path.name)
            uri = (
                f'swift+http://{user.login}:{user.key}@{address}/{box.name}/'
                'image'
            )
            store(box, config={}, uri=uri)
            assert read(box.uri('image'), box.config) == DATA

    def test_file_of_references(self, keystone_box, tmp_path):
        config = keystone_box.config
        path = tmp_path / 'swift.conf'
        path.write_text(
            '[mine]\n'
            f'auth_address = {config["swift_store_auth_address"]}\n'
            f'user = {config["swift_store_user"]}\n'
            f"key = '{config['swift_store_key']}'\n"
        )
        options = {'swift_store_config_file': str(path)}
        uri = f'swift+config://mine/{keystone_box.name}/image'

        assert store(keystone_box, config=options, uri=uri) == uri

        with pytest.raises(exception.InvalidLocation, match='ref1'):
            read(keystone_box.uri('image'), options)

    def test_token_of_the_caller(self, keystone_box, keystone, keystone_user):
        auth = SwiftAuth(keystone.token(keystone_user))
        store(keystone_box)
        assert read(storage(keystone_box), {}, auth=auth) == DATA

    def test_session_of_the_caller(
        self, keystone_box, keystone, keystone_user
    ):
        password = clients.password(keystone, keystone_user)
        with requests.Session() as http:
            session = sessions.Session(password, session=http)
            uri = storage(keystone_box)
            written = store(keystone_box, config={}, uri=uri, auth=session)
            assert written == uri
            assert read(uri, {}, auth=session) == DATA

    def test_nobody(self, swift_box):
        """What everybody may read needs no token."""
        store(swift_box)
        uri = storage(swift_box)
        with pytest.raises(exception.PermissionDenied):
            read(uri, {})
        swift_box.client.post_container(
            swift_box.name, {'X-Container-Read': '.r:*'}
        )
        assert read(uri, {}) == DATA


class TestDenied:
    @pytest.mark.parametrize('kind', ['swift_box', 'keystone_box', 'rgw_box'])
    def test_a_wrong_key(self, request, kind):
        box = request.getfixturevalue(kind)
        config = {**box.config, 'swift_store_key': 'c4n4ry'}
        with pytest.raises(exception.PermissionDenied) as caught:
            read(box.uri('image'), config)
        assert 'c4n4ry' not in f'{caught.value!r} {caught.value}'

    def test_a_token_that_is_none(self, swift_box):
        auth = SwiftAuth('c4n4ry')
        store(swift_box)
        with pytest.raises(exception.PermissionDenied) as caught:
            read(storage(swift_box), {}, auth=auth)
        assert 'c4n4ry' not in f'{caught.value!r} {caught.value} {auth!r}'

    def test_a_read_only_user(self, swift, swift_box):
        reader = swift.users[1]
        config = boxes.options(swift.auth_url, reader.login, reader.key)
        acl = {'X-Container-Read': reader.login}
        swift_box.client.post_container(swift_box.name, acl)
        store(swift_box)
        assert read(swift_box.uri('image'), config) == DATA
        for data in (b'small', DATA):
            with pytest.raises(exception.PermissionDenied):
                store(swift_box, 'other', data, config=config)

    def test_an_address_where_nobody_is(self, swift_box):
        address = 'http://127.0.0.1:9/auth/v1.0'
        config = {**swift_box.config, 'swift_store_auth_address': address}
        with pytest.raises(exception.SourceUnavailable):
            read(swift_box.uri('image'), config)
        with pytest.raises(exception.DestinationError):
            store(swift_box, config=config)


class TestTrust:
    """What a catalogue names leads to no host that is not configured."""

    @staticmethod
    def open(uri, config, auth=None):
        found = Stores(config)
        location = Location(uri, trusted=False)
        source = found.find(location).open_source(location, auth=auth)
        source.close()
        found.close()

    def test_the_configured_account(self, swift_box):
        store(swift_box)
        self.open(storage(swift_box), swift_box.config)
        self.open(swift_box.uri('image'), swift_box.config)

    @pytest.mark.parametrize('auth', [None, SwiftAuth('c4n4ry')])
    def test_another_host(self, swift_box, auth):
        for place in ('127.0.0.1:9/v1/AUTH_x', 'a:b:c@127.0.0.1:9/auth/v1'):
            with pytest.raises(exception.LocationDenied):
                uri = f'swift+http://{place}/container/image'
                self.open(uri, swift_box.config, auth)

    def test_a_token_goes_to_its_host_alone(self, swift, swift_box):
        """The caller's own URI may name another host, but not for it."""
        store(swift_box)
        with proxy.Proxy(swift.proxy.port) as other:
            rest = storage(swift_box).partition('://')[2].partition('/')[2]
            uri = f'swift+http://127.0.0.1:{other.port}/{rest}'
            url, token = swift_box.client.get_auth()
            with pytest.raises(exception.PermissionDenied):
                read(uri, swift_box.config, auth=SwiftAuth(token, url))
            sent = [one.headers for one in other.requests]
        assert sent
        assert all('x-auth-token' not in one for one in sent)


class TestRenewal:
    @pytest.fixture(autouse=True)
    def fresh(self):
        account.kept.cache_clear()

    @pytest.fixture
    def watched(self, swift, swift_box):
        """The box through a proxy that sees the requests."""
        with proxy.Proxy(swift.proxy.port) as between:
            url = swift_box.client.get_auth()[0]
            swift_box.config['swift_store_endpoint'] = url.replace(
                f':{swift.proxy.port}/', f':{between.port}/'
            )
            yield between

    def test_a_token_that_ends_while_reading(self, swift, swift_box, watched):
        store(swift_box)
        watched.clear()
        watched.on('GET', 'image', first=2, cut_answer=MiB)
        watched.on('GET', 'image', first=3, before=swift.forget_tokens)
        sink = io.BytesIO()

        result = move.Mover(swift_box.uri('image'), swift_box.config).copy(
            sink
        )

        assert result.success
        assert sink.getvalue() == DATA
        ranges = [one.headers.get('range') for one in watched.requests]
        # It goes on at the byte delivered, by the new token.
        assert ranges[-1] == ranges[-2]
        first = int(ranges[-1].partition('=')[2].partition('-')[0])
        assert 0 < first <= 2 * MiB

    def test_one_token_for_all_requests_in_flight(
        self, swift, swift_box, watched
    ):
        """Several answers of 401 at once are one renewal."""
        with proxy.Proxy(swift.proxy.port) as auth:
            address = f'{auth.url}/auth/v1.0'
            swift_box.config['swift_store_auth_address'] = address
            data = images.noise(12 * MiB)
            store(swift_box, data=data)
            assert auth.asked('GET', '/auth') == 1
            watched.clear()
            watched.on('PUT', '0002$', before=swift.forget_tokens)

            result = swift_box.copy(swift_box.uri('image'), 'copy')
            assert result.success
            store(swift_box, 'other', data)

            assert swift_box.get('other') == data
            assert auth.asked('GET', '/auth') == 2

    def test_a_key_that_is_no_longer_good(self, keystone, swift_keystone):
        user = keystone.user(secrets.token_hex(4), 'images', 'member')
        login = f'{user.project}:{user.name}'
        config = boxes.options(keystone.url, login, user.password)
        with clients.swift_by_keystone(
            clients.password(keystone, user)
        ) as client:
            box = boxes.Box(client, config, secrets.token_hex(4))
            store(box)
            keystone.admin('DELETE', f'/users/{user.user_id}')
            # Swift asks about a token once a second.
            deadline = 50
            while deadline:
                deadline -= 1
                try:
                    read(box.uri('image'), box.config)
                except exception.PermissionDenied:
                    break
                time.sleep(0.1)
            assert deadline
