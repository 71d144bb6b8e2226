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
from collections.abc import Iterable, Mapping
from typing import Any

from oslo_image import exception, masking

__all__ = [
    'Image',
    'Location',
    'unique',
]


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
    """

    secret_uri: str
    metadata: Mapping[str, Any] = dataclasses.field(
        default_factory=dict, compare=False
    )
    trusted: bool = dataclasses.field(default=False, compare=False)
    name: str | None = dataclasses.field(default=None, compare=False)

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

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any]) -> Image:
        """Make an image of a mapping shaped like Glance v2's image.

        A size of 0 or None is unknown there (Nova's rbd snapshots have 0).
        ``direct_url`` follows ``locations`` when it is not among them. Keys
        that are not named here are left alone. Locations are untrusted.

        :raises InvalidLocation: for a location without a URL.
        :raises InvalidOption: for a size that is no number.
        """
        entries: list[Mapping[str, Any]] = list(record.get('locations') or ())
        if direct := record.get('direct_url'):
            entries.append({'url': direct})
        plain = {
            name: record.get(name)
            for name in (
                'id',
                'name',
                'disk_format',
                'container_format',
                'checksum',
                'os_hash_algo',
                'os_hash_value',
            )
        }
        return cls(
            **plain,
            size=_size(record, 'size'),
            virtual_size=_size(record, 'virtual_size'),
            locations=unique(_location(entry) for entry in entries),
        )

    @property
    def digest(self) -> tuple[str, str] | None:
        """The declared (algorithm, hex value): os_hash, else the checksum."""
        if self.os_hash_algo and self.os_hash_value:
            return self.os_hash_algo, self.os_hash_value.lower()
        if self.checksum:
            return 'md5', self.checksum.lower()
        return None


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
    return Location(url, metadata if isinstance(metadata, Mapping) else {})


def unique(locations: Iterable[Location]) -> tuple[Location, ...]:
    """Drop the locations whose URI came before; order is kept."""
    first: dict[str, Location] = {}
    for location in locations:
        first.setdefault(location.secret_uri, location)
    return tuple(first.values())
