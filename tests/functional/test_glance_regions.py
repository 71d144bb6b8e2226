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

"""Two Glances of one Keystone; the second one hides its locations."""

import dataclasses
import hashlib
import io
import logging

import pytest

from oslo_image import catalog, exception, move
from oslo_image.catalog.base import Bits
from oslo_image.image import Image, Location
from tests.functional.glances import Glances, MiB, pattern

DATA = pattern(MiB + 13)
RAW = {'disk_format': 'raw', 'container_format': 'bare'}


@pytest.fixture
def token(keystone, keystone_user):
    return keystone.token(keystone_user)


@pytest.fixture
def here(glance_keystone, token):
    return Glances(glance_keystone.url, {'X-Auth-Token': token})


@pytest.fixture
def elsewhere(glance_elsewhere, token):
    return Glances(glance_elsewhere.url, {'X-Auth-Token': token})


@pytest.fixture
def config(keystone, keystone_user, elsewhere, here):
    def of(region):
        return {
            'catalog': 'glance',
            'glance_auth_url': keystone.url,
            'glance_username': keystone_user.name,
            'glance_password': keystone_user.password,
            'glance_project_name': keystone_user.project,
            'glance_region_name': region,
        }

    return of


def bits(data, **others):
    found = Bits(
        len(data),
        hashlib.md5(data).hexdigest(),
        'sha512',
        hashlib.sha512(data).hexdigest(),
    )
    return found._replace(**others)


def test_the_region_that_is_named_is_asked(here, elsewhere, config):
    image_id = elsewhere.stored(DATA)
    buffer = io.BytesIO()
    assert move.Mover(image_id, config('Elsewhere')).copy(buffer)
    assert buffer.getvalue() == DATA
    with pytest.raises(exception.ImageNotFound):
        move.Mover(image_id, config('RegionOne'))


def test_from_region_to_region(here, elsewhere, config):
    """What one Glance gives, the other takes: both are of the catalogue."""
    source = elsewhere.stored(DATA)
    host = elsewhere.url.partition('://')[2]
    image = catalog.API(config('RegionOne')).create(
        {'name': 'moved', **RAW}, data=f'glance+http://{host}/{source}'
    )
    assert image.checksum == elsewhere.show(source)['checksum']
    assert here.show(image.id)['status'] == 'active'


class TestLocationsOfAService:
    """Registered by the API for services, which answers before it looks."""

    @pytest.fixture
    def driver(self, config):
        return catalog.API(config('Elsewhere'))._driver

    @pytest.fixture
    def location(self, nginx, tmp_path):
        (nginx.root / tmp_path.name).write_bytes(DATA)
        return Location(nginx.url(tmp_path.name))

    def test_is_active_when_it_returns(self, driver, location):
        image = driver.create(Image(**RAW))
        found = driver.add_location(image.id, location, bits(DATA))
        assert (found.status, found.size) == ('active', len(DATA))
        assert found.os_hash_value == bits(DATA).os_hash_value
        # They are hidden from who has no role for them.
        assert found.locations == ()

    def test_other_bits_are_an_error(self, driver, location):
        image = driver.create(Image(**RAW))
        with pytest.raises(exception.CatalogError, match='other bits'):
            driver.add_location(
                image.id, location, bits(DATA, os_hash_value='0' * 128)
            )
        assert driver.get(image.id).status == 'queued'

    @pytest.mark.parametrize('kept', [{'name': 'eu'}, {'external': True}])
    def test_what_glance_would_not_keep(self, driver, location, kept):
        image = driver.create(Image(**RAW))
        with pytest.raises(exception.PermissionDenied, match='name'):
            driver.add_location(
                image.id, dataclasses.replace(location, **kept), bits(DATA)
            )
        assert driver.get(image.id).status == 'queued'


def test_no_secret_is_shown(elsewhere, config, keystone_user, caplog):
    caplog.set_level(logging.DEBUG)
    mover = move.Mover(elsewhere.stored(DATA), config('Elsewhere'))
    result = mover.copy(io.BytesIO())
    said = f'{caplog.text} {result!r} {mover!r} {result.refusals}'
    assert keystone_user.password not in said
    assert elsewhere.headers['X-Auth-Token'] not in said
    assert 'gAAAA' not in said
