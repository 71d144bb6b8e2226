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
"""Options that say which of the URLs in a catalogue is used, and when."""

import contextlib
import secrets

import pytest

from oslo_image import exception, stores
from oslo_image.stores.swift import account
from tests.functional import proxy

INTERFACES = ('public', 'internal', 'admin')


def store(box, **options):
    account.kept.cache_clear()
    config = {**box.config, **options}
    with stores.open_writer(
        box.uri('image'), config, if_exists='replace'
    ) as writer:
        writer.write(b'data')
        writer.commit()
    assert box.get('image') == b'data'


@pytest.fixture
def ways(swift_keystone):
    """A proxy for each interface, in each of two regions."""
    with contextlib.ExitStack() as stack:
        yield {
            (region, interface): stack.enter_context(
                proxy.Proxy(swift_keystone.proxy.port)
            )
            for region in ('North', 'South')
            for interface in INTERFACES
        }


@pytest.fixture
def service_type(keystone, ways):
    """The type of a service that the catalogue has at these."""
    kind = f'objects-{secrets.token_hex(4)}'
    for region in ('North', 'South'):
        urls = {
            one: f'{ways[region, one].url}/v1/AUTH_%(project_id)s'
            for one in INTERFACES
        }
        keystone.endpoint(kind, urls, region)
    return kind


@pytest.mark.parametrize('interface', INTERFACES)
@pytest.mark.parametrize('region', ['North', 'South'])
def test_type_interface_and_region(
    keystone_box, ways, service_type, region, interface
):
    store(
        keystone_box,
        swift_store_service_type=service_type,
        swift_store_endpoint_type=f'{interface}URL',
        swift_store_region=region,
    )
    used = {where for where, one in ways.items() if one.requests}
    assert used == {(region, interface)}


@pytest.mark.parametrize(
    'option',
    [
        {'swift_store_service_type': 'no-such-service'},
        {'swift_store_region': 'Nowhere'},
    ],
)
def test_what_the_catalogue_does_not_have(keystone_box, option):
    with pytest.raises(exception.ImageError):
        store(keystone_box, **option)


@pytest.mark.parametrize(('seconds', 'often'), [(60, False), (7200, True)])
def test_seconds_before_a_token_is_renewed(
    keystone, keystone_box, seconds, often
):
    """Its tokens are good for an hour."""
    with proxy.Proxy(keystone.port) as between:
        store(
            keystone_box,
            swift_store_auth_address=f'{between.url}/v3',
            swift_store_expire_soon_interval=seconds,
        )
        asked = between.asked('POST', '/auth/tokens')
    assert (asked > 1) is often
    assert asked


def test_version_of_the_authentication(rgw, rgw_box):
    """By an address that does not tell."""
    address = f'{rgw.url}/auth'
    store(
        rgw_box,
        swift_store_auth_address=address,
        swift_store_auth_version='1',
    )
    with pytest.raises(exception.ImageError):
        store(
            rgw_box,
            swift_store_auth_address=address,
            swift_store_auth_version='3',
        )
