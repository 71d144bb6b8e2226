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


"""Statements about records: made, changed, deleted."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from oslo_image import exception
from oslo_image.catalog.base import Driver
from oslo_image.image import Image, Location
from oslo_image.testing.catalog.harness import (
    ABSENT,
    DriverTests,
    Make,
    bits,
)


class RecordsConformance(DriverTests):
    """A record is what was said of it, or nothing happened."""

    def test_created_is_got(self, driver: Driver, make: Make) -> None:
        """What was created is got and listed, field by field."""
        image = make(
            name='Debian "12" — ünïcödé',
            min_disk=3,
            min_ram=512,
            os_hidden=False,
            visibility='private',
            tags=('b', 'a', 'b'),
            properties={'hw_disk_bus': 'virtio', 'empty': ''},
        )
        assert driver.get(str(image.id)) == image
        assert image.name == 'Debian "12" — ünïcödé'
        assert (image.min_disk, image.min_ram) == (3, 512)
        assert image.visibility == 'private'
        assert image.properties == {'hw_disk_bus': 'virtio', 'empty': ''}
        assert image.tags == tuple(sorted(set(image.tags)))
        assert {'a', 'b'} <= set(image.tags)

    def test_new_is_queued(self, make: Make) -> None:
        """A new image is queued, without bits, and knows its age in UTC."""
        image = make()
        assert image.id
        assert image.status == 'queued'
        assert image.locations == ()
        assert image.digest is None
        for when in (image.created_at, image.updated_at):
            assert when is not None
            assert when.utcoffset() is not None
            assert not when.utcoffset()

    def test_ids_are_made(self, make: Make) -> None:
        """Without an id each image gets one of its own."""
        assert make().id != make().id

    def test_id_is_kept(self, driver: Driver, make: Make) -> None:
        """With an id the image has that one."""
        image_id = str(uuid.uuid4())
        assert make(id=image_id).id == image_id
        assert driver.get(image_id).id == image_id

    def test_id_is_taken_once(self, driver: Driver, make: Make) -> None:
        """A second image of one id is DestinationExists; the first stays."""
        first = make(name='first')
        with pytest.raises(exception.DestinationExists):
            make(id=first.id, name='second')
        assert driver.get(str(first.id)) == first

    def test_unknown_id(
        self, driver: Driver, location: Callable[[str], Location]
    ) -> None:
        """Everything that wants an image says ImageNotFound without it."""
        for method, arguments in (
            (driver.get, ()),
            (driver.update, ({'name': 'x'},)),
            (driver.delete, ()),
            (driver.add_location, (location('eu'), bits(self.content))),
            (driver.remove_location, (location('eu'),)),
        ):
            call: Callable[..., Any] = method
            with pytest.raises(exception.ImageNotFound):
                call(ABSENT, *arguments)

    @pytest.mark.parametrize(
        'image_id',
        ['', '/etc/passwd', '../x', 'a/b', '.', 'a\0b', 'a\nb', 7, b'id'],
    )
    def test_path_is_no_id(self, driver: Driver, image_id: Any) -> None:
        """What could be a path is never taken for an id."""
        with pytest.raises(exception.InvalidLocation):
            driver.get(image_id)
        with pytest.raises(exception.InvalidLocation):
            driver.create(Image(id=image_id))

    @pytest.mark.parametrize(
        'fields',
        [
            {'visibility': 'secret'},
            {'min_disk': -1},
            {'properties': {'status': 'active'}},
            {'properties': {'number': 1}},
            {'name': 'bytes \udcff'},
            {'properties': {'bytes': '\udcff'}},
            {'locations': (Location('https://images.example.org/a'),)},
        ],
        ids=lambda fields: next(iter(fields)),
    )
    def test_bad_field(self, driver: Driver, tag: str, fields: Any) -> None:
        """A value that a field cannot have is InvalidOption; nothing is."""
        with pytest.raises(exception.InvalidOption):
            driver.create(Image(tags=(tag,), **fields))
        assert self.ids(driver, tag) == []

    def test_what_is_got_is_a_copy(self, driver: Driver, make: Make) -> None:
        """Changing what a driver gave changes nothing in it."""
        image = make(properties={'a': '1'})
        for one in (image, driver.get(str(image.id)), driver.get_all()[0]):
            if isinstance(one.properties, dict):
                one.properties['a'] = 'changed'
        assert driver.get(str(image.id)).properties == {'a': '1'}

    def test_update(self, driver: Driver, make: Make) -> None:
        """An update changes what it names, says so, and nothing else."""
        image = make(name='old', properties={'keep': '1', 'change': '1'})
        changed = driver.update(
            str(image.id), {'name': 'new', 'change': '2', 'add': '3'}
        )
        assert changed == driver.get(str(image.id))
        assert changed.properties == {'keep': '1', 'change': '2', 'add': '3'}
        assert changed.name == 'new'
        assert changed.updated_at is not None
        assert image.updated_at is not None
        assert changed.updated_at >= image.updated_at
        assert image == dataclasses.replace(
            changed,
            name=image.name,
            properties=image.properties,
            updated_at=image.updated_at,
        )

    def test_update_replaces_all_properties(
        self, driver: Driver, make: Make
    ) -> None:
        """Properties as a whole replace all of them."""
        image = make(properties={'old': '1'})
        driver.update(str(image.id), {'properties': {'new': '2'}})
        assert driver.get(str(image.id)).properties == {'new': '2'}

    def test_remove_properties(self, driver: Driver, make: Make) -> None:
        """Removed are the properties named; who is not there stays away."""
        image = make(properties={'a': '1', 'b': '2'})
        driver.update(str(image.id), {}, remove=['a', 'never-there'])
        assert driver.get(str(image.id)).properties == {'b': '2'}

    @pytest.mark.parametrize(
        'changes',
        [
            {'id': 'other'},
            {'size': 5},
            {'checksum': '0' * 32},
            {'os_hash_value': '0' * 128},
            {'locations': ()},
            {'created_at': None},
            {'status': 'active'},
            {'status': 'wonderful'},
            {'min_ram': 'much'},
            {'protected': 'yes'},
            {'custom': 7},
            {'tags': 'text'},
            {'tags': 7},
            {'tags': [7]},
            {'tags': ['\udcff']},
            {'properties': 7},
            {'name': '\udcff'},
            {'\udcff': 'x'},
            {7: 'x'},
        ],
        ids=lambda changes: '-'.join(
            ascii(f'{k}={v}')[1:21] for k, v in changes.items()
        ),
    )
    def test_bad_change(
        self, driver: Driver, make: Make, changes: Any
    ) -> None:
        """What cannot be changed, or not so, is InvalidOption; nothing is."""
        image = make(name='as it was')
        with pytest.raises(exception.InvalidOption):
            driver.update(str(image.id), {'name': 'new', **changes})
        assert driver.get(str(image.id)) == image

    def test_only_custom_properties_are_removed(
        self, driver: Driver, make: Make
    ) -> None:
        """A field cannot be removed."""
        image = make(name='as it was')
        for name in ('name', 7):
            wrong: Any = [name]
            with pytest.raises(exception.InvalidOption):
                driver.update(str(image.id), {}, remove=wrong)
        assert driver.get(str(image.id)) == image

    def test_deleted_is_gone(
        self, driver: Driver, make: Make, tag: str
    ) -> None:
        """A deleted image is neither got nor listed; the others are."""
        one, other = make(), make()
        driver.delete(str(one.id))
        with pytest.raises(exception.ImageNotFound):
            driver.get(str(one.id))
        assert self.ids(driver, tag) == [other.id]

    def test_protected_stays(self, driver: Driver, make: Make) -> None:
        """A protected image is not deleted until it is unprotected."""
        image = make(protected=True)
        with pytest.raises(exception.PermissionDenied):
            driver.delete(str(image.id))
        assert driver.get(str(image.id)) == image
        driver.update(str(image.id), {'protected': False})
        driver.delete(str(image.id))
