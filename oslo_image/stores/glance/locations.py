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

"""Locations in Glance: two APIs, of which a site allows one, both, or none.

Since the Images API 2.17 they have a path of their own, meant for services;
before, and where ``show_multiple_locations`` is set, they are changed like any
other field of an image. The older way comes first: it is done when it has
answered, and it alone carries metadata.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.glance.answers import Reply, is_location
from oslo_image.stores.glance.service import Service

#: Seconds between two looks at what Glance does, and for all of it: it reads
#: the image to know its digest.
_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_PATIENCE: Final = 3600.0
_OTHER_ALGORITHM: Final = re.compile(r'os_hash_algo must be (\w+), not')


class OtherAlgorithm(Exception):
    """Glance wants digests by the site's own algorithm (hashing_algorithm).

    Control flow: whoever registers asks again.

    :param algorithm: its name in hashlib.
    """

    def __init__(self, algorithm: str) -> None:
        super().__init__(f'Glance wants digests by {algorithm}')
        self.algorithm = algorithm


def read(service: Service, image_id: str) -> list[dict[str, Any]] | None:
    """Return the locations that Glance shows to services; None: not to us."""
    reply = service.ask('GET', f'/images/{image_id}/locations')
    if reply.status in (403, 405):
        service.hides_locations = True
    if reply.status in (401, 403, 404, 405):
        return None
    return service.listed(reply, is_location)


def check(service: Service, record: Mapping[str, Any] | None) -> None:
    """Look whether Glance may let us register anything; changes nothing.

    :param record: what Glance shows of the image; None: there is none yet.
    :raises Refused: when it certainly does not.
    """
    shown = (
        service.shows_locations if record is None else 'locations' in record
    )
    roles = service.identity.roles()
    if shown is False and roles is not None and 'service' not in roles:
        raise exception.Refused(
            'Glance lets us register no location: show_multiple_locations is '
            'off, and our token is not that of a service',
            'give the user the role service, or set show_multiple_locations',
        )


def register(
    service: Service,
    image_id: str,
    location: Location,
    entry: Mapping[str, Any],
    *,
    queued: bool,
    pause: Callable[[float], object] = time.sleep,
) -> Any:
    """Register a location.

    :param entry: its ``url`` and ``metadata``, and ``validation_data`` if
        there are any.
    :param queued: whether it is the image's first one.
    :param pause: waits for so many seconds; raises to end that.
    :returns: Glance's record then; None where it answers without.
    :raises OtherAlgorithm: for a digest by another than the site's.
    :raises DigestMismatch: when Glance knows of other bits by now.
    :raises PermissionDenied: when the site allows neither way.
    :raises InvalidLocation: when Glance finds nothing there, or may not look.
    """
    step = {'op': 'add', 'path': '/locations/-', 'value': dict(entry)}
    reply = service.patch(image_id, [step])
    if reply.status == 403 and queued:
        _register_as_service(service, image_id, location, entry)
        _wait(service, image_id, location, pause)
        return None
    _check(reply, service, location)
    return service.record(reply)


def _register_as_service(
    service: Service,
    image_id: str,
    location: Location,
    entry: Mapping[str, Any],
) -> None:
    """Register the first location by the API for services."""
    if location.name is not None or location.external:
        raise exception.PermissionDenied(
            'Glance keeps neither a name nor the external flag of a location '
            'where show_multiple_locations is not set'
        )
    validation = dict(entry.get('validation_data', {}))
    validation.pop('checksum', None)
    body: dict[str, Any] = {'url': entry['url']}
    if validation:
        body['validation_data'] = validation
    reply = service.ask('POST', f'/images/{image_id}/locations', body)
    if reply.status != 202:
        _check(reply, service, location)
        raise service.error(reply, 'catalogue')


def _wait(
    service: Service,
    image_id: str,
    location: Location,
    sleep: Callable[[float], object],
) -> None:
    """Wait until Glance has read the bits, or has failed to.

    :raises CatalogError: when it found other bits, or none, or could not read
        them; it does not say which.
    """
    deadline = time.monotonic() + _PATIENCE
    pause = _PAUSE
    while time.monotonic() < deadline:
        if service.show(image_id)['status'] == 'active':
            return
        if 'failure' in _states(service, image_id):
            raise exception.CatalogError(
                'Glance registers no location where it finds other bits, or '
                'none'
            ).annotate(source=location)
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    raise exception.CatalogUnavailable(
        f'Glance did not register a location of {image_id} in {_PATIENCE:g} s'
    )


def _states(service: Service, image_id: str) -> list[Any]:
    """Return what became of Glance's own work on an image."""
    found = service.ask('GET', f'/images/{image_id}/tasks').value()
    tasks = found.get('tasks') if isinstance(found, dict) else None
    return [
        one.get('status')
        for one in (tasks if isinstance(tasks, list) else ())
        if isinstance(one, dict)
    ]


def _check(reply: Reply, service: Service, location: Location) -> None:
    """Raise what an answer means; Glance's words may quote the URI."""
    if reply.status == 409:
        other = _OTHER_ALGORITHM.search(reply.words())
        if other and _is_known(other[1]):
            raise OtherAlgorithm(other[1])
    kind: type[exception.ImageError] | None = {
        400: exception.InvalidLocation,
        409: exception.DigestMismatch,
    }.get(reply.status)
    if reply.status == 403:
        raise exception.PermissionDenied(
            'Glance lets us register no location here'
        )
    if kind is not None:
        raise kind(
            'Glance does not take the location'
            if kind is exception.InvalidLocation
            else 'Glance knows of other bits of the image',
            source=location,
        )
    if reply.status == 404:
        raise service.error(reply, 'catalogue')


def _is_known(algorithm: str) -> bool:
    return algorithm in hashlib.algorithms_available and bool(
        hashlib.new(algorithm, usedforsecurity=False).digest_size
    )
