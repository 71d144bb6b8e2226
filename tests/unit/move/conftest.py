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

import pytest

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores import registry
from oslo_image.stores.base import Store
from oslo_image.testing.memory import MemorySource


class Shelf(Store):
    """A store of the sources that a test put on it, by name."""

    schemes = ('shelf', 'other+shelf')
    sources: dict = {}

    def parse(self, uri):
        return Location(uri)

    def open_source(self, location, *, auth=None):
        found = self.sources.get(location.reveal().partition('://')[2])
        if found is None:
            raise exception.ImageNotFound('it is not on the shelf')
        if isinstance(found, BaseException):
            raise found
        found.location = location
        return found


class Breaking(MemorySource):
    """Raises ``error`` at byte ``at``, the first ``times`` times."""

    def __init__(self, content, error, at, times=10**9, **fields):
        super().__init__(content, **fields)
        self.error, self.at, self.times = error, at, times
        self.offsets = []

    def read_into(self, offset, buffer):
        self.offsets.append(offset)
        end = offset + len(buffer)
        if end > self.at and self.times and offset <= self.at:
            if offset < self.at:
                return super().read_into(offset, buffer[: self.at - offset])
            self.times -= 1
            raise self.error('it broke')
        return super().read_into(offset, buffer)


@pytest.fixture
def shelf(monkeypatch):
    """Return a dict; what is put there under a name is at shelf://name."""
    classes, broken = registry.plugins()
    monkeypatch.setattr(Shelf, 'sources', {})
    monkeypatch.setattr(
        registry, 'plugins', lambda: ({**classes, 'shelf': Shelf}, broken)
    )
    return Shelf.sources


@pytest.fixture
def breaking():
    return Breaking
