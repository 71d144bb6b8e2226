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

"""The locations of an image in Glance: added and forgotten."""

from __future__ import annotations

from typing import Final

from oslo_image import exception
from oslo_image.catalog.base import Bits
from oslo_image.catalog.glance import shape
from oslo_image.image import Image, Location
from oslo_image.stores.glance import locations
from oslo_image.stores.glance.service import Service

_WEB: Final = ('http', 'https')


def add(
    service: Service, image: Image, location: Location, bits: Bits | None
) -> None:
    """Register a location.

    :raises IntegrityError: when Glance knows of other bits by now.
    :raises PermissionDenied: when the site allows neither way.
    :raises InvalidLocation: when Glance finds nothing there, or may not look.
    """
    if image.status == 'deactivated':
        raise exception.PermissionDenied(
            f'the image {image.id} is deactivated; Glance adds no location'
        )
    validation = shape.validation_of(image, bits)
    value = shape.entry_of(location, validation)
    queued = image.status == 'queued'
    record = locations.register(
        service, str(image.id), location, value, queued=queued
    )
    if record is None:
        return
    now = shape.image_of(record)
    if bits is not None and now.size not in (None, bits.size):
        raise exception.SizeMismatch(
            f'{bits.size} bytes were found there, and Glance finds {now.size}',
            side='source',
        )


def remove(service: Service, image: Image, index: int) -> None:
    """Forget a location, by its place in the list.

    :raises PermissionDenied: for the last one, and for external ones whose
        bits Glance would delete.
    """
    location = image.locations[index]
    if location.external and location.scheme not in _WEB:
        raise exception.PermissionDenied(
            'Glance would delete the bits with it, and they are external',
            source=location,
        )
    step = {'op': 'remove', 'path': f'/locations/{index}'}
    reply = service.patch(str(image.id), [step])
    service.record(reply)
