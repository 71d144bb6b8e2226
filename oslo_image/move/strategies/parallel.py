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

"""Move spans by position, several in flight; holes are not moved at all."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from oslo_image import exception
from oslo_image.move.buffers import Buffers
from oslo_image.move.flight import Flight
from oslo_image.move.spans import Span, cut, put
from oslo_image.move.strategies.base import Cost, Moved, No, Strategy, Yes
from oslo_image.stores.base import DescriptorRange, MiB, Source, Writer
from oslo_image.stores.facets import FileDescriptor

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe

#: Through a buffer of this size; it stays in the processor's cache.
_BUFFER = MiB
#: What one task moves at least where nobody wants to see the bytes in order.
#: A large image moves more at once, as a server's answer begins slowly, but
#: each worker has several tasks.
_BATCH = 8 * MiB
_LARGEST_BATCH = 32 * MiB
_TASKS = 4
#: The holes that may wait for data before them to land.
_HOLES = 256
#: From this size on, threads between two files are worth their start.
LARGE = 128 * MiB


class _Task(NamedTuple):
    span: Span
    buffer: memoryview | None
    future: concurrent.futures.Future[int]
    idle: bool


class Parallel(Strategy):
    """Positioned reads and writes, from a source's extents to spans.

    When something wants the bytes in order, each task keeps its buffer until
    its turn has come; the number of tasks in flight bounds the memory.
    """

    name = 'parallel'
    cost = Cost.PARALLEL
    sees_bytes = True

    def offer(self, source: Source, writer: Writer, needs: Needs) -> Yes | No:
        """Serve what can be read and written at any offset."""
        if not source.ranged:
            return No('the source can be read in one stream only')
        if source.size is None:
            return No("the source's size is not known")
        if not writer.positioned:
            return No('the writer takes its bytes in order only')
        if source.in_one:
            return Yes('slower here than as a whole', cost=Cost.STREAM)
        return Yes()

    def run(self, source: Source, writer: Writer, pipe: Pipe) -> Moved:
        """Keep ``pipe.workers`` spans in flight."""
        if not source.ranged:
            raise exception.Refused('the server serves no ranges of it')
        size = source.size or 0
        whole = pipe.observing or not writer.spans.anything
        wanted = source.chunk if whole else _batch(source, pipe.workers)
        span = pipe.piece(wanted)
        part = _parts(source, writer, pipe)
        rule = writer.spans if part else writer.spans.in_memory
        spans = cut(source.extents(0, size), rule, span, size)
        buffers = Buffers()
        tasks: collections.deque[_Task] = collections.deque()
        payload = busy = 0

        def move(span: Span, buffer: memoryview | None) -> int:
            if span.zero:
                writer.put_zeros(span.offset, span.length)
                return 0
            if part is not None:
                writer.put(span.offset, part(span))
                return span.length
            if buffer is None:
                raise TypeError('a span of data needs a buffer')
            return _move(source, writer, span, buffer, flight, pipe)

        def land() -> int:
            task = tasks.popleft()
            moved = flight.wait(task.future)
            if pipe.observing:
                if task.buffer is None:
                    pipe.observe_zeros(task.span.length)
                else:
                    pipe.observe(task.buffer[: task.span.length])
            if task.buffer is not None:
                buffers.give_back(task.buffer)
            pipe.advance(task.span.length)
            return moved

        def interrupt() -> None:
            source.interrupt()
            writer.interrupt()

        workers = 0 if _quick(source, writer, pipe) else pipe.workers
        with Flight(workers, pipe.check, interrupt) as flight:
            for one in spans:
                idle = one.zero and not writer.stale(one.offset)
                pipe.admit(0 if idle else one.length)
                # One more than there are threads, so that none has to wait;
                # holes between do not count, but for the memory they take.
                while busy > workers or len(tasks) > workers + _HOLES:
                    busy -= not tasks[0].idle
                    payload += land()
                buffer = None
                if not one.zero and part is None:
                    wanted = max(span, one.length) if whole else _BUFFER
                    buffer = buffers.take(wanted)
                # A thread would cost more than a hole that stays one.
                submit = flight.here if idle else flight.submit
                task = submit(move, one, buffer)
                tasks.append(_Task(one, buffer, task, idle))
                if workers:
                    busy += not idle
                else:
                    payload += land()
            while tasks:
                payload += land()
        return Moved(size, payload)


def _parts(
    source: Source, writer: Writer, pipe: Pipe
) -> Callable[[Span], DescriptorRange] | None:
    """Return what names a span as a part of a file, where that will do.

    The kernel then takes the bytes from the file to the socket (sendfile(2)),
    and nobody sees them.
    """
    origin = source.facet(FileDescriptor)
    if (
        origin is None
        or pipe.observing
        or writer.spans.anything
        or not writer.takes_descriptors
    ):
        return None

    def part(span: Span) -> DescriptorRange:
        at = origin.start + span.offset
        return DescriptorRange(origin.fileno(), at, span.length)

    return part


def _quick(source: Source, writer: Writer, pipe: Pipe) -> bool:
    """Tell whether threads would cost more than they save.

    So it is between files of a machine, up to this size (benchmarks,
    file-here).
    """
    ends = (source.facet(FileDescriptor), writer.facet(FileDescriptor))
    return (
        not pipe.observing
        and (source.size or 0) < LARGE
        and all(end is not None and end.kind == 'regular' for end in ends)
    )


def _batch(source: Source, workers: int) -> int:
    share = (source.size or 0) // (workers * _TASKS) // MiB * MiB
    return max(source.chunk, _BATCH, min(share, _LARGEST_BATCH))


def _move(
    source: Source,
    writer: Writer,
    span: Span,
    buffer: memoryview,
    flight: Flight,
    pipe: Pipe,
) -> int:
    """Move one span through a buffer; return the bytes moved.

    What was read is written at once, while it is in the processor's cache,
    unless the writer wants the span as a whole. A buffer that has room for
    the span keeps it.
    """
    reader = source.open_stream(span.offset, span.length)
    keep = len(buffer) >= span.length
    step = _BUFFER if writer.spans.anything else len(buffer)
    done = 0
    try:
        while done < span.length and not flight.stopped.is_set():
            start = done if keep else 0
            view = buffer[start : start + min(step, span.length - done)]
            filled = 0
            while filled < len(view):
                count = reader.readinto(view[filled:])
                if not count:
                    raise exception.Truncated(
                        'the source ended early',
                        side='source',
                        offset=span.offset + done + filled,
                    )
                filled += count
            if flight.stopped.is_set():
                break
            pipe.compare(span.offset + done, view)
            put(writer, span.offset + done, view)
            done += filled
    finally:
        reader.close()
    return done
