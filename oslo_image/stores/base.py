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
* ``close`` may be called any number of times, at any moment.

Errors: what the other side or the kernel says is mapped at the edge, by
:func:`oslo_image.exception.from_os_error` and
:func:`oslo_image.exception.from_http_status`, so that nothing but
:class:`~oslo_image.exception.ImageError` leaves a store. Worth another try is
what has ``temporary`` set; trying again is not the store's business.
"""

from __future__ import annotations

import abc
import types
from collections.abc import Iterator
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Protocol,
    Self,
    TypeVar,
)

from oslo_image import exception
from oslo_image.image import Location

if TYPE_CHECKING:
    from oslo_config import cfg

MiB = 1 << 20
IfExists = Literal['fail', 'replace', 'in_place']
F = TypeVar('F')


class Extent(NamedTuple):
    """A run of bytes; ``zero`` when it is known to hold nothing but zeros."""

    offset: int
    length: int
    zero: bool


class SpanRule(NamedTuple):
    """How a writer wants its bytes cut, in bytes.

    A file takes anything. An object store takes parts of at least ``smallest``
    (the last may be shorter), at most ``largest`` and ``most`` in number,
    each starting at a multiple of ``alignment``.
    """

    smallest: int = 1
    largest: int | None = None
    alignment: int = 1
    most: int | None = None


class DescriptorRange(NamedTuple):
    """Bytes that lie in an open file and need not enter this process."""

    fileno: int
    offset: int
    length: int


class Stat(NamedTuple):
    """What a store knows of the bits without reading them.

    :param size: in bytes; None when the other side does not say.
    :param version: what tells this version from another (ETag, snapshot, …).
    """

    size: int | None
    version: str | None = None


class Reader(Protocol):
    """An open stream of a source's bytes."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Read some bytes, at least one; 0 is the end of the stream.

        :raises Truncated: when the stream ends before its stated end.
        """

    def close(self) -> None:
        """Let go of the connection; harmless when repeated."""


class Source:
    """One opened version of an image's bits; a context manager.

    Override :meth:`read_into` or :meth:`open_stream`; each has a default in
    terms of the other. All reads must see the version that was opened, or
    raise :class:`~oslo_image.exception.SourceChanged`.
    """

    #: Bytes; None when unknown, 0 when empty.
    size: int | None = None
    #: The pinned version, in words for a log; None when it cannot be pinned.
    version: str | None = None
    #: What a server-side copy must share with the writer.
    realm: str | None = None
    #: Whether any offset can be read, by several threads at once. False: one
    #: pass from byte 0, and only once unless ``restartable``.
    ranged = True
    #: Whether ``open_stream(0)`` works again after a first pass.
    restartable = True
    #: The read size in bytes at which this source is at its best.
    chunk = MiB

    def __init__(self, location: Location) -> None:
        self.location = location

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Yield the extents that cover the range, in order, without gaps.

        Memory must not grow with their number.
        """
        if length:
            yield Extent(start, length, zero=False)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the buffer from ``offset``; fewer bytes only at the end."""
        reader = self.open_stream(offset, len(buffer))
        try:
            return fill(reader, buffer)
        finally:
            reader.close()

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream at ``offset``; ``length`` None reads to the end."""
        return _PositionedReader(self, offset, length)

    def facet(self, kind: type[F]) -> F | None:
        """Return what this source can do beyond bytes, or None."""
        return None

    def check_unchanged(self) -> None:
        """Called after the last byte.

        :raises SourceChanged: when the bits are no longer the pinned version.
        """

    def close(self) -> None:
        """Release everything; harmless when repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Writer(abc.ABC):
    """A destination that publishes only on :meth:`commit`.

    By hand it is a binary stream: ``write()``, then ``commit()``. Leaving the
    ``with`` block or closing it without a commit takes everything back. It is
    lazy: nothing exists on the other side before :meth:`begin`.
    """

    #: What a server-side copy must share with the source.
    realm: str | None = None
    #: How the bytes are to be cut.
    spans = SpanRule()
    #: Whether put() takes any order of offsets, from several threads.
    positioned = True
    #: Whether put() takes a :class:`DescriptorRange`.
    takes_descriptors = False
    #: From this offset on, what is not written reads as zeros; None: nowhere.
    #: Valid before :meth:`begin` too, as far as it is known.
    fresh_zero_from: int | None = None

    def __init__(
        self, location: Location | None, size: int | None = None
    ) -> None:
        self.location = location
        self.size = size
        self._position = 0
        self._state: Literal['new', 'begun', 'committed', 'closed'] = 'new'

    def check(self, size: int | None) -> None:
        """Raise what stands against this destination; changes nothing.

        :param size: the bytes that are to come; None when unknown.
        :raises DestinationExists, NoSpace, PermissionDenied, InvalidWriter:
        """

    @abc.abstractmethod
    def begin(self, size: int | None) -> None:
        """Make ready for the first byte.

        :param size: the bytes that are to come; None when unknown.
        :raises: as :meth:`check`; then nothing is left behind.
        """

    @abc.abstractmethod
    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Store all of the bytes at ``offset`` of the image."""

    def put_zeros(self, offset: int, length: int) -> None:
        """Make the range read as zeros; where it does already, do nothing."""
        while length:
            step = min(length, len(ZEROS))
            self.put(offset, ZEROS[:step])
            offset, length = offset + step, length - step

    @abc.abstractmethod
    def commit(self, size: int | None = None) -> Location | None:
        """Publish what was put, durable where the store can say so.

        :param size: the bytes of the image, where put_zeros may have left the
            end unwritten; None: as far as was written.
        :returns: where the bits now lie.
        :raises DestinationExists: when another writer was first.
        """

    @abc.abstractmethod
    def rollback(self) -> exception.DestinationState:
        """Take back all that came since :meth:`begin`; never raises.

        :returns: "untouched", "restored", or "modified" when what was
            overwritten or sent cannot be had back.
        """

    def abort(self) -> list[str]:
        """Roll back for good.

        :returns: the names of what could not be removed.
        """
        self.close()
        return list(self.leftovers)

    @property
    def leftovers(self) -> list[str]:
        """The names of what a rollback could not remove."""
        return []

    def facet(self, kind: type[F]) -> F | None:
        """Return what this writer can do beyond bytes, or None.

        Asking must open nothing.
        """
        return None

    def write(self, data: Any) -> int:
        """Store the bytes after those of the last write."""
        view = memoryview(data).cast('B')
        if self._state == 'new':
            self.begin(self.size)
            self._state = 'begun'
        elif self._state != 'begun':
            raise ValueError(f'write to a {self._state} writer')
        if view:
            self.put(self._position, view)
        self._position += len(view)
        return len(view)

    def tell(self) -> int:
        """Return the number of bytes written by :meth:`write`."""
        return self._position

    def writable(self) -> bool:
        """Return whether the writer is still open."""
        return self._state in ('new', 'begun')

    def close(self) -> None:
        """Take back what was not committed, and release everything."""
        if self._state in ('new', 'begun'):
            self.rollback()
        self._state = 'closed'

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.close()


class Store(abc.ABC):
    """A backend. Making one opens no connection and checks its options.

    :param options: the values of :attr:`options`, as attributes, for this
        backend's configuration group.
    """

    #: The URI schemes that it serves, in lower case.
    schemes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return the options that it knows, with glance_store's names."""
        return []

    @abc.abstractmethod
    def parse(self, uri: str) -> Location:
        """Check a URI and return its location; touches no network.

        :raises InvalidLocation: saying which piece is wrong.
        """

    @abc.abstractmethod
    def open_source(self, location: Location, *, auth: Any = None) -> Source:
        """Open and pin one version of the bits.

        :param auth: the caller's own credentials, where the store takes any.
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


_ZEROS = bytearray(MiB)
#: A mebibyte of zeros, shared: what a hole reads as.
ZEROS = memoryview(_ZEROS).toreadonly()


def is_zero(view: memoryview) -> bool:
    """Return whether all bytes are zero; the view is at most a MiB long.

    bytearray's comparison is memcmp, at memory speed; memoryview's own goes
    byte by byte, and any() is slower still.
    """
    zeros = _ZEROS if len(view) == MiB else _ZEROS[: len(view)]
    return zeros == view


def fill(reader: Reader, buffer: memoryview) -> int:
    """Read until the buffer is full or the stream ends; return the count."""
    done = 0
    while done < len(buffer):
        count = reader.readinto(buffer[done:])
        if not count:
            break
        done += count
    return done


class _PositionedReader:
    """A stream over a source that reads by position."""

    def __init__(
        self, source: Source, offset: int, length: int | None
    ) -> None:
        self._source = source
        self._offset = offset
        self._end = None if length is None else offset + length

    def readinto(self, buffer: memoryview) -> int:
        if self._end is not None:
            buffer = buffer[: self._end - self._offset]
        if not buffer:
            return 0
        count = self._source.read_into(self._offset, buffer)
        self._offset += count
        return count

    def close(self) -> None:
        pass
