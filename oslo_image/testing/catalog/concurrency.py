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


"""Statements about many threads at once."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
import uuid
from collections.abc import Callable

from oslo_image import exception
from oslo_image.catalog.base import Driver
from oslo_image.image import Location
from oslo_image.testing.catalog.harness import (
    THREADS,
    DriverTests,
    Make,
    bits,
)


class ConcurrencyConformance(DriverTests):
    """What happens, happens wholly and one after the other."""

    def test_updates_at_once(self, driver: Driver, make: Make) -> None:
        """Updates of one image by many threads all hold."""
        image_id = str(make().id)

        def update(number: int) -> None:
            for step in range(4):
                driver.update(image_id, {f'p-{number}-{step}': 'done'})

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(update, range(THREADS)))
        assert driver.get(image_id).properties == {
            f'p-{number}-{step}': 'done'
            for number, step in itertools.product(range(THREADS), range(4))
        }

    def test_one_id_at_once(self, driver: Driver, make: Make) -> None:
        """Of many who create one id at once, one does."""
        image_id = str(uuid.uuid4())
        barrier = threading.Barrier(THREADS, timeout=60)

        def create(number: int) -> bool:
            barrier.wait()
            try:
                make(id=image_id, name=f'{number}')
            except exception.DestinationExists:
                return False
            return True

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            winners = list(pool.map(create, range(THREADS)))
        assert winners.count(True) == 1
        assert driver.get(image_id).name == f'{winners.index(True)}'

    def test_different_bits_at_once(
        self,
        driver: Driver,
        make: Make,
        location: Callable[[str], Location],
    ) -> None:
        """Of many who add a first location at once, all agree or are out."""
        image_id = str(make().id)
        barrier = threading.Barrier(THREADS, timeout=60)

        def add(number: int) -> int | None:
            found = bits(self.content if number % 2 else b'other bits')
            barrier.wait()
            try:
                driver.add_location(image_id, location(f'{number}'), found)
            except exception.IntegrityError:
                return None
            return found.size

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            sizes = [one for one in pool.map(add, range(THREADS)) if one]
        image = driver.get(image_id)
        assert set(sizes) == {image.size}
        assert len(image.locations) == len(sizes) == THREADS // 2
