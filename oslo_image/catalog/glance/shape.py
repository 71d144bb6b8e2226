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

"""Records as Glance has them, and ours.

Of a location Glance keeps a URL and metadata, so the name and the external
flag lie in the metadata. Metadata values are text to Glance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Final

from oslo_image.catalog.base import Bits
from oslo_image.image import Image, Location

_NAME: Final = 'name'
_EXTERNAL: Final = 'external'
#: What Glance takes at the making of an image.
_MADE: Final = (
    *('id', 'name', 'disk_format', 'container_format', 'visibility', 'owner'),
    *('min_disk', 'min_ram', 'protected', 'os_hidden'),
)
#: What a change may name; an image's status has requests of its own.
_CHANGED: Final = (*_MADE[1:], 'tags')


def image_of(record: Mapping[str, Any]) -> Image:
    """Return Glance's record as ours, its locations untrusted."""
    locations = [
        location_of(entry)
        if isinstance(entry, Mapping)
        and isinstance(entry.get('metadata'), Mapping)
        else entry
        for entry in record.get('locations') or ()
    ]
    return Image.from_mapping({**record, 'locations': locations}, custom=True)


def location_of(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return Glance's entry of a location, the name and flag beside it."""
    metadata = dict(entry['metadata'])
    name = metadata.pop(_NAME, None)
    external = metadata.pop(_EXTERNAL, None)
    return {
        **entry,
        'metadata': metadata,
        'name': name if isinstance(name, str) else None,
        'external': external == 'true',
    }


def entry_of(location: Location, validation: dict[str, str]) -> dict[str, Any]:
    """Return what Glance is to record of a location."""
    metadata = dict(location.metadata)
    if location.name is not None:
        metadata[_NAME] = location.name
    if location.external:
        metadata[_EXTERNAL] = 'true'
    entry: dict[str, Any] = {'url': location.reveal(), 'metadata': metadata}
    if validation:
        entry['validation_data'] = validation
    return entry


def validation_of(image: Image, bits: Bits | None) -> dict[str, str]:
    """Return what Glance is to check the bits of a location by.

    It takes new values for a queued image only, and others never.
    """
    if bits is None:
        return {}
    found = {
        'checksum': bits.checksum,
        'os_hash_algo': bits.os_hash_algo,
        'os_hash_value': bits.os_hash_value,
    }
    known = dataclasses.asdict(image)
    if image.status != 'queued' and any(
        known[name] != value for name, value in found.items()
    ):
        return {}
    return found


def made(image: Image) -> dict[str, Any]:
    """Return the body that makes an image."""
    body: dict[str, Any] = {**image.properties}
    for name in _MADE:
        if (value := getattr(image, name)) is not None:
            body[name] = value
    body['tags'] = list(image.tags)
    return body


def patch(before: Image, after: Image) -> list[dict[str, Any]]:
    """Return the JSON patch that makes one record the other."""
    steps: list[dict[str, Any]] = []
    for name in _CHANGED:
        value = getattr(after, name)
        if value != getattr(before, name):
            value = list(value) if name == 'tags' else value
            steps.append({'op': 'replace', 'path': f'/{name}', 'value': value})
    old, new = before.properties, after.properties
    steps += _removals(old.keys() - new.keys())
    steps += [
        {'op': 'add', 'path': f'/{_pointer(name)}', 'value': value}
        for name, value in sorted(new.items())
        if old.get(name) != value
    ]
    return steps


def _removals(names: Collection[str]) -> list[dict[str, Any]]:
    return [
        {'op': 'remove', 'path': f'/{_pointer(name)}'}
        for name in sorted(names)
    ]


def _pointer(name: str) -> str:
    """Escape a name (RFC 6901)."""
    return name.replace('~', '~0').replace('/', '~1')
