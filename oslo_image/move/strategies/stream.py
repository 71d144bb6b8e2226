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

"""Pipelined buffers: reading, hashing and writing overlap."""

from __future__ import annotations

import collections
import concurrent.futures
from typing import TYPE_CHECKING

from oslo_image.move.buffers import Buffers
from oslo_image.move.flight import Flight
from oslo_image.move.spans import put
from oslo_image.move.strategies.base import Cost, Moved, No, Strategy, Yes
from oslo_image.stores.base import MiB, Source, Writer, fill

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe

#: Buffers read ahead of the one that is being written.
_AHEAD = 3


class Stream(Strategy):
    """From any source to anything with ``write()``.

    The writer is called by the caller's own thread only.
    """

    name = 'stream'
    cost = Cost.STREAM
    sees_bytes = True

    def offer(self, source: Source, writer: Writer, needs: Needs) -> Yes | No:
        """Serve every pair."""
        if source.size is None:
            return Yes('the size is not known beforehand')
        return Yes()

    def run(self, source: Source, writer: Writer, pipe: Pipe) -> Moved:
        """Read ahead in one thread, hash in another, write in this one."""
        buffers = Buffers()
        reads: collections.deque[
            tuple[memoryview, concurrent.futures.Future[int]]
        ] = collections.deque()
        reader = source.open_stream(0)
        offset = asked = 0

        def read_ahead() -> None:
            nonlocal asked
            rule = writer.spans.in_memory
            length = rule.length(pipe.piece(MiB), source.size, asked)
            asked += 1
            buffer = buffers.take(length)
            reads.append((buffer, readers.submit(fill, reader, buffer)))

        try:
            with (
                Flight(1, pipe.check) as observers,
                Flight(1, pipe.check, source.interrupt) as readers,
            ):
                for _ in range(_AHEAD):
                    read_ahead()
                while True:
                    buffer, future = reads.popleft()
                    count = readers.wait(future)
                    view = buffer[:count]
                    pipe.admit(count)
                    observed = None
                    if pipe.observing:
                        observed = observers.submit(pipe.observe, view)
                        if not offset:
                            # An unsafe head is not written at all.
                            observers.wait(observed)
                    if count:
                        pipe.compare(offset, view)
                        put(writer, offset, view)
                    if observed is not None:
                        observers.wait(observed)
                    offset += count
                    pipe.advance(count)
                    if count < len(buffer):
                        return Moved(offset, offset)
                    buffers.give_back(buffer)
                    read_ahead()
        finally:
            reader.close()
