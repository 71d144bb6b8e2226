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

"""The records that everything speaks of: an image and where its bits lie."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any, Final

from oslo_image import exception, masking

__all__ = [
    'FIELDS',
    'Image',
    'Location',
    'check_active',
    'is_custom',
    'unique',
]

#: What Glance shows beside an image's fields; no custom property of that name
#: is kept, nor one whose name begins as Glance's own do.
_SHOWN_BESIDE: Final = frozenset(
    {'direct_url', 'file', 'schema', 'self', 'stores'}
)
_RESERVED_PREFIX: Final = 'os_glance'


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Location:
    """A URI at which an image's bits lie.

    ``str()`` and ``repr()`` show the URI with its secrets masked, so that a
    location may stand in any log or error. A store reads the whole URI by
    :meth:`reveal`.

    :param secret_uri: the URI as it was given.
    :param metadata: what Glance stores beside a location, ``store`` (the
        backend's name) among it.
    :param trusted: True for the caller's own URI; False for what comes from a
        catalogue or an image's record, which policy then confines.
    :param name: a name by which a caller may ask for this location.
    :param external: True for bits that are somebody else's: they are never
        deleted here, and a declared digest is checked at every copy.
    """

    secret_uri: str
    metadata: Mapping[str, Any] = dataclasses.field(
        default_factory=dict, compare=False
    )
    trusted: bool = dataclasses.field(default=False, compare=False)
    name: str | None = dataclasses.field(default=None, compare=False)
    external: bool = dataclasses.field(default=False, compare=False)

    def reveal(self) -> str:
        """Return the whole URI, with the secrets that stand in it."""
        return self.secret_uri

    @property
    def scheme(self) -> str:
        """What stands before ``://``, in lower case."""
        return self.secret_uri.partition('://')[0].lower()

    def __str__(self) -> str:
        return masking.mask_uri(self.secret_uri)

    def __repr__(self) -> str:
        trust = 'trusted' if self.trusted else 'untrusted'
        return f'<Location {self} {trust}>'


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image, in the words of Glance's Images API v2.

    Sizes are in bytes; None is unknown and 0 is empty.

    :param status: "active" when there are bits to be had, "queued" before;
        others are Glance's.
    :param visibility: "public", "community", "shared" or "private".
    :param tags: words to find it by, sorted.
    :param properties: custom properties, text by name.
    :param min_disk: what a server made of it needs, in GiB.
    :param min_ram: likewise, in MiB.
    :param protected: whether it must not be deleted.
    :param os_hidden: whether a list leaves it out.
    :param created_at: when, in UTC.
    """

    id: str | None = None
    name: str | None = None
    size: int | None = None
    virtual_size: int | None = None
    disk_format: str | None = None
    container_format: str | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    locations: tuple[Location, ...] = ()
    status: str = 'queued'
    visibility: str = 'shared'
    owner: str | None = None
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = dataclasses.field(
        default_factory=dict, hash=False
    )
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    created_at: datetime.datetime | None = None
    updated_at: datetime.datetime | None = None

    @classmethod
    def from_mapping(
        cls, record: Mapping[str, Any], *, custom: bool = False
    ) -> Image:
        """Make an image of a mapping shaped like Glance v2's image.

        A size of 0 or None is unknown there (Nova's rbd snapshots have 0).
        ``direct_url`` follows ``locations`` when it is not among them. What
        is missing or None is as in ``Image()``. Locations are untrusted.

        :param custom: whether other keys are custom properties, as in Glance;
            else they are left alone, and so is what is not text.
        :raises InvalidLocation: for a location without a URL.
        :raises InvalidOption: for a size that is no number.
        """
        entries: list[Mapping[str, Any]] = list(record.get('locations') or ())
        if direct := record.get('direct_url'):
            entries.append({'url': direct})
        return cls(
            **{
                name: value
                for name in _PLAIN
                if (value := record.get(name)) is not None
            },
            size=_size(record, 'size'),
            virtual_size=_size(record, 'virtual_size'),
            locations=unique(_location(entry) for entry in entries),
            tags=_tags(record.get('tags')),
            properties=_properties(record, custom),
            created_at=_time(record.get('created_at')),
            updated_at=_time(record.get('updated_at')),
        )

    def to_mapping(self, *, reveal: bool = False) -> dict[str, Any]:
        """Return it as Glance would show it: plain types, properties flat.

        A location also has its ``name`` and whether it is ``external``.

        :param reveal: whether to show the secrets in the locations.
        """
        shown: dict[str, Any] = {
            name: value
            for name, value in self.properties.items()
            if is_custom(name)
        }
        for name in FIELDS:
            shown[name] = getattr(self, name)
        for name in ('created_at', 'updated_at'):
            if when := shown[name]:
                shown[name] = f'{when:%Y-%m-%dT%H:%M:%SZ}'
        del shown['properties']
        shown['tags'] = list(self.tags)
        shown['locations'] = [
            {
                'url': location.reveal() if reveal else str(location),
                'metadata': dict(location.metadata),
                'name': location.name,
                'external': location.external,
            }
            for location in self.locations
        ]
        return shown

    @property
    def digest(self) -> tuple[str, str] | None:
        """The declared (algorithm, hex value): os_hash, else the checksum."""
        if self.os_hash_algo and self.os_hash_value:
            return self.os_hash_algo, self.os_hash_value.lower()
        if self.checksum:
            return 'md5', self.checksum.lower()
        return None


#: The names of an image's fields; every other name is a custom property's.
FIELDS: Final = tuple(field.name for field in dataclasses.fields(Image))
#: Those that a record's value is taken for as it is.
_PLAIN: Final = tuple(
    name
    for name in FIELDS
    if name
    not in (
        'size',
        'virtual_size',
        'locations',
        'tags',
        'properties',
        'created_at',
        'updated_at',
    )
)


#: What somebody finds who wants the bits of an image that is not active.
_NOT_ACTIVE: Final[Mapping[str, type[exception.ImageError]]] = {
    'deactivated': exception.PermissionDenied,
    'deleted': exception.ImageNotFound,
    'killed': exception.ImageNotFound,
    'pending_delete': exception.ImageNotFound,
}


def check_active(image_id: str, status: str) -> None:
    """Raise when an image's bits cannot be had.

    :raises ImageNotFound: when it is no longer there.
    :raises PermissionDenied: when it is deactivated.
    :raises SourceUnavailable: when it has no bits yet.
    """
    if status != 'active':
        kind = _NOT_ACTIVE.get(status, exception.SourceUnavailable)
        raise kind(f'the image {image_id} is {status}, not active')


def is_custom(name: Any) -> bool:
    """Tell whether a name can be that of a custom property."""
    return isinstance(name, str) and not (
        name in FIELDS
        or name in _SHOWN_BESIDE
        or name.startswith(_RESERVED_PREFIX)
    )


def _size(record: Mapping[str, Any], name: str) -> int | None:
    size = record.get(name) or None
    if size is not None and not (isinstance(size, int) and size > 0):
        raise exception.InvalidOption(
            f"the image's {name} is a number of bytes, not {size!r}"
        )
    return size


def _location(entry: Any) -> Location:
    url = entry.get('url') if isinstance(entry, Mapping) else None
    if not isinstance(url, str):
        raise exception.InvalidLocation("a location of the image has no 'url'")
    metadata = entry.get('metadata')
    return Location(
        url,
        metadata if isinstance(metadata, Mapping) else {},
        name=entry.get('name'),
        external=entry.get('external') is True,
    )


def _tags(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple | set | frozenset):
        return ()
    return tuple(sorted(tag for tag in value if isinstance(tag, str)))


def _properties(record: Mapping[str, Any], custom: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    nested = record.get('properties')
    if isinstance(nested, Mapping):
        found.update(nested)
    if custom:
        found.update((n, v) for n, v in record.items() if is_custom(n))
    return {n: v for n, v in found.items() if isinstance(v, str)}


def _time(value: Any) -> datetime.datetime | None:
    """Return the time in UTC; None for what is none."""
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime.datetime):
        return None
    if value.tzinfo is None:
        return value.replace(tzinfo=datetime.UTC)
    return value.astimezone(datetime.UTC)


def unique(locations: Iterable[Location]) -> tuple[Location, ...]:
    """Drop the locations whose URI came before; order is kept."""
    first: dict[str, Location] = {}
    for location in locations:
        first.setdefault(location.secret_uri, location)
    return tuple(first.values())
