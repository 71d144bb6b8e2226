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


"""A catalogue in memory: each driver has its own, which ends with it."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from typing import Any

from oslo_image.catalog.embedded import EmbeddedDriver
from oslo_image.image import Image


class _Records(dict[str, Image]):
    """The records by id; copies go in and come out."""

    def find(self, image_id: str) -> Image | None:
        return copy.deepcopy(self.get(image_id))

    def newest_first(self, after: Image | None) -> Iterator[Image]:
        last = None if after is None else _rank(after)
        for image in sorted(self.values(), key=_rank, reverse=True):
            if last is None or _rank(image) < last:
                yield copy.deepcopy(image)

    def put(self, image: Image) -> None:
        self[str(image.id)] = copy.deepcopy(image)

    def drop(self, image_id: str) -> None:
        del self[image_id]


def _rank(image: Image) -> tuple[Any, ...]:
    return image.created_at, image.id


class MemoryDriver(EmbeddedDriver):
    """Keeps the records in this object, for tests and short lives."""

    def __init__(self, options: Any = None, *, auth: Any = None) -> None:
        super().__init__(options, auth=auth)
        self._records = _Records()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[_Records]:
        with self._lock:
            yield self._records

    @contextlib.contextmanager
    def _writing(self) -> Iterator[_Records]:
        # Each transaction's only write is its last step, so that there is
        # nothing to take back.
        with self._lock:
            yield self._records
