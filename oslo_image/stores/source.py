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

"""The source: one opened version of the bits, as the contract has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, Self, TypeVar

from oslo_image.image import Location

MiB = 1 << 20
F = TypeVar('F')


class Extent(NamedTuple):
    """A run of bytes; ``zero`` when it is known to hold nothing but zeros."""

    offset: int
    length: int
    zero: bool


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
    #: pass from byte 0, and only once unless ``restartable``. A source may
    #: expect ranges while it is planned, and know better once it is pinned.
    ranged = True
    #: Whether ``open_stream(0)`` works again after a first pass.
    restartable = True
    #: The read size in bytes at which this source is at its best.
    chunk = MiB
    #: Whether one request for the whole is faster than several for its parts.
    in_one = False

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

    def pin(self) -> None:
        """Make sure of the version before the first byte is moved.

        Called once or more when a copy runs, never while it is planned, so
        it may change something on the other side (a temporary snapshot),
        which :meth:`close` takes back.

        :raises SourceChanged: when it is no longer the version that was
            opened.
        """

    def check_unchanged(self) -> None:
        """Called after the last byte.

        :raises SourceChanged: when the bits are no longer the pinned version.
        """

    def interrupt(self) -> None:
        """Wake reads that wait in other threads: the copy has ended.

        They may raise anything, or return; nobody looks.
        """

    def close(self) -> None:
        """Release everything; harmless when repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


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
