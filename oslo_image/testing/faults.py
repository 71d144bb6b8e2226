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

"""Sources and writers that fail as they are told, the same way every time.

::

    source = FaultySource(source, Fault(4096, SourceUnavailable('gone')))
    writer = FaultyWriter(writer, Fault(4096, OSError(ENOSPC, 'full')))

Wrapped, a source or a writer is otherwise as it was: what it says of itself is
passed on, and may be set anew on the wrapper (``source.ranged = False``).
"""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Iterator

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import (
    DescriptorRange,
    Extent,
    F,
    Reader,
    Source,
    Writer,
)

__all__ = [
    'Fault',
    'FaultySource',
    'FaultyWriter',
]


@dataclasses.dataclass(frozen=True)
class Fault:
    """An error at one byte: those before it pass.

    :param at: the offset in the image, in bytes. At a source's size it is the
        end that cannot be read.
    :param error: what is raised. An OSError becomes what a store would make
        of it.
    :param times: how often; None: always.
    """

    at: int
    error: BaseException
    times: int | None = 1


class _Faults:
    """The faults that are yet to come."""

    def __init__(
        self,
        faults: tuple[Fault, ...],
        side: exception.Side,
        location: Location | None,
    ) -> None:
        self._left = {fault: fault.times for fault in faults}
        self._side = side
        self._location = location
        self._lock = threading.Lock()

    def next(self, offset: int, end: int) -> Fault | None:
        """Return the first fault from ``offset`` to before ``end``."""
        with self._lock:
            found = [
                fault
                for fault, times in self._left.items()
                if times != 0 and offset <= fault.at < end
            ]
        return min(found, key=lambda fault: fault.at, default=None)

    def strike(self, fault: Fault) -> None:
        """Raise the fault's error, unless another thread used it up."""
        with self._lock:
            times = self._left[fault]
            if times == 0:
                return
            self._left[fault] = None if times is None else times - 1
        self.throw(fault.error, fault.at)

    def throw(self, error: BaseException, offset: int | None = None) -> None:
        """Raise an error as a store of this side would."""
        if isinstance(error, OSError):
            ours = exception.from_os_error(error, self._side, offset=offset)
            if self._side == 'source':
                ours.annotate(source=self._location)
            else:
                ours.annotate(destination=self._location)
            raise ours from error
        raise error.with_traceback(None)


class FaultySource(Source):
    """A source that fails, reads short, shrinks or changes.

    :param source: the source that is wrapped, and closed with the wrapper.
    :param faults: by position, ``read_into`` raises where the range holds a
        fault's byte; a stream gives the bytes before it first. SourceChanged
        from a byte on is ``Fault(k, SourceChanged('...'), times=None)``.
    :param seed: streams read short, by lengths that follow from this.
    :param shrink_to: nothing is read from this offset on, in bytes, although
        the size stays: what a store should have noticed as Truncated.
    :param changed: whether ``check_unchanged`` raises SourceChanged.
    :param hide_facets: whether the source can nothing but bytes.
    """

    def __init__(
        self,
        source: Source,
        *faults: Fault,
        seed: int | None = None,
        shrink_to: int | None = None,
        changed: bool = False,
        hide_facets: bool = False,
    ) -> None:
        super().__init__(source.location)
        self._source = source
        self._faults = _Faults(faults, 'source', source.location)
        self._random = None if seed is None else random.Random(seed)  # noqa: S311
        self._shrink_to = shrink_to
        self._changed = changed
        self._hide_facets = hide_facets
        self.size = source.size
        self.version = source.version
        self.realm = source.realm
        self.ranged = source.ranged
        self.restartable = source.restartable
        self.chunk = source.chunk

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Yield the wrapped source's extents."""
        return self._source.extents(start, length)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the buffer, unless a fault lies in the range."""
        if fault := self._faults.next(offset, offset + len(buffer)):
            self._faults.strike(fault)
        if self._shrink_to is not None:
            buffer = buffer[: max(0, self._shrink_to - offset)]
        return self._source.read_into(offset, buffer) if buffer else 0

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream that breaks at the next fault."""
        reader = self._source.open_stream(offset, length)
        return _FaultyReader(
            reader, self._faults, offset, self._shrink_to, self._random
        )

    def facet(self, kind: type[F]) -> F | None:
        """Return the wrapped source's facet, unless they are hidden."""
        return None if self._hide_facets else self._source.facet(kind)

    def check_unchanged(self) -> None:
        """Raise SourceChanged, if told so."""
        self._source.check_unchanged()
        if self._changed:
            raise exception.SourceChanged(
                'it is another version now',
                side='source',
                source=self.location,
            )

    def close(self) -> None:
        """Close the wrapped source."""
        self._source.close()


class _FaultyReader:
    def __init__(
        self,
        reader: Reader,
        faults: _Faults,
        offset: int,
        end: int | None,
        chance: random.Random | None,
    ) -> None:
        self._reader = reader
        self._faults = faults
        self._offset = offset
        self._end = end
        self._random = chance

    def readinto(self, buffer: memoryview) -> int:
        if self._random and buffer:
            buffer = buffer[: self._random.randint(1, len(buffer))]
        fault = self._faults.next(self._offset, self._offset + len(buffer))
        if fault and fault.at == self._offset:
            self._faults.strike(fault)
        elif fault:
            buffer = buffer[: fault.at - self._offset]
        if self._end is not None:
            buffer = buffer[: max(0, self._end - self._offset)]
        if not buffer:
            return 0
        count = self._reader.readinto(buffer)
        self._offset += count
        return count

    def close(self) -> None:
        self._reader.close()


class FaultyWriter(Writer):
    """A writer that fails at a byte, or in one of its steps.

    What it could not do the wrapped writer takes back as ever, so that a test
    of what is left behind stays meaningful.

    :param writer: the writer that is wrapped, and closed with the wrapper.
    :param faults: ``put`` and ``put_zeros`` store the bytes before a fault's
        and raise.
    :param begin: raised by ``begin``, before anything exists.
    :param commit: raised by ``commit``, before anything is published.
    :param after_commit: raised by ``commit`` when all is published: an answer
        that got lost.
    :param rollback: what ``rollback`` says of the destination in the end,
        "modified"; or what it raises, against its contract.
    :param hide_facets: whether the writer can nothing but bytes.
    """

    def __init__(
        self,
        writer: Writer,
        *faults: Fault,
        begin: BaseException | None = None,
        commit: BaseException | None = None,
        after_commit: BaseException | None = None,
        rollback: exception.DestinationState | BaseException | None = None,
        hide_facets: bool = False,
    ) -> None:
        super().__init__(writer.location, writer.size)
        self._writer = writer
        self._faults = _Faults(faults, 'destination', writer.location)
        self._errors = {
            'begin': begin,
            'commit': commit,
            'after_commit': after_commit,
        }
        self._rollback = rollback
        self._hide_facets = hide_facets
        self.realm = writer.realm
        self.spans = writer.spans
        self.positioned = writer.positioned
        self.takes_descriptors = writer.takes_descriptors
        self.fresh_zero_from = writer.fresh_zero_from

    def check(self, size: int | None) -> None:
        """Let the wrapped writer check."""
        self._writer.check(size)
        self.fresh_zero_from = self._writer.fresh_zero_from

    def begin(self, size: int | None) -> None:
        """Begin, or raise what was given for it."""
        self._strike('begin')
        self._writer.begin(size)
        self.fresh_zero_from = self._writer.fresh_zero_from
        self._state = 'begun'

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Store the bytes up to the next fault."""
        if isinstance(data, DescriptorRange):
            length = data.length
        else:
            length = len(data)
        if fault := self._faults.next(offset, offset + length):
            before = fault.at - offset
            if before:
                self._writer.put(offset, _head(data, before))
            self._faults.strike(fault)
            offset, data = fault.at, _tail(data, before)
        self._writer.put(offset, data)

    def put_zeros(self, offset: int, length: int) -> None:
        """Store the zeros up to the next fault."""
        if fault := self._faults.next(offset, offset + length):
            before = fault.at - offset
            self._writer.put_zeros(offset, before)
            self._faults.strike(fault)
            offset, length = fault.at, length - before
        self._writer.put_zeros(offset, length)

    def commit(self, size: int | None = None) -> Location | None:
        """Publish, or raise what was given for it."""
        self._strike('commit')
        if size is None and self._position:
            size = self._position
        location = self._writer.commit(size)
        self._state = 'committed'
        self._strike('after_commit')
        return location

    def rollback(self) -> exception.DestinationState:
        """Take back, then say or raise what was given for it."""
        state = self._writer.rollback()
        self._state = 'new'
        self._position = 0
        if isinstance(self._rollback, BaseException):
            self._faults.throw(self._rollback)
        elif self._rollback is not None:
            return self._rollback
        return state

    def interrupt(self) -> None:
        """Interrupt the wrapped writer."""
        self._writer.interrupt()

    def close(self) -> None:
        """Close the wrapped writer too."""
        try:
            super().close()
        finally:
            self._writer.close()

    @property
    def leftovers(self) -> list[str]:
        """The wrapped writer's leftovers."""
        return self._writer.leftovers

    def facet(self, kind: type[F]) -> F | None:
        """Return the wrapped writer's facet, unless they are hidden."""
        return None if self._hide_facets else self._writer.facet(kind)

    def _strike(self, step: str) -> None:
        error = self._errors[step]
        if error is not None:
            self._faults.throw(error)


def _head(
    data: memoryview | DescriptorRange, length: int
) -> memoryview | DescriptorRange:
    if isinstance(data, DescriptorRange):
        return data._replace(length=length)
    return data[:length]


def _tail(
    data: memoryview | DescriptorRange, start: int
) -> memoryview | DescriptorRange:
    if isinstance(data, DescriptorRange):
        return DescriptorRange(
            data.fileno, data.offset + start, data.length - start
        )
    return data[start:]
