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


"""Statements about locations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from oslo_image import exception
from oslo_image.catalog.base import Driver
from oslo_image.image import Location
from oslo_image.testing.catalog.harness import (
    DriverTests,
    Make,
    bits,
)


class LocationsConformance(DriverTests):
    """All locations of an image have its bits."""

    def test_first_location_activates(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """The first location makes an image active, its bits known."""
        image = make()
        eu, found = location('eu'), bits(self.content)
        active = driver.add_location(str(image.id), eu, found)
        assert active == driver.get(str(image.id))
        assert active.status == 'active'
        assert active.size == len(self.content)
        assert active.checksum == found.checksum
        assert active.digest == ('sha512', found.os_hash_value)
        (recorded,) = active.locations
        assert recorded == eu
        assert (recorded.name, recorded.external) == ('eu', True)
        assert not recorded.trusted

    def test_locations_in_order(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """Locations stay in the order in which they were added."""
        image_id = str(make().id)
        names = ['eu', 'us', 'asia']
        for name in names:
            driver.add_location(image_id, location(name), bits(self.content))
        found = driver.get(image_id).locations
        assert [one.name for one in found] == names
        assert len({image.id for image in driver.get_all()}) >= 1

    def test_secrets_are_kept_and_not_shown(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """A location's secret is recorded whole, and shown by nothing."""
        image_id = str(make().id)
        scheme, _, rest = location('a').reveal().partition('://')
        uri = f'{scheme}://user:hunter2@{rest}'
        driver.add_location(image_id, Location(uri), bits(self.content))
        image = driver.get(image_id)
        assert image.locations[0].reveal() == uri
        assert 'hunter2' not in f'{image} {image!r} {image.to_mapping()}'

    @pytest.mark.parametrize('clash', ['uri', 'name'])
    def test_location_is_added_once(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
        clash: str,
    ) -> None:
        """A URI or a name that the image has is DestinationExists."""
        image_id = str(make().id)
        eu, us = location('eu'), location('us')
        driver.add_location(image_id, eu, bits(self.content))
        other = dataclasses.replace(
            eu if clash == 'uri' else us,
            name='other' if clash == 'uri' else 'eu',
        )
        before = driver.get(image_id)
        with pytest.raises(exception.DestinationExists):
            driver.add_location(image_id, other, bits(self.content))
        assert driver.get(image_id) == before

    def test_bits_of_all_locations_are_the_same(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """A location with other bits is IntegrityError; nothing changes."""
        image_id = str(make().id)
        found = bits(self.content)
        driver.add_location(image_id, location('eu'), found)
        before = driver.get(image_id)
        for other in (
            bits(self.content + b'!'),
            found._replace(os_hash_value='0' * 128),
            found._replace(checksum='0' * 32),
        ):
            with pytest.raises(exception.IntegrityError):
                driver.add_location(image_id, location('us'), other)
            assert driver.get(image_id) == before

    def test_bits_stay_those_of_the_id(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """Without locations an image is queued; its bits are still known.

        Or else the last one stays.
        """
        image_id = str(make().id)
        eu, us = location('eu'), location('us')
        for one in (eu, us):
            driver.add_location(image_id, one, bits(self.content))
        image = driver.remove_location(image_id, eu)
        assert image.locations == (us,)
        assert image.status == 'active'
        if 'emptying' in self.lacks:
            with pytest.raises(exception.PermissionDenied):
                driver.remove_location(image_id, us)
            assert driver.get(image_id) == image
            return
        image = driver.remove_location(image_id, us)
        assert image == driver.get(image_id)
        assert (image.locations, image.status) == ((), 'queued')
        with pytest.raises(exception.IntegrityError):
            driver.add_location(image_id, us, bits(b'other bits'))
        image = driver.add_location(image_id, us, bits(self.content))
        assert image.status == 'active'

    def test_location_is_text(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """A name or URI that is no text is InvalidOption; nothing is."""
        image = make()
        eu = location('eu')
        for other in (
            dataclasses.replace(eu, name='\udcff'),
            dataclasses.replace(eu, secret_uri=f'{eu.reveal()}\udcff'),
        ):
            with pytest.raises(exception.InvalidOption):
                driver.add_location(str(image.id), other, bits(self.content))
        assert driver.get(str(image.id)) == image

    def test_unknown_location(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """Removing a location that the image has not is ImageNotFound."""
        image_id = str(make().id)
        driver.add_location(image_id, location('eu'), bits(self.content))
        with pytest.raises(exception.ImageNotFound):
            driver.remove_location(image_id, location('us'))

    def test_deactivated_stays_so(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """A location more does not activate what was deactivated.

        Or else there is none.
        """
        image_id = str(make().id)
        driver.add_location(image_id, location('eu'), bits(self.content))
        driver.update(image_id, {'status': 'deactivated'})
        try:
            driver.add_location(image_id, location('us'), bits(self.content))
        except exception.PermissionDenied:
            assert 'deactivated' in self.lacks
            assert len(driver.get(image_id).locations) == 1
        else:
            assert len(driver.get(image_id).locations) == 2
        assert driver.get(image_id).status == 'deactivated'
        driver.update(image_id, {'status': 'active'})
        assert driver.get(image_id).status == 'active'
