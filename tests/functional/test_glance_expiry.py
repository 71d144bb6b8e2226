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

"""A token that expires while an image is read from a real Glance."""

import datetime
import time
import urllib.error

import pytest
from keystoneauth1 import session
from keystoneauth1.exceptions import http
from keystoneauth1.identity import v3

from oslo_image import exception, move, stores
from tests.functional.glances import Glances, MiB, pattern

DATA = pattern(24 * MiB)


class Slow:
    """The progress of a copy that takes longer than its token lives.

    :param token: what it waits for at the first byte, until it is refused.
    """

    def __init__(self, url, token):
        self._glance = Glances(url, {'X-Auth-Token': token})
        self.at = None

    def __call__(self, done, total):
        if self.at is not None:
            return
        self.at = done
        deadline = time.monotonic() + 60
        while self._accepted():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def _accepted(self):
        try:
            self._glance.ask('GET', '/images?limit=1')
        except urllib.error.HTTPError as error:
            error.close()
            assert error.code == 401
            return False
        return True


class LateClock(v3.Password):
    """Takes every token for a good one, as with a clock that is late.

    Else keystoneauth asks for a new one two minutes before the end.
    """

    MIN_TOKEN_LIFE_SECONDS = -(10**6)
    renewed = 0

    def invalidate(self):
        self.renewed += 1
        return super().invalidate()


@pytest.fixture
def image_id(glance_keystone, keystone, keystone_user):
    token = keystone.token(keystone_user)
    glance = Glances(glance_keystone.url, {'X-Auth-Token': token})
    return glance.stored(DATA)


@pytest.fixture
def short_lived(keystone, keystone_user):
    """Return what a credential gives that ends in so many seconds."""

    def made(seconds):
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
            seconds=seconds
        )
        credential = keystone.application_credential(
            keystone_user, f'{end:%Y-%m-%dT%H:%M:%S}'
        )
        plugin = v3.ApplicationCredential(
            keystone.url,
            application_credential_id=credential.id,
            application_credential_secret=credential.secret,
        )
        return plugin.get_access(session.Session())

    return made


def outlived(short_lived, url, copy):
    """Copy until a token has expired in the midst of it.

    On a busy machine one may have expired before anything has begun.
    """
    for seconds in (3, 6, 12, 24, 48):
        try:
            access = short_lived(seconds)
        except http.Unauthorized:
            continue
        slow = Slow(url, access.auth_token)
        found = copy(access, slow)
        if slow.at is not None:
            assert 0 < slow.at < len(DATA)
            return access.auth_token, found
    pytest.fail('no token has lived long enough')


def config(**more):
    # One request after the other, so that some are to come.
    return {
        'catalog': 'glance',
        'glance_region_name': 'RegionOne',
        'parallel_requests': 1,
        'disabled_strategies': ['stream'],
        **more,
    }


def test_with_a_password_it_goes_on(
    image_id, glance_keystone, keystone, keystone_user, short_lived, tmp_path
):
    """At the byte that was delivered, which the digest proves."""
    plugins = []

    def copy(access, slow):
        plugin = LateClock(
            keystone.url,
            username=keystone_user.name,
            password=keystone_user.password,
            project_name=keystone_user.project,
            user_domain_id='default',
            project_domain_id='default',
        )
        plugin.auth_ref = access
        plugins.append(plugin)
        own = session.Session(plugin)
        with (tmp_path / 'copy').open('wb') as file:
            return move.Mover(image_id, config(), auth=own).copy(
                file, progress=slow
            )

    _, result = outlived(short_lived, glance_keystone.url, copy)
    assert plugins[-1].renewed == 1
    assert result.strategy == 'parallel'
    assert result.verified
    assert result.error is None
    assert (tmp_path / 'copy').read_bytes() == DATA


@pytest.mark.parametrize('how', ['endpoint', 'keystone'])
def test_a_token_alone_is_denied(
    image_id, glance_keystone, keystone, short_lived, tmp_path, how
):
    """It says that it is the token, and what would help."""
    where = (
        {'glance_endpoint': glance_keystone.url}
        if how == 'endpoint'
        else {'glance_auth_url': keystone.url}
    )
    path = tmp_path / 'copy'

    def copy(access, slow):
        token = access.auth_token
        with (
            pytest.raises(exception.PermissionDenied) as caught,
            stores.open_writer(f'file://{path}') as writer,
        ):
            move.Mover(image_id, config(**where), auth=token).copy(
                writer, progress=slow
            )
        return caught.value

    token, error = outlived(short_lived, glance_keystone.url, copy)
    assert 'token' in error.message
    assert 'password' in error.message
    assert 0 < error.offset < len(DATA)
    assert error.destination_state == 'untouched'
    assert not path.exists()
    assert token not in f'{error!r} {error}'
