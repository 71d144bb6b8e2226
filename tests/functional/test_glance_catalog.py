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

import pytest

from oslo_image.catalog import registry
from oslo_image.image import Location
from oslo_image.move import options
from oslo_image.stores.registry import Stores
from oslo_image.testing.catalog import DriverConformance


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
