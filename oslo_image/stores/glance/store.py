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

"""The store of images in Glance: what its API takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Source, Store
from oslo_image.stores.glance import options as opts
from oslo_image.stores.glance import uri as uris

if TYPE_CHECKING:
    from oslo_config import cfg


class GlanceStore(Store):
    """Images of the configured Glance, or of one that a URI names."""

    schemes = uris.SCHEMES
    libraries: ClassVar[dict[str, str]] = {'keystoneauth1': 'glance'}

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return the options."""
        return opts.list_opts()

    def parse(self, uri: str) -> Location:
        """Check a URI.

        :raises InvalidLocation: saying which piece is wrong.
        """
        uris.parse(uri)
        return Location(uri)

    def open_source(self, location: Location, *, auth: Any = None) -> Source:
        """Soon."""
        raise exception.InvalidSource('not yet')
