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
#: The property that an image has while a location is being removed.
_REMOVING: Final = 'oslo_image_removing'
_TRIES: Final = 20


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
    image_id = str(image.id)
    try:
        record = locations.register(
            service, image_id, location, value, queued=queued
        )
    except locations.OtherAlgorithm:
        # Of the bits that were read nobody has that digest.
        del value['validation_data']
        record = locations.register(
            service, image_id, location, value, queued=queued
        )
    if record is None:
        return
    now = shape.image_of(record)
    if bits is not None and now.size not in (None, bits.size):
        raise exception.SizeMismatch(
            f'{bits.size} bytes were found there, and Glance, which keeps the '
            f'location, finds {now.size}',
            side='source',
        )


def remove(service: Service, image: Image, location: Location) -> None:
    """Forget a location.

    Glance removes it by its place in the list, which others may change in
    between. So the place is read with a property, and removed together with
    it; whoever removes another location meanwhile takes the property away,
    and Glance then refuses both.

    :raises PermissionDenied: for the last one, and for external ones whose
        bits Glance would delete.
    :raises ImageNotFound: when it is gone by now.
    """
    if location.external and location.scheme not in _WEB:
        raise exception.PermissionDenied(
            'Glance would delete the bits with it, and they are external',
            source=location,
        )
    image_id = str(image.id)
    for _ in range(_TRIES):
        mark = {'op': 'add', 'path': f'/{_REMOVING}', 'value': 'true'}
        reply = service.patch(image_id, [mark])
        unmark = [{'op': 'remove', 'path': f'/{_REMOVING}'}]
        if reply.status == 403:
            # The site has no such property for us.
            unmark = []
            found = shape.image_of(service.show(image_id)).locations
        else:
            found = shape.image_of(service.record(reply)).locations
        if location not in found:
            service.patch(image_id, unmark)
            raise exception.ImageNotFound(
                f'the image {image_id} has no such location', source=location
            )
        path = f'/locations/{found.index(location)}'
        step = {'op': 'remove', 'path': path}
        reply = service.patch(image_id, [*unmark, step])
        if unmark and reply.status == 409:
            continue
        if unmark and reply.status != 200:
            service.patch(image_id, unmark)
        service.record(reply)
        return
    raise exception.InUse(
        f'others remove locations of the image {image_id} all the time'
    )
