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

"""The writer: where bits are to be published, as the contract has it."""

from __future__ import annotations

import abc
import functools
import os
import threading
import types
from typing import Any, Literal, NamedTuple, Self

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.source import F, MiB


class SpanRule(NamedTuple):
    """How a writer wants its bytes cut, in bytes.

    A file takes anything. An object store takes parts of at least ``smallest``
    (the last may be shorter), at most ``largest`` and ``most`` in number,
    each starting at a multiple of ``alignment``. What is in memory may come in
    pieces of ``piece`` instead, of which every span is a multiple.
    """

    smallest: int = 1
    largest: int | None = None
    alignment: int = 1
    most: int | None = None
    piece: int | None = None

    @property
    def in_memory(self) -> SpanRule:
        """The rule for bytes that take memory, which grows with no image."""
        if self.piece is None:
            return self
        return SpanRule(self.piece, self.piece, self.piece)

    @property
    def anything(self) -> bool:
        """Whether spans of any length are taken anywhere."""
        return self.smallest == self.alignment == 1

    def length(self, wanted: int, size: int | None, index: int = 0) -> int:
        """Return the length in bytes of span number ``index``.

        With an unknown size and a bounded number of spans, the length doubles
        after every tenth of that number, so that any image fits.

        :param wanted: the length in bytes that would suit the reader.
        :param size: the image's bytes; None when unknown.
        """
        length = max(wanted, self.smallest)
        if self.most is not None:
            if size is not None:
                length = max(length, -(-size // self.most))
            else:
                length <<= index * 10 // self.most
        length = -(-length // self.alignment) * self.alignment
        return length if self.largest is None else min(length, self.largest)


class DescriptorRange(NamedTuple):
    """Bytes that lie in an open file and need not enter this process."""

    fileno: int
    offset: int
    length: int


_ZEROS = bytearray(MiB)
#: A mebibyte of zeros, shared: what a hole reads as.
ZEROS = memoryview(_ZEROS).toreadonly()


def is_zero(view: memoryview) -> bool:
    """Return whether all bytes are zero.

    bytearray's comparison is memcmp, at memory speed; memoryview's own goes
    byte by byte, and any() is slower still. A look at three bytes spares it
    most of what is not zero.
    """
    if view and (view[0] or view[-1] or view[len(view) // 2]):
        return False
    while len(view) > MiB:
        if _ZEROS != view[:MiB]:
            return False
        view = view[MiB:]
    return _zeros(len(view)) == view


@functools.lru_cache(maxsize=8)
def _zeros(length: int) -> bytearray:
    """Return so many zeros; a slice would be a copy each time."""
    return bytearray(length)


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
        self._held = bytearray()
        self._written = 0
        self._reached = 0
        self._reaching = threading.Lock()
        self._state: Literal['new', 'begun', 'committed', 'closed'] = 'new'
        self._process = os.getpid()

    def __str__(self) -> str:
        return str(self.location)

    def look_ahead(self) -> None:
        """Begin to ask the other side what :meth:`check` is to know.

        Called when the sources are yet to be opened. Returns at once, raises
        nothing, and changes nothing.
        """

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
        """Make the range read as zeros; where it does already, do nothing.

        Under a span rule the range is one span.
        """
        if length and not self.spans.anything:
            self.put(offset, memoryview(bytes(length)))
            return
        while length:
            step = min(length, len(ZEROS))
            self.put(offset, ZEROS[:step])
            offset, length = offset + step, length - step

    def _reach(self, end: int) -> None:
        """Note how far was written, for a commit that is not told."""
        with self._reaching:
            self._reached = max(self._reached, end)

    def _settled(self, size: int | None) -> int:
        """Return the bytes of the image that is to be committed.

        :param size: as :meth:`commit` was told.
        :raises SizeMismatch: when others were declared.
        """
        size = self._reached if size is None else size
        if self.size not in (None, size):
            raise exception.SizeMismatch(
                f'{self.size} bytes were declared and {size} came',
                destination=self.location,
                side='destination',
            )
        return size

    @abc.abstractmethod
    def commit(self, size: int | None = None) -> Location | None:
        """Publish what was put, durable where the store can say so.

        :param size: the bytes of the image, where put_zeros may have left the
            end unwritten; None: as far as was written.
        :returns: where the bits now lie.
        :raises DestinationExists: when another writer was first.
        :raises Refused: when what a facet made is not taken, and is gone;
            other ways may do.
        """

    @abc.abstractmethod
    def rollback(self) -> exception.DestinationState:
        """Take back all that came since :meth:`begin`; never raises.

        :returns: "untouched", "restored", or "modified" when what was
            overwritten or sent cannot be had back.
        """

    def _restart(self) -> None:
        """Be as before :meth:`begin`; the end of a rollback."""
        self._state = 'new'
        self._position = self._reached = self._written = 0
        self._held.clear()

    def interrupt(self) -> None:
        """Wake calls that wait in other threads: the copy has ended.

        They may raise anything, or return; nobody looks. A rollback follows.
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

        Asking must make nothing.

        :raises Refused: when it could, and something stands against it.
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
        if self.spans.anything:
            if view:
                self.put(self._position, view)
            self._position += len(view)
            return len(view)
        count = len(view)
        while view:
            span = self._span()
            step = min(len(view), span - len(self._held))
            self._held += view[:step]
            self._position += step
            view = view[step:]
            if len(self._held) == span:
                self._put_held()
        return count

    def _span(self) -> int:
        rule = self.spans.in_memory
        return rule.length(len(ZEROS), self.size, self._written)

    def _put_held(self) -> None:
        """Put what write() has held back, which is a span.

        The commit of a writer with a span rule puts the last one so.
        """
        held, self._held = self._held, bytearray()
        if held:
            self.put(self._position - len(held), memoryview(held))
            self._written += 1

    def tell(self) -> int:
        """Return the number of bytes written by :meth:`write`."""
        return self._position

    def writable(self) -> bool:
        """Return whether the writer is still open."""
        return self._state in ('new', 'begun')

    def stale(self, offset: int) -> bool:
        """Whether zeros at ``offset`` of the image must be written."""
        return self.fresh_zero_from is None or offset < self.fresh_zero_from

    @property
    def fresh(self) -> bool:
        """Whether nothing was begun yet."""
        return self._state == 'new'

    def close(self) -> None:
        """Take back what was not committed, and release everything.

        In a process that was forked off, nothing: it is the parent's.
        """
        if self._process == os.getpid():
            if self._state in ('new', 'begun'):
                self.rollback()
            self._state = 'closed'
            self._dismiss()
        self._state = 'closed'

    def _dismiss(self) -> None:
        """Release what a closed writer still has; comes with every close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.close()
