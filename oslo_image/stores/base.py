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

"""The contract between stores and everything above them.

A store opens a :class:`Source` from a location and makes a :class:`Writer` for
one. It knows no strategy. A strategy knows the methods below and the facets
(:mod:`oslo_image.stores.facets`) that it bridges, not the store.

Who calls what, and when:

* **Planning** calls ``open_source``, ``facet``, the plain attributes, and
  ``Writer.check``. None of these may change anything on the other side.
* **Moving** calls ``Writer.begin`` once, then ``put`` and ``put_zeros``, then
  ``commit`` once or ``rollback``. After a rollback that did not leave the
  destination modified, ``begin`` may come again.
* ``close`` may be called any number of times, at any moment. In a process that
  was forked off, a writer of the parent's closes without taking anything back.
* **Cleaning up** after a copy that was killed, which could not do it itself,
  calls ``leftovers`` and then ``remove_leftover`` for each.

Errors: what the other side or the kernel says is mapped at the edge, by
:func:`oslo_image.exception.from_os_error` and
:func:`oslo_image.exception.from_http_status`, so that nothing but
:class:`~oslo_image.exception.ImageError` leaves a store. Worth another try is
what has ``temporary`` set; trying to read again is not the store's business.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.source import Extent, F, MiB, Reader, Source, fill
from oslo_image.stores.writer import (
    ZEROS,
    DescriptorRange,
    SpanRule,
    Writer,
    is_zero,
)

if TYPE_CHECKING:
    from oslo_config import cfg

__all__ = [
    'ZEROS',
    'DescriptorRange',
    'Extent',
    'F',
    'IfExists',
    'Leftover',
    'MiB',
    'Reader',
    'Source',
    'SpanRule',
    'Stat',
    'Store',
    'Writer',
    'fill',
    'is_zero',
]

IfExists = Literal['fail', 'replace', 'in_place']


class Stat(NamedTuple):
    """What a store knows of the bits without reading them.

    :param size: in bytes; None when the other side does not say.
    :param version: what tells this version from another (ETag, snapshot, …).
    """

    size: int | None
    version: str | None = None


class Leftover(NamedTuple):
    """What a copy that was killed left at its destination.

    :param name: what it is, for people: a path, an upload, a segment.
    :param size: in bytes; None when the other side does not say.
    :param modified: when it last changed, in seconds since the epoch.
    :param key: by what the store knows it again.
    """

    name: str
    size: int | None
    modified: float
    key: Any = None


class Store(abc.ABC):
    """A backend. Making one opens no connection and checks its options.

    :param options: the values of :attr:`options`, as attributes, for this
        backend's configuration group.
    """

    #: The URI schemes that it serves, in lower case.
    schemes: ClassVar[tuple[str, ...]] = ()
    #: The libraries that it imports when they are needed, and the extra of
    #: oslo.image that brings each; '' where the distribution does.
    libraries: ClassVar[Mapping[str, str]] = {}

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return the options that it knows, with glance_store's names."""
        return []

    @classmethod
    def adopt(cls, thing: Any) -> Writer | None:
        """Return a writer for an object of this backend's own library.

        Every store is asked about what a caller hands over to be written to,
        before it is taken for a file; asking must be cheap and import
        nothing.
        """
        return None

    def meet(self, backends: Mapping[str, Store], default: str | None) -> None:
        """Get to know the enabled backends, once all are made.

        For a store in front of others, as Glance's is; the rest need not care.

        :param backends: by name.
        :param default: the name of ``default_backend``.
        """

    @abc.abstractmethod
    def parse(self, uri: str) -> Location:
        """Check a URI and return its location; touches no network.

        :raises InvalidLocation: saying which piece is wrong.
        """

    def affinity(self, location: Location) -> int:
        """Say how surely a location is one of this backend's; 0: it is not.

        Asked where several backends of a kind are configured and the
        location names none of them. Asks nobody else.
        """
        return 1

    @abc.abstractmethod
    def open_source(self, location: Location, *, auth: Any = None) -> Source:
        """Open and pin one version of the bits.

        :param auth: the caller's own credentials, of whatever kind; a store
            uses what it understands, and sends it to no place that an
            untrusted location names.
        :raises ImageNotFound, PermissionDenied, SourceUnavailable:
        :raises LocationDenied: when policy forbids an untrusted location.
        """

    def stat(self, location: Location, *, auth: Any = None) -> Stat:
        """Return what is known of the bits without reading them."""
        with self.open_source(location, auth=auth) as source:
            return Stat(source.size, source.version)

    def delete(self, location: Location, *, auth: Any = None) -> None:
        """Delete the bits.

        :raises ImageNotFound: when they are not there.
        :raises InUse: when something depends on them.
        """
        raise exception.InvalidWriter(
            f'{location.scheme} locations cannot be deleted',
            destination=location,
        )

    def leftovers(
        self, location: Location, *, older_than: float, auth: Any = None
    ) -> Iterator[Leftover]:
        """Yield what copies to this destination left when they were killed.

        A leftover bears a mark that only writers of this library make, has
        not changed for ``older_than`` seconds, and is in use by no copy that
        still runs. Where the other side does not tell who uses what, age
        alone must do; a store says what it goes by. An image under its own
        name is never one. Looking changes nothing.

        :param location: a destination; where the store has such a thing, a
            directory or container stands for all destinations in it.
        :param older_than: seconds; 0 takes what is not known to be in use.
        :raises DestinationError, PermissionDenied:
        """
        return iter(())

    def remove_leftover(self, leftover: Leftover, *, auth: Any = None) -> bool:
        """Remove what :meth:`leftovers` found, if it is still no one's.

        :returns: whether it is gone; False when it is in use by now.
        :raises DestinationError, PermissionDenied:
        """
        return False

    def open_writer(
        self,
        location: Location,
        *,
        size: int | None = None,
        if_exists: IfExists = 'fail',
        auth: Any = None,
        **options: Any,
    ) -> Writer:
        """Return a lazy writer; nothing is opened yet.

        :param size: the bytes that are to come, where the caller knows.
        :param if_exists: "fail", "replace" (the old bits stay until commit) or
            "in_place" (overwritten where they lie).
        :param options: what else this store's writer takes.
        :raises InvalidOption: for an option that it does not have.
        """
        raise exception.InvalidWriter(
            f'{location.scheme} locations are read-only', destination=location
        )

    def close(self) -> None:
        """Close the connections that the store keeps."""
