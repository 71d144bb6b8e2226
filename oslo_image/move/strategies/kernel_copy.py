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

"""Let the kernel copy between two descriptors; no byte enters this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from oslo_image import exception
from oslo_image.move.spans import HOLE
from oslo_image.move.strategies.base import Cost, Moved, No, Strategy, Yes
from oslo_image.move.strategies.reflink import cannot_share, kernel_loops
from oslo_image.stores.base import (
    DescriptorRange,
    Extent,
    MiB,
    Source,
    Writer,
)
from oslo_image.stores.facets import FileDescriptor

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe

#: One call's worth: progress shows and a cancellation is seen between two.
_PIECE = 64 * MiB


class KernelCopy(Strategy):
    """copy_file_range(2), or sendfile(2) where that cannot; holes are kept."""

    name = 'kernel_copy'
    cost = Cost.KERNEL

    def offer(self, source: Source, writer: Writer, needs: Needs) -> Yes | No:
        """Serve two descriptors."""
        origin = source.facet(FileDescriptor)
        if origin is None:
            return No('the source is not a file of this machine')
        if not (writer.takes_descriptors and writer.spans.anything):
            return No('the writer is not a file, device or pipe')
        target = writer.facet(FileDescriptor)
        if target is not None and target.append:
            return No('the kernel does not copy to a file open for append')
        if (
            needs.zero_copy == 'avoid'
            and target is not None
            and origin.kind == target.kind == 'regular'
            and not cannot_share(origin, target)
        ):
            return No(
                'copy_file_range shares extents here, and zero_copy is "avoid"'
            )
        if (
            target is not None
            and origin.kind == target.kind == 'regular'
            and kernel_loops(origin, target)
            and 2 * _allocated(origin) >= origin.length
        ):
            return Yes(cost=Cost.PARALLEL)
        return Yes()

    def run(self, source: Source, writer: Writer, pipe: Pipe) -> Moved:
        """Copy in one pass; the source may answer otherwise in a second.

        The zeros before the first data wait until that has been copied, so
        that a refusal finds nothing changed.
        """
        origin = source.facet(FileDescriptor)
        if origin is None:
            raise exception.Refused('the source is not a file')
        size = source.size or 0
        payload = 0
        leading = 0

        def zero(offset: int, length: int) -> None:
            for at in range(offset, offset + length, HOLE):
                step = min(HOLE, offset + length - at)
                pipe.admit(step if writer.stale(at) else 0)
                writer.put_zeros(at, step)
                pipe.advance(step)

        for extent in self._extents(source, writer):
            if extent.zero and payload:
                zero(extent.offset, extent.length)
                continue
            if extent.zero:
                leading = extent.offset + extent.length
                continue
            at, end = extent.offset, extent.offset + extent.length
            while at < end:
                step = pipe.piece(min(_PIECE, end - at))
                pipe.admit(step)
                writer.put(
                    at,
                    DescriptorRange(origin.fileno(), origin.start + at, step),
                )
                pipe.advance(step)
                at += step
                payload += step
                if leading:
                    zero(0, leading)
                    leading = 0
        if leading:
            zero(0, leading)
        return Moved(size, payload)

    @staticmethod
    def _extents(source: Source, writer: Writer) -> Iterator[Extent]:
        """A pipe gets its zeros in place, from the kernel too."""
        size = source.size or 0
        target = writer.facet(FileDescriptor)
        if target is None or target.kind != 'stream':
            yield from source.extents(0, size)
        elif size:
            yield Extent(0, size, False)


def _allocated(origin: FileDescriptor) -> int:
    """Return the bytes that a file occupies."""
    return os.fstat(origin.fileno()).st_blocks * 512
