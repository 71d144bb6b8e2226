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


"""The image API: records of images, and their bits, by id.

::

    from oslo_image import catalog

    images = catalog.API(config)
    image = images.create({'name': 'cirros', 'disk_format': 'raw'}, data=path)
    success, bytes_written = images.copy(image.id, writer)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oslo_image.catalog.api import API

__all__ = ['API']


def __getattr__(name: str) -> Any:
    # The mover asks the drivers of this package, and the API uses the mover:
    # importing it here would close that circle.
    if name == 'API':
        from oslo_image.catalog.api import API

        return API
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
