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


"""Statements about lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oslo_image import exception
from oslo_image.catalog.base import Driver
from oslo_image.image import Location
from oslo_image.testing.catalog.harness import (
    ABSENT,
    DriverTests,
    Make,
    bits,
)


class ListsConformance(DriverTests):
    """A list shows the images that are asked for, in order."""

    def test_newest_first(self, driver: Driver, make: Make, tag: str) -> None:
        """Lists are by (created_at, id), descending, at every call."""
        made = [make() for _ in range(5)]
        made.sort(key=lambda one: (one.created_at, one.id), reverse=True)
        ids = [image.id for image in made]
        assert self.ids(driver, tag) == ids
        driver.update(str(ids[-1]), {'name': 'changed last'})
        assert self.ids(driver, tag) == ids

    @pytest.mark.parametrize('limit', [1, 2, 5, 100])
    def test_pages(
        self, driver: Driver, make: Make, tag: str, limit: int
    ) -> None:
        """Pages from marker to marker are the list, without a gap."""
        for _ in range(5):
            make()
        found: list[str] = []
        marker = None
        while page := self.ids(driver, tag, marker, limit):
            assert len(page) <= limit
            found += page
            marker = page[-1]
        assert found == self.ids(driver, tag)
        assert len(found) == 5

    def test_limits(self, driver: Driver, make: Make, tag: str) -> None:
        """No image is a page too; fewer than none are not."""
        make()
        assert self.ids(driver, tag, None, 0) == []
        for limit in (-1, '1'):
            wrong: Any = limit
            with pytest.raises(exception.InvalidOption):
                driver.get_all(limit=wrong)

    def test_unknown_marker(self, driver: Driver) -> None:
        """A marker that is no image is ImageNotFound."""
        with pytest.raises(exception.ImageNotFound):
            driver.get_all(marker=ABSENT)

    def test_filters(self, driver: Driver, make: Make, tag: str) -> None:
        """All filters must hold; a list of values wants one of them."""
        one = make(name='one', properties={'arch': 'arm'}, tags=('x', 'y'))
        two = make(name='two', disk_format='qcow2', tags=('y',))
        for filters, expected in (
            ({}, {one.id, two.id}),
            ({'name': 'one'}, {one.id}),
            ({'name': ['one', 'two', 'three']}, {one.id, two.id}),
            ({'name': 'one', 'disk_format': 'qcow2'}, set()),
            ({'disk_format': 'qcow2'}, {two.id}),
            ({'arch': 'arm'}, {one.id}),
            ({'arch': 'x86'}, set()),
            ({'tag': [tag, 'y']}, {one.id, two.id}),
            ({'tag': [tag, 'x', 'y']}, {one.id}),
            ({'status': 'queued'}, {one.id, two.id}),
            ({'status': 'active'}, set()),
        ):
            found = driver.get_all({'tag': tag, **filters})
            assert {image.id for image in found} == expected, filters

    @pytest.mark.parametrize(
        'name',
        [
            *(
                'Debian "12"',
                'back\\slash',
                'ends in a \\',
                '"',
                'a,b',
                '"a","b"',
            ),
            *("it's", 'in:a', 'a&b=c', '100%', '%41', 'a+b', ' ', 'ü代'),
        ],
    )
    def test_names(
        self, driver: Driver, make: Make, tag: str, name: str
    ) -> None:
        """An image is found by its name, whatever that is made of."""
        image = make(name=name)
        make(name=f'{name}{name}')
        for wanted in (name, [name, 'another']):
            found = driver.get_all({'tag': tag, 'name': wanted})
            assert [one.id for one in found] == [image.id]

    def test_sizes(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
        tag: str,
    ) -> None:
        """Sizes are bounded in bytes; who has none is in no bounds."""
        image_id = str(make().id)
        make()
        driver.add_location(image_id, location('eu'), bits(self.content))
        size = len(self.content)
        for filters, expected in (
            ({'size_min': size}, [image_id]),
            ({'size_min': size + 1}, []),
            ({'size_max': size}, [image_id]),
            ({'size_max': size - 1}, []),
            ({'size_min': 0, 'size_max': size + 1}, [image_id]),
        ):
            assert self.ids(driver, tag, **filters) == expected, filters

    @pytest.mark.parametrize(
        'filters',
        [
            {'size_min': '5'},
            {'size_max': None},
            {'size_max': [5]},
            {'tag': 7},
            {'tag': [['a']]},
            {'name': '\udcff'},
            {'name': ['\udcff']},
            {'locations': 'https://images.example.org/a'},
        ],
        ids=ascii,
    )
    def test_bad_filter(self, driver: Driver, filters: Any) -> None:
        """A filter that cannot be is InvalidOption, whatever there is."""
        with pytest.raises(exception.InvalidOption):
            driver.get_all(filters)

    def test_hidden(self, driver: Driver, make: Make, tag: str) -> None:
        """Hidden images are listed on demand only, and always got."""
        shown, hidden = make(), make(os_hidden=True)
        assert self.ids(driver, tag) == [shown.id]
        assert self.ids(driver, tag, os_hidden=True) == [hidden.id]
        both = self.ids(driver, tag, os_hidden=[False, True])
        assert set(both) == {shown.id, hidden.id}
        assert driver.get(str(hidden.id)).os_hidden
