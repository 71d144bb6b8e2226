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


"""What happens to a record: the rules that every embedded driver shares.

Pure functions from one record to the next.
"""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from oslo_image import exception
from oslo_image.catalog.base import FIXED, Bits, check_id
from oslo_image.image import FIELDS, Image, Location, is_custom

_KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(('status', 'visibility'), (str,)),
    **dict.fromkeys(
        (
            *('name', 'owner', 'disk_format', 'container_format'),
            *('checksum', 'os_hash_algo', 'os_hash_value'),
        ),
        (str, type(None)),
    ),
    **dict.fromkeys(('size', 'virtual_size'), (int, type(None))),
    **dict.fromkeys(('min_disk', 'min_ram'), (int,)),
    **dict.fromkeys(('protected', 'os_hidden'), (bool,)),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    'visibility': ('public', 'community', 'shared', 'private'),
    'status': (
        *('queued', 'saving', 'uploading', 'importing', 'active'),
        *('deactivated', 'killed', 'deleted', 'pending_delete'),
    ),
}


def asked(record: Mapping[str, Any]) -> Image:
    """Return the image that a caller's mapping asks for, as in Glance.

    What Glance shows beside an image's fields is left out: where it has the
    bits of its own is not meant here. Everything else is :func:`checked`.
    """
    image = Image.from_mapping({**record, 'direct_url': None}, custom=True)
    nested = record.get('properties')
    if not isinstance(nested, Mapping | None):
        raise exception.InvalidOption('properties is a mapping')
    custom = {
        name: value
        for name, value in record.items()
        if value is not None and (not isinstance(name, str) or is_custom(name))
    }
    tags = record.get('tags')
    return dataclasses.replace(
        image,
        tags=() if tags is None else tags,
        properties={**(nested or {}), **custom},
    )


def created(image: Image) -> Image:
    """Return the record of a new image."""
    if image.locations:
        raise exception.InvalidOption(
            'a new image has no locations; they are added to it'
        )
    now = _now()
    return checked(
        dataclasses.replace(
            image,
            id=str(uuid.uuid4()) if image.id is None else check_id(image.id),
            status='queued',
            created_at=now,
            updated_at=now,
        )
    )


def changed(
    image: Image, changes: Mapping[str, Any], remove: Collection[str]
) -> Image:
    """Return the record as :meth:`Driver.update` leaves it."""
    fields = {name: value for name, value in changes.items() if name in FIELDS}
    if fixed := FIXED & fields.keys():
        raise exception.InvalidOption(
            f'{", ".join(sorted(fixed))} cannot be changed'
        )
    for name in remove:
        if not is_custom(name):
            raise exception.InvalidOption(
                f'{name!r}: only custom properties can be removed'
            )
    nested = fields.pop('properties', image.properties)
    if not isinstance(nested, Mapping):
        raise exception.InvalidOption('properties is a mapping')
    properties = dict(nested)
    properties.update(
        (name, value) for name, value in changes.items() if name not in FIELDS
    )
    for name in remove:
        properties.pop(name, None)
    if fields.get('status') == 'active' and not image.locations:
        raise exception.InvalidOption(
            'an image without a location cannot be active'
        )
    return checked(
        dataclasses.replace(
            image, **fields, properties=properties, updated_at=_now()
        )
    )


def undone(
    image: Image, changes: Mapping[str, Any], remove: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the changes and removals that take an update back.

    :param image: as it was before.
    """
    back = {name: getattr(image, name) for name in changes if name in FIELDS}
    custom = {*changes, *remove} - set(FIELDS)
    for name in custom & image.properties.keys():
        back[name] = image.properties[name]
    return back, sorted(custom - image.properties.keys())


def located(image: Image, location: Location, bits: Bits | None) -> Image:
    """Return the record with one location more."""
    check_text(location.name, location.reveal())
    for other in image.locations:
        if other == location or (
            location.name is not None and other.name == location.name
        ):
            raise exception.DestinationExists(
                f'the image {image.id} has the location '
                f'{other.name or other} already',
                destination=location,
            )
    known = {} if bits is None else agreed(image, bits)
    return dataclasses.replace(
        image,
        **known,
        locations=(
            *image.locations,
            dataclasses.replace(location, trusted=False),
        ),
        status='active' if image.status == 'queued' else image.status,
        updated_at=_now(),
    )


def agreed(image: Image, bits: Bits) -> dict[str, Any]:
    """Return what the record says of its bits when these are they.

    :raises SizeMismatch, DigestMismatch: when they are others.
    """
    if image.size not in (None, bits.size):
        raise exception.SizeMismatch(
            f'it has {bits.size} bytes and the image {image.size}',
            side='source',
        )
    found: dict[str, Any] = {'size': bits.size, 'checksum': bits.checksum}
    if image.checksum and image.checksum.lower() != bits.checksum:
        raise exception.DigestMismatch(
            f'the md5 of the bits is {bits.checksum}, declared is '
            f'{image.checksum}',
            side='source',
        )
    declared = image.os_hash_value
    if declared and image.os_hash_algo == bits.os_hash_algo:
        if declared.lower() != bits.os_hash_value:
            raise exception.DigestMismatch(
                f'the {bits.os_hash_algo} of the bits is '
                f'{bits.os_hash_value}, declared is {declared}',
                side='source',
            )
    elif not declared:
        found['os_hash_algo'] = bits.os_hash_algo
        found['os_hash_value'] = bits.os_hash_value
    return found


def without(image: Image, location: Location) -> Image:
    """Return the record with one location less."""
    left = tuple(one for one in image.locations if one != location)
    if len(left) == len(image.locations):
        raise exception.ImageNotFound(
            f'the image {image.id} has no such location', source=location
        )
    empty = not left and image.status == 'active'
    return dataclasses.replace(
        image,
        locations=left,
        status='queued' if empty else image.status,
        updated_at=_now(),
    )


def checked(image: Image) -> Image:
    """Return the record with its tags in order.

    :raises InvalidOption: for a value that a field cannot have.
    """
    for name, kinds in _KINDS.items():
        value = getattr(image, name)
        if type(value) not in kinds:
            wanted = ' or '.join(kind.__name__ for kind in kinds)
            raise exception.InvalidOption(f'{name} is {wanted}, not {value!r}')
        if type(value) is int and value < 0:
            raise exception.InvalidOption(f'{name} is not below 0')
    for name, allowed in _CHOICES.items():
        if (value := getattr(image, name)) not in allowed:
            raise exception.InvalidOption(
                f'{name} is one of {", ".join(allowed)}, not {value!r}'
            )
    for name, value in image.properties.items():
        if not is_custom(name):
            raise exception.InvalidOption(f'no property is called {name!r}')
        if not isinstance(value, str):
            raise exception.InvalidOption(
                f'the property {name!r} is text, not {value!r}'
            )
    if not (
        isinstance(image.tags, list | tuple | set | frozenset)
        and all(isinstance(tag, str) for tag in image.tags)
    ):
        raise exception.InvalidOption('tags is a list of texts')
    check_text(
        *(getattr(image, name) for name in _KINDS),
        *image.tags,
        *image.properties,
        *image.properties.values(),
    )
    return dataclasses.replace(
        image,
        tags=tuple(sorted(set(image.tags))),
        properties=dict(image.properties),
    )


def check_text(*values: Any) -> None:
    """Raise for text that cannot be written, as a file name's bytes may be.

    :raises InvalidOption:
    """
    for value in values:
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise exception.InvalidOption(
                    f'{value!r} is no text in Unicode'
                ) from None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
