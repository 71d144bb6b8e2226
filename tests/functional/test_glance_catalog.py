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

"""The catalogue's conformance suite on a real Glance."""

import hashlib
import io
import uuid

import pytest

from oslo_image import exception, move
from oslo_image.catalog import registry
from oslo_image.catalog.base import Bits
from oslo_image.image import Image, Location
from oslo_image.move import options
from oslo_image.stores.registry import Stores
from oslo_image.testing.catalog import DriverConformance
from tests.functional import glances, proxy
from tests.functional.glances import Glances, MiB, pattern
from tests.servers import glance as glance_server
from tests.servers import policy

DATA = pattern(MiB + 9)


def driver_of(auth=None, **config):
    stores = Stores({'catalog': 'glance', **config}, options.list_opts())
    return registry.load(stores.conf, auth)


class TestDriver(DriverConformance):
    lacks = {
        'emptying': 'Glance keeps the last location of an image',
        'deactivated': 'Glance changes no locations of such an image',
    }

    @pytest.fixture
    def driver(self, glance):
        return driver_of(glance_endpoint=glance.url)

    @pytest.fixture
    def location(self, nginx, tmp_path):
        """Return what makes a location: Glance looks at what lies there."""

        def make(name):
            path = f'{tmp_path.name}-{name}'
            other = name.isdigit() and int(name) % 2 == 0
            data = b'other bits' if other else self.content
            (nginx.root / path).write_bytes(data)
            return Location(nginx.url(path), name=name, external=True)

        return make


@pytest.fixture(scope='module')
def between(glance):
    with proxy.Proxy(glance.api.port) as running:
        yield running


@pytest.fixture
def on_the_way(between):
    """A proxy in front of Glance, without faults yet."""
    yield between
    between.clear()


@pytest.fixture
def driver(on_the_way):
    return driver_of(glance_endpoint=on_the_way.url)


@pytest.fixture
def images(glance):
    return Glances(glance.url)


class TestRemovingLocations:
    """Glance removes by the place in a list, which others change."""

    @pytest.fixture
    def three(self, images, nginx):
        name = str(uuid.uuid4())
        image_id = images.queued()
        for number in range(3):
            path = f'{name}_{number}'
            (nginx.root / path).write_bytes(DATA)
            value = {'url': nginx.url(path), 'metadata': {}}
            step = {'op': 'add', 'path': '/locations/-', 'value': value}
            images.patch(image_id, step)
        return image_id

    def left(self, images, image_id):
        record = images.show(image_id)
        assert 'oslo_image_removing' not in record
        return [one['url'].partition('_')[2] for one in record['locations']]

    def test_another_was_removed_meanwhile(
        self, glance, images, driver, on_the_way, three
    ):
        other = driver_of(glance_endpoint=glance.url)
        first, second, _ = driver.get(three).locations
        on_the_way.on(
            'PATCH',
            first=2,
            before=lambda: other.remove_location(three, first),
        )
        driver.remove_location(three, second)
        assert self.left(images, three) == ['2']

    def test_it_was_removed_meanwhile(
        self, glance, images, driver, on_the_way, three
    ):
        other = driver_of(glance_endpoint=glance.url)
        first, *_ = driver.get(three).locations
        on_the_way.on(
            'PATCH',
            first=2,
            before=lambda: other.remove_location(three, first),
        )
        with pytest.raises(exception.ImageNotFound, match='no such location'):
            driver.remove_location(three, first)
        assert self.left(images, three) == ['1', '2']

    def test_where_it_may_have_no_mark(
        self, images, driver, on_the_way, three
    ):
        on_the_way.on('PATCH', answer=(403, {}))
        first, *_ = driver.get(three).locations
        driver.remove_location(three, first)
        assert self.left(images, three) == ['1', '2']

    def test_a_failure_leaves_no_mark(self, images, driver, on_the_way, three):
        on_the_way.on('PATCH', first=2, answer=(503, {}))
        first, *_ = driver.get(three).locations
        with pytest.raises(exception.CatalogUnavailable):
            driver.remove_location(three, first)
        assert self.left(images, three) == ['0', '1', '2']


class TestUpdate:
    """A change is made whole, or not at all."""

    def test_a_field_that_glance_refuses(self, images, driver):
        image_id = images.stored(DATA, name='old')
        with pytest.raises(exception.InvalidOption):
            driver.update(
                image_id, {'status': 'deactivated', 'name': 'n' * 300}
            )
        assert images.status(image_id) == 'active'

    def test_a_status_that_glance_refuses(self, images, driver, on_the_way):
        image_id = images.stored(DATA, name='old', mine='old')
        on_the_way.on('POST', 'actions', answer=(403, {}))
        changes = {'status': 'deactivated', 'name': 'new', 'more': 'new'}
        with pytest.raises(exception.PermissionDenied):
            driver.update(image_id, changes, remove=['mine'])
        record = images.show(image_id)
        assert (record['name'], record['mine']) == ('old', 'old')
        assert 'more' not in record

    def test_what_cannot_be_taken_back_is_named(
        self, images, driver, on_the_way
    ):
        image_id = images.stored(DATA, name='old')
        on_the_way.on('POST', 'actions', answer=(503, {}))
        on_the_way.on('PATCH', first=2, answer=(503, {}))
        with pytest.raises(exception.CatalogUnavailable) as caught:
            driver.update(image_id, {'status': 'deactivated', 'name': 'new'})
        assert 'stays changed' in ''.join(caught.value.__notes__)


def test_a_size_that_glance_does_not_find(images, driver, nginx):
    """It has the location by then, and the error says so."""
    name = str(uuid.uuid4())
    (nginx.root / name).write_bytes(DATA)
    digests = [hashlib.new(one, DATA).hexdigest() for one in ('md5', 'sha512')]
    bits = Bits(5, digests[0], 'sha512', digests[1])
    image_id = images.queued()
    with pytest.raises(exception.SizeMismatch, match='keeps the location'):
        driver.add_location(image_id, Location(nginx.url(name)), bits)


@pytest.fixture(scope='module')
def glance_direct():
    """Glance that shows one location of an image, as direct_url."""
    options = {'show_multiple_locations': 'false'}
    with policy.provided(glance_server.Glance(options=options)) as glance:
        yield glance


class TestDirectUrl:
    """Where no other location is shown."""

    @pytest.fixture
    def image_id(self, glance_direct):
        return Glances(glance_direct.url).stored(DATA)

    def test_it_is_the_location(self, glance_direct, image_id):
        driver = driver_of(glance_endpoint=glance_direct.url)
        (location,) = driver.get(image_id).locations
        place = f'file://{glance_direct.images}/{image_id}'
        assert location.reveal() == place
        assert not location.trusted

    def test_it_is_the_cheapest(self, glance_direct, image_id, tmp_path):
        conf = glances.operator(glance_direct, tmp_path / 'mover.conf')
        result = move.Mover(image_id, conf).copy(io.BytesIO())
        assert result.source.scheme == 'file'
        assert result.verified

    def test_status_is_changed_and_back(self, glance_direct, image_id):
        driver = driver_of(glance_endpoint=glance_direct.url)
        for status in ('deactivated', 'active'):
            assert driver.update(image_id, {'status': status}).status == status
        queued = driver.create(
            Image(disk_format='raw', container_format='bare')
        )
        with pytest.raises(exception.InvalidOption, match='cannot be active'):
            driver.update(queued.id, {'status': 'active'})
