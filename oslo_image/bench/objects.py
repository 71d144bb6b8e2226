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

"""A place for objects: a bucket, or a container."""

from __future__ import annotations

import abc

from oslo_image import stores
from oslo_image.bench.shape import Shape
from oslo_image.bench.shared import Shared


class Objects(Shared):
    """What a configuration names."""

    @abc.abstractmethod
    def uri(self, name: str) -> str:
        """Return the URI of an object."""

    def make(self, shape: Shape) -> str:
        """Make an object."""
        made = self.target()
        with stores.open_writer(made, self.config, size=shape.size) as writer:
            shape.send(writer)
            writer.commit()
        return made

    def target(self) -> str:
        """Return the URI of an object that is not there."""
        return self.uri(self.name())
