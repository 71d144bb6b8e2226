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
"""Tokens that end in the middle of a copy, of every kind of credentials."""

import pytest
import requests
from keystoneauth1 import session as sessions

from oslo_image import move, stores
from oslo_image.stores.swift import account
from tests.functional import clients, images
from tests.functional.images import MiB

DATA = images.noise(20 * MiB)


class Trigger:
    """Does something when a copy looks for the so manieth time.

    It is the event by which the caller would cancel.
    """

    def __init__(self, number, action):
        self.left = number
        self.action = action

    def is_set(self):
        self.left -= 1
        if not self.left:
            self.action()
        return False

    def wait(self, timeout=None):
        return self.is_set()


@pytest.fixture
def tokens(monkeypatch):
    """Those that requests were sent with, in order."""
    account.kept.cache_clear()
    sent = []
    sign = account.Account.sign

    def signed(self, *arguments):
        fields = sign(self, *arguments)
        sent.append(fields['X-Auth-Token'])
        return fields

    monkeypatch.setattr(account.Account, 'sign', signed)
    yield sent
    account.kept.cache_clear()


def by_password(box, keystone, user):
    return box.config, None


def by_application_credential(box, keystone, user):
    credential = keystone.application_credential(user)
    name = 'swift_store_application_credential'
    config = {
        'swift_store_auth_address': keystone.url,
        'swift_store_large_object_chunk_size': 1,
        f'{name}_id': credential.id,
        f'{name}_secret': credential.secret,
    }
    return config, None


def by_session(box, keystone, user):
    session = sessions.Session(
        clients.password(keystone, user), session=requests.Session()
    )
    return {'swift_store_large_object_chunk_size': 1}, session


@pytest.mark.parametrize(
    'credentials', [by_password, by_application_credential, by_session]
)
class TestKeystone:
    @pytest.fixture
    def whose(self, keystone_box, keystone, keystone_user, credentials):
        box = keystone_box
        config, auth = credentials(box, keystone, keystone_user)
        yield config, auth
        if auth is not None:
            auth.session.close()

    @pytest.fixture
    def revoke(self, swift_keystone, keystone, tokens):
        """Make the token that was used last worthless, and forgotten."""

        def revoke():
            keystone.revoke(tokens[-1])
            swift_keystone.forget_tokens()

        return revoke

    @pytest.fixture
    def place(self, keystone_box):
        scheme, _, rest = keystone_box.client.get_auth()[0].partition('://')
        return f'swift+{scheme}://{rest}/{keystone_box.name}'

    def copy(self, whose, source, target, cancel):
        config, auth = whose
        with stores.open_writer(target, config, auth=auth) as writer:
            mover = move.Mover(source, config, auth=auth)
            return mover.copy(writer, cancel=cancel)

    @pytest.mark.parametrize('whole', [False, True])
    def test_writing(
        self, whose, keystone_box, place, tokens, revoke, tmp_path, whole
    ):
        path = tmp_path / 'image'
        path.write_bytes(DATA)
        if whole:
            # Before its only request.
            whose[0]['swift_store_large_object_size'] = 32
        trigger = Trigger(2 if whole else 6, revoke)

        result = self.copy(whose, f'file://{path}', f'{place}/image', trigger)

        assert result.success
        assert keystone_box.get('image') == DATA
        assert len(set(tokens)) == 2

    @pytest.mark.parametrize('large', [False, True])
    def test_copying(self, whose, keystone_box, place, tokens, revoke, large):
        config = {**keystone_box.config}
        if not large:
            config['swift_store_large_object_chunk_size'] = 32
        with stores.open_writer(
            keystone_box.uri('image'), config, size=len(DATA)
        ) as writer:
            writer.write(DATA)
            writer.commit()
        tokens.clear()
        account.kept.cache_clear()
        trigger = Trigger(6 if large else 2, revoke)

        result = self.copy(whose, f'{place}/image', f'{place}/copy', trigger)

        assert result.strategy == 'swift_copy'
        assert keystone_box.get('copy') == DATA
        assert len(set(tokens)) == 2

    def test_reading(
        self, whose, keystone_box, place, tokens, revoke, tmp_path
    ):
        keystone_box.put('image', DATA)
        target = f'file://{tmp_path}/image'
        trigger = Trigger(3, revoke)

        result = self.copy(whose, f'{place}/image', target, trigger)

        assert result.success
        assert (tmp_path / 'image').read_bytes() == DATA
        assert len(set(tokens)) == 2


class TestRgw:
    """Its tokens cannot be revoked: one request in the middle is refused."""

    @pytest.fixture
    def box(self, rgw_faulty_box):
        return rgw_faulty_box

    @pytest.fixture
    def image(self, box, tmp_path, tokens):
        path = tmp_path / 'image'
        path.write_bytes(DATA)
        with stores.open_writer(box.uri('image'), box.config) as writer:
            move.Mover(f'file://{path}').copy(writer)
        tokens.clear()
        return path

    @pytest.mark.parametrize(
        'what', ['image/[0-9a-f]*/00000005$', 'multipart-manifest']
    )
    def test_writing(self, box, tmp_path, tokens, what):
        path = tmp_path / 'image'
        path.write_bytes(DATA)
        box.proxy.on('PUT', what, answer=(401, {}))
        assert box.copy(f'file://{path}', 'image').success
        assert box.get('image') == DATA
        assert len(set(tokens)) == 2

    def test_reading(self, box, image, tmp_path, tokens):
        box.proxy.on('GET', '/image$', first=3, answer=(401, {}))
        assert box.fetch('image', tmp_path / 'target').success
        assert (tmp_path / 'target').read_bytes() == DATA
        assert len(set(tokens)) == 2

    def test_copying(self, box, image, tokens):
        box.proxy.on('PUT', 'copy/[0-9a-f]*/00000005$', answer=(401, {}))
        result = box.copy(box.uri('image'), 'copy')
        assert result.strategy == 'swift_copy'
        assert box.get('copy') == DATA
        assert len(set(tokens)) == 2
