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


"""The conformance suite on objects in Swift: OpenStack's, and Ceph's RGW."""

import collections
import urllib.parse

import pytest

from oslo_image.stores.registry import Stores
from oslo_image.stores.swift import marks
from oslo_image.testing.conformance import Harness, StoreConformance
from tests.functional import boxes, clients

MiB = 1 << 20
CONTAINER = 'conformance'
_LACKS = {
    'in_place': 'objects are replaced whole',
    'sparse': 'Swift has no holes',
    'exclusive': 'Swift looks at conditions before it writes',
}


class Objects:
    """What holds of every server."""

    # A segment; what lies around it is tested for every store.
    chunk = MiB
    malformed = (
        'swift://host',
        'swift://host/container',
        'swift://host/container/',
        'swift:///a/b',
        'swift://user@host/container/object',
        'swift+config:///container/object',
    )

    @pytest.fixture
    def harness(self, account):
        options, client, place = account
        stores = Stores({'swift_store_large_object_chunk_size': 1, **options})

        def uri(name):
            quoted = urllib.parse.quote(name, '')
            return f'swift+config://ref1/{CONTAINER}/{quoted}'

        def listing():
            """Return the names; the segments of an upload count as one."""
            found = client.get_container(CONTAINER, full_listing=True)[1]
            uploads = set()
            for one in found:
                if mark := marks.read(one['name']):
                    uploads.add(mark)
                else:
                    yield one['name']
            numbers = collections.Counter(mark.name for mark in uploads)
            for name, number in numbers.items():
                yield from (f'upload {one} to {name}' for one in range(number))

        def abandon(name):
            prefix = marks.prefix(name, marks.token())
            for number in (1, 2):
                part = f'{prefix}{number:08}'
                client.put_object(CONTAINER, part, b'left')

        return Harness(
            store=stores.find(stores.location(uri('any'))),
            uri=uri,
            listing=lambda: list(listing()),
            overwrite=lambda name, data: client.put_object(
                CONTAINER, name, data
            ),
            secret_uri=lambda word: (
                f'swift+http://tenant:user:{word}@{place}/{CONTAINER}/image'
            ),
            abandon=abandon,
        )


@pytest.fixture(scope='module')
def tempauth(swift):
    user = swift.users[0]
    yield from _account(swift.auth_url, user.login, user.key)


@pytest.fixture(scope='module')
def gateway(rgw, rgw_user):
    user, key = rgw_user.swift_user, rgw_user.swift_key
    yield from _account(rgw.swift_auth_url, user, key)


@pytest.fixture(scope='module')
def by_keystone(swift_keystone, keystone, keystone_user):
    password = clients.password(keystone, keystone_user)
    with clients.swift_by_keystone(password) as client:
        user = f'{keystone_user.project}:{keystone_user.name}'
        yield _known(client, keystone.url, user, keystone_user.password)


def _account(address, user, key):
    with clients.swift(address, user, key) as client:
        yield _known(client, address, user, key)


def _known(client, address, user, key):
    client.put_container(CONTAINER)
    options = boxes.options(address, user, key)
    return options, client, address.partition('://')[2]


class TestTempauth(Objects, StoreConformance):
    lacks = _LACKS

    @pytest.fixture
    def account(self, tempauth):
        return tempauth


class TestRgw(Objects, StoreConformance):
    lacks = _LACKS

    @pytest.fixture
    def account(self, gateway):
        return gateway


class TestKeystone(Objects, StoreConformance):
    lacks = _LACKS

    @pytest.fixture
    def account(self, by_keystone):
        return by_keystone
