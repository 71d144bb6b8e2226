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

"""Images in their owners' accounts: who may read them, and who pays."""

import contextlib
import secrets

import pytest
import requests
import swiftclient
from keystoneauth1 import session as sessions

from oslo_image import exception, stores
from tests.functional import clients, images
from tests.functional.images import MiB

DATA = images.noise(2 * MiB + 7)


class Tenant:
    """A user in a project, and his session."""

    def __init__(self, keystone, stack):
        project = f'project-{secrets.token_hex(4)}'
        self.user = keystone.user(
            f'user-{secrets.token_hex(4)}', project, 'member'
        )
        password = clients.password(keystone, self.user)
        http = stack.enter_context(requests.Session())
        self.session = sessions.Session(password, session=http)
        self.client = stack.enter_context(clients.swift_by_keystone(password))


@pytest.fixture
def tenants(swift_keystone, keystone):
    """An owner, somebody else, and an administrator of images."""
    with contextlib.ExitStack() as stack:
        yield [Tenant(keystone, stack) for _ in range(3)]


@pytest.fixture
def config(tenants):
    admin = tenants[2].user.project_id
    return {
        'swift_store_multi_tenant': True,
        'swift_store_admin_tenants': [admin],
        'swift_store_large_object_chunk_size': 1,
    }


def store(tenant, config, name, **options):
    with stores.open_writer(
        f'swift:///{name}', config, auth=tenant.session, **options
    ) as writer:
        writer.write(DATA)
        return writer.commit().reveal()


def read(uri, config, tenant=None):
    auth = tenant and tenant.session
    with stores.open_source(uri, config, auth=auth) as source:
        buffer = bytearray(source.size)
        source.read_into(0, memoryview(buffer))
        return bytes(buffer)


class TestOwner:
    def test_the_image_lands_in_his_account(
        self, tenants, config, swift_keystone
    ):
        owner = tenants[0]

        uri = store(owner, config, 'an-id')

        url = swift_keystone.storage_url(owner.user).partition('://')[2]
        assert uri == f'swift+http://{url}/glance_an-id/an-id'
        assert owner.client.get_object('glance_an-id', 'an-id')[1] == DATA
        assert read(uri, config, owner) == DATA

    def test_his_container_goes_with_the_image(self, tenants, config):
        owner = tenants[0]
        uri = store(owner, config, 'an-id')

        stores.delete(uri, config, auth=owner.session)

        assert owner.client.get_account()[1] == []
        with pytest.raises(exception.ImageNotFound):
            stores.stat(uri, config, auth=owner.session)

    def test_a_container_made_in_vain_goes(self, tenants, config):
        owner = tenants[0]
        writer = stores.open_writer(
            'swift:///an-id', config, auth=owner.session
        )
        writer.write(DATA)
        assert [one['name'] for one in owner.client.get_account()[1]]

        assert writer.abort() == []

        assert owner.client.get_account()[1] == []

    def test_a_container_that_was_there_stays(self, tenants, config):
        owner = tenants[0]
        owner.client.put_container('glance_an-id')
        writer = stores.open_writer(
            'swift:///an-id', config, auth=owner.session
        )
        writer.write(DATA)

        assert writer.abort() == []

        (left,) = owner.client.get_account()[1]
        assert left['name'] == 'glance_an-id'

    def test_credentials_are_his_own(self, config):
        with pytest.raises(exception.PermissionDenied, match='own cred'):
            stores.open_writer('swift:///an-id', config)


class TestOthers:
    def test_private(self, tenants, config):
        owner, other, admin = tenants
        uri = store(owner, config, 'an-id')

        for nobody in (other, None):
            with pytest.raises(exception.PermissionDenied):
                read(uri, config, nobody)
        assert read(uri, config, admin) == DATA

    def test_shared(self, tenants, config):
        owner, other, admin = tenants
        members = [other.user.project_id]
        uri = store(owner, config, 'an-id', members=members)

        assert read(uri, config, other) == DATA
        with pytest.raises(exception.PermissionDenied):
            stores.delete(uri, config, auth=other.session)
        with pytest.raises(exception.PermissionDenied):
            read(uri, config)

    def test_public_to_users_alone(self, tenants, config):
        owner, other, _ = tenants
        uri = store(owner, config, 'an-id', public=True)

        assert read(uri, config, other) == DATA
        with pytest.raises(exception.PermissionDenied):
            read(uri, config)

    def test_changed_later(self, tenants, config):
        owner, other, admin = tenants
        uri = store(owner, config, 'an-id')
        found = stores.registry.Stores(config)
        location = found.location(uri)
        store_of = found.find(location)

        for rights in ({'members': [other.user.project_id]}, {'public': True}):
            store_of.share(location, auth=owner.session, **rights)
            assert read(uri, config, other) == DATA
        store_of.share(location, auth=owner.session)
        found.close()

        with pytest.raises(exception.PermissionDenied):
            read(uri, config, other)
        assert read(uri, config, admin) == DATA

    def test_an_administrator_deletes(self, tenants, config):
        owner, _, admin = tenants
        uri = store(owner, config, 'an-id')

        stores.delete(uri, config, auth=admin.session)

        with pytest.raises(swiftclient.ClientException, match='404'):
            owner.client.head_object('glance_an-id', 'an-id')

    def test_rights_are_for_tenants(self, tenants, config):
        single = {**config, 'swift_store_multi_tenant': False}
        with pytest.raises(exception.InvalidOption, match='multi_tenant'):
            store(tenants[0], single, 'an-id', public=True)
