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


"""The contract of a catalogue's driver: where the records of images are kept.

A driver keeps :class:`~oslo_image.image.Image` records, in the words of
Glance's Images API v2, and moves no bits. Every method is one transaction: it
happens wholly or not at all, whatever other threads and processes do, and when
it has returned it survives a crash, where the driver keeps anything at all.

Errors: nothing but :class:`~oslo_image.exception.ImageError` leaves a driver.
Any method raises :class:`~oslo_image.exception.CatalogError` when the records
cannot be read or written, with ``temporary`` set where another try may do, and
:class:`~oslo_image.exception.PermissionDenied`.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from oslo_image import exception
from oslo_image.image import Image, Location

if TYPE_CHECKING:
    from oslo_config import cfg

__all__ = [
    'BITS',
    'FIXED',
    'Bits',
    'Driver',
    'check_id',
]

_ID: Final = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z')
#: The fields that describe the bits; an update does not change them.
BITS: Final = frozenset(
    {'size', 'checksum', 'os_hash_algo', 'os_hash_value', 'locations'}
)
#: The fields that nobody changes.
FIXED: Final = BITS | {'id', 'created_at', 'updated_at'}


class Bits(NamedTuple):
    """What was found by reading an image's bits once.

    :param size: in bytes.
    :param checksum: their MD5, hexadecimal.
    :param os_hash_value: their digest by ``os_hash_algo``, hexadecimal.
    """

    size: int
    checksum: str
    os_hash_algo: str
    os_hash_value: str


class Driver(abc.ABC):
    """Keeps the records of images. Making one touches nothing.

    One instance serves any number of threads.

    :param options: the values of :attr:`group`, as attributes.
    :param auth: the caller's own credentials, for a driver that needs them.
    """

    #: The configuration group that it reads.
    group: ClassVar[str] = 'oslo_image'

    def __init__(self, options: Any, *, auth: Any = None) -> None:
        self.options = options
        self.auth = auth

    @classmethod
    def list_opts(cls) -> Sequence[cfg.Opt]:
        """Return the options of its group that are its own."""
        return ()

    def home(self, image: Image) -> Location | None:
        """Return where the service behind takes an image's bits by itself.

        Such a service, as Glance is, records their size, digests and status,
        gives them to who may have the image, and deletes them with the record.
        None: it keeps records only, and the API lays the bits into its own
        file store.
        """
        return None

    @abc.abstractmethod
    def get_all(
        self,
        filters: Mapping[str, Any] | None = None,
        marker: str | None = None,
        limit: int | None = None,
    ) -> list[Image]:
        """Return the images, the newest first (created_at, then id).

        :param filters: all must hold. A field's name or a custom property's,
            with the value that it has, or a list of values of which it has
            one; ``size_min`` and ``size_max`` in bytes; ``tag``, with one
            that it has or a list that it has all of. Hidden images are found
            by ``os_hidden=True`` only.
        :param marker: the id of the last image of the page before.
        :param limit: how many at most; None is all.
        :raises ImageNotFound: when there is no image of the marker's id.
        :raises InvalidOption: for a limit or a filter that cannot be.
        """

    @abc.abstractmethod
    def get(self, image_id: str) -> Image:
        """Return an image, its locations untrusted.

        :raises ImageNotFound:
        """

    @abc.abstractmethod
    def create(self, image: Image) -> Image:
        """Record a new image, "queued", and return it as recorded.

        :param image: with an id of the caller's, or None to have one made.
            Its size and digests, if it has any, are those that its bits must
            have. It has no locations: they come by :meth:`add_location`.
        :raises DestinationExists: when the id is taken.
        :raises InvalidOption: for a field that cannot be so.
        """

    @abc.abstractmethod
    def update(
        self,
        image_id: str,
        changes: Mapping[str, Any],
        *,
        remove: Collection[str] = (),
    ) -> Image:
        """Change an image, and return it as it is then.

        :param changes: new values by name; a name that is no field's is a
            custom property's. ``properties`` replaces all of them.
        :param remove: the custom properties to remove; who is not there stays
            away.
        :raises ImageNotFound:
        :raises InvalidOption: for a value that cannot be, and for the fields
            of :data:`FIXED`.
        """

    @abc.abstractmethod
    def delete(self, image_id: str) -> None:
        """Delete a record; the bits are the caller's business.

        :raises ImageNotFound:
        :raises PermissionDenied: when the image is protected.
        """

    @abc.abstractmethod
    def add_location(
        self, image_id: str, location: Location, bits: Bits | None = None
    ) -> Image:
        """Record where the bits lie; the first location makes it "active".

        :param bits: what was found there. What the image says of its bits
            must agree, and what it does not say is recorded.
        :raises ImageNotFound:
        :raises DestinationExists: when it has the URI or the name already.
        :raises IntegrityError: when the bits are not the image's.
        """

    @abc.abstractmethod
    def remove_location(self, image_id: str, location: Location) -> Image:
        """Forget a location; the last one leaves the image "queued".

        What is recorded of the bits stays: an id never gets other ones.

        :raises ImageNotFound: when there is no such image, or it has no such
            location.
        """


def check_id(image_id: str) -> str:
    """Return an image's id: letters, digits, dots, dashes, underscores.

    :raises InvalidLocation: for anything else, a path for instance.
    """
    if not isinstance(image_id, str) or not _ID.match(image_id):
        raise exception.InvalidLocation(
            f'{image_id!r} is neither the id of an image nor a URI (that of '
            'a path is file:///path)'
        )
    return image_id
