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

"""Read an image: requests ahead of the reader, and extents from its diff."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from oslo_image import exception
from oslo_image.stores.base import Extent
from oslo_image.stores.rbd import library

Mapped = Callable[..., contextlib.AbstractContextManager[None]]
Diff = Callable[[int, int], list[tuple[int, int]]]
GiB = 1 << 30
#: What one request asks for at most. Larger ones are no faster, and what
#: librados receives them in is given back to the system late: a copy of a GiB
#: took 197 MiB by 4 MiB, and takes 95 (Ceph 16.2.15).
PIECE = 1 << 20
#: The requests that a reader of the whole keeps in flight; and one of a part,
#: as there are others beside it.
AHEAD = 8
AHEAD_OF_PART = 2
#: The part of an image that one question about its extents covers.
_WINDOW = 4 * GiB


class AheadReader:
    """A stream over ``aio_read``, some requests ahead of who reads.

    librbd's own threads call back with the bytes; nobody waits for a lock
    there, as that thread may be one that an event loop knows nothing of.

    :param image: an open ``rbd.Image``.
    :param end: the offset behind the last byte.
    :param mapped: of the image's pool; it maps errors.
    :param ahead: the requests to keep in flight.
    """

    def __init__(
        self,
        image: Any,
        offset: int,
        end: int,
        mapped: Mapped,
        ahead: int = AHEAD,
    ) -> None:
        self._image = image
        self._mapped = mapped
        self._ahead = ahead
        self._next = offset
        self._end = end
        self._flight: collections.deque[_Request] = collections.deque()
        self._rest = memoryview(b'')
        library.land_at_exit(self)

    def readinto(self, buffer: memoryview) -> int:
        """Copy what has come, at least a byte; 0 is the end."""
        if not self._rest:
            self._ask()
            if not self._flight:
                return 0
            self._rest = memoryview(self._flight.popleft().wait())
            self._ask()
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Wait for what was asked: librbd writes to memory of this process."""
        self.finish()

    def finish(self) -> None:
        """Wait for what is on its way, and forget it."""
        while self._flight:
            self._flight.popleft().drop()

    def abandon(self) -> None:
        """Forget it, as a parent process has asked for it."""
        library.forsake(self._flight)
        self._flight = collections.deque()

    def _ask(self) -> None:
        while self._next < self._end and len(self._flight) < self._ahead:
            # Requests end where objects do, so that each is one object's.
            upto = min(self._end, (self._next // PIECE + 1) * PIECE)
            self._flight.append(
                _Request(
                    self._image, self._next, upto - self._next, self._mapped
                )
            )
            self._next = upto


class _Request:
    """One ``aio_read``."""

    def __init__(
        self, image: Any, offset: int, length: int, mapped: Mapped
    ) -> None:
        self._mapped = mapped
        self._offset = offset
        self._length = length
        self._data: bytes | None = None
        with mapped(offset=offset):
            self._completion = image.aio_read(
                offset, length, self._arrived, library.advice()
            )

    def _arrived(self, completion: Any, data: bytes | None) -> None:
        self._data = data

    def wait(self) -> bytes:
        """Return the bytes when they are there; called once."""
        result, data = self._landed()
        if result < 0:
            with self._mapped(offset=self._offset):
                raise library.error_of(-result, 'source', offset=self._offset)
        if data is None or len(data) != self._length:
            raise exception.Truncated(
                'the image ended early', side='source', offset=self._offset
            )
        return data

    def drop(self) -> None:
        """Wait, and forget the bytes."""
        self._landed()

    def _landed(self) -> tuple[int, bytes | None]:
        """Wait, and let go of the completion, which holds the bytes and us."""
        completion, self._completion = self._completion, None
        completion.wait_for_complete_and_cb()
        data, self._data = self._data, None
        return completion.get_return_value(), data


def extents(diff: Diff, start: int, length: int) -> Iterator[Extent]:
    """Yield what of a range holds data, a window after the other.

    :param diff: returns the runs of data between two offsets.
    """
    return _merged(_windows(diff, start, start + length))


def _windows(diff: Diff, start: int, end: int) -> Iterator[Extent]:
    while start < end:
        upto = min(end, (start // _WINDOW + 1) * _WINDOW)
        yield from _fill(diff(start, upto), start, upto)
        start = upto


def diff_of(
    image: Any, start: int, end: int, mapped: Mapped, *, coarse: bool
) -> list[tuple[int, int]]:
    """Return the runs of data (offset, length) by ``diff_iterate``.

    A diff rounds up to the end of the last write of each object, so zeros may
    be within data.

    :param coarse: whether an object map answers for whole objects at once;
        then only objects that exist are looked into.
    """
    found: list[tuple[int, int]] = []

    def note(offset: int, length: int, exists: bool) -> None:
        if exists:
            found.append((offset, length))

    with mapped(offset=start):
        if coarse:
            # From where an object begins: else some versions of librbd 16 tell
            # offsets that are too high (https://tracker.ceph.com/issues/53784).
            at = start - start % (
                image.stat()['obj_size'] * image.stripe_count()
            )
            image.diff_iterate(at, end - at, None, note, whole_object=True)
            whole, found = _joined(found), []
        else:
            whole = [(start, end - start)]
        for offset, length in whole:
            image.diff_iterate(offset, min(length, end - offset), None, note)
    return found


def _joined(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join runs that touch."""
    joined: list[tuple[int, int]] = []
    for offset, length in runs:
        if joined and sum(joined[-1]) == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((offset, length))
    return joined


def _fill(
    runs: list[tuple[int, int]], start: int, end: int
) -> Iterator[Extent]:
    """Yield the runs, cut to the window, and the holes between them."""
    at = start
    for offset, length in sorted(runs):
        first, last = max(at, offset), min(end, offset + length)
        if last <= first:
            continue
        if first > at:
            yield Extent(at, first - at, zero=True)
        yield Extent(first, last - first, zero=False)
        at = last
    if at < end:
        yield Extent(at, end - at, zero=True)


def _merged(pieces: Iterator[Extent]) -> Iterator[Extent]:
    held: Extent | None = None
    for one in pieces:
        if held is not None and held.zero == one.zero:
            held = held._replace(length=held.length + one.length)
            continue
        if held is not None:
            yield held
        held = one
    if held is not None:
        yield held
