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

"""Write an image into an open descriptor, by position, keeping its holes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal, cast

from oslo_image import exception
from oslo_image.stores import facets, kernel
from oslo_image.stores.base import (
    DescriptorRange,
    F,
    Writer,
    is_zero,
)

#: The finest hole that is looked for in what was read; ext4's, XFS's and
#: btrfs's allocation is finer, but a write for each would cost more than it
#: saves.
HOLE = 64 * 1024
Kind = Literal['regular', 'block', 'stream']
#: The fields of a FileDescriptor but the last.
Description = tuple[Kind, int, int | None, int, int, bool]


class DescriptorWriter(Writer):
    """A writer behind a descriptor; subclasses open, publish and take back.

    They set ``_fd``, ``_kind`` and, in a file, ``_start``: the offset at which
    the image begins.
    """

    takes_descriptors = True
    _fd = -1
    _kind: Kind = 'regular'
    _start = 0
    _append = False
    #: Whether anything was put since begin().
    _touched = False

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Write the bytes; zeros where zeros are is left to be a hole.

        :raises Refused: when the kernel cannot copy between the descriptors.
        :raises NoSpace, DestinationError:
        """
        try:
            if isinstance(data, DescriptorRange):
                self._reach(offset + data.length)
                self._copy(offset, data)
            elif self._sequential:
                self._touched = True
                kernel.send(self._fd, data)
            else:
                self._reach(offset + len(data))
                for at, view in self._runs(offset, data):
                    self._touched = True
                    kernel.pwrite(self._fd, view, self._start + at)
        except OSError as error:
            raise exception.from_os_error(
                error, 'destination', destination=self.location, offset=offset
            ) from error

    def put_zeros(self, offset: int, length: int) -> None:
        """Leave a hole where the file is fresh; elsewhere punch or write."""
        self._reach(offset + length)
        if self._sequential or self.fresh_zero_from is None:
            stale = length
        else:
            stale = min(length, max(0, self.fresh_zero_from - offset))
        start, end = self._start + offset, self._start + offset + stale
        erased = range(end, end)
        if stale and not self._sequential:
            erased = kernel.erase(
                self._fd, start, stale, device=self._kind == 'block'
            )
            self._touched = self._touched or bool(erased)
        super().put_zeros(offset, erased.start - start)
        super().put_zeros(erased.stop - self._start, end - erased.stop)

    def facet(self, kind: type[F]) -> F | None:
        """Return the descriptor, open or yet to be opened."""
        if kind is facets.FileDescriptor:
            descriptor = facets.FileDescriptor(
                *self._describe(), self._fileno, self._touch
            )
            return cast('F', descriptor)
        return None

    def _describe(self) -> Description:
        """Return the FileDescriptor's fields but the last."""
        found = os.fstat(self._fd)
        return (
            self._kind,
            found.st_dev,
            found.st_ino,
            self._start,
            found.st_size,
            self._append,
        )

    def _fileno(self) -> int:
        return self._fd

    def _touch(self, touched: bool = True) -> None:
        self._touched = touched

    @property
    def _sequential(self) -> bool:
        return self._kind == 'stream' or self._append

    def _runs(
        self, offset: int, view: memoryview
    ) -> Iterator[tuple[int, memoryview]]:
        """Yield the pieces that must be written, zeros on fresh ground not."""
        fresh = self.fresh_zero_from
        if fresh is None or offset + len(view) <= fresh:
            yield offset, view
            return
        begin = None
        for at in range(0, len(view), HOLE):
            block = view[at : at + HOLE]
            hole = offset + at >= fresh and is_zero(block)
            if hole and begin is not None:
                yield offset + begin, view[begin:at]
                begin = None
            elif not hole and begin is None:
                begin = at
        if begin is not None:
            yield offset + begin, view[begin:]

    def _copy(self, offset: int, data: DescriptorRange) -> None:
        """Let the kernel move the bytes: copy_file_range, else sendfile.

        Touched from before the call, since a Ctrl-C may come between it and
        its answer, until the kernel has refused it all.
        """
        source, at, left = data
        before, self._touched = self._touched, True
        use_range = not self._sequential
        try:
            while left:
                rest = DescriptorRange(source, at, left)
                if use_range:
                    count = self._copy_file_range(offset, rest)
                    use_range = count is not None
                else:
                    count = self._sendfile(offset, rest)
                if count == 0:
                    self._came_to_nothing(source, at)
                moved = count or 0
                offset, at, left = offset + moved, at + moved, left - moved
        except exception.Refused:
            if at == data.offset:
                self._touched = before
            raise

    def _copy_file_range(
        self, offset: int, data: DescriptorRange
    ) -> int | None:
        """Return the bytes copied; None: not for this pair."""
        try:
            return os.copy_file_range(
                data.fileno,
                self._fd,
                data.length,
                data.offset,
                self._start + offset,
            )
        except OSError as error:
            if error.errno in kernel.CANNOT:
                return None
            raise

    @staticmethod
    def _came_to_nothing(source: int, at: int) -> None:
        if os.fstat(source).st_size <= at:
            raise exception.SourceChanged(
                'the file shrank during the copy', side='source', offset=at
            )
        raise exception.Refused(f'the kernel copied nothing at offset {at}')

    def _sendfile(self, offset: int, data: DescriptorRange) -> int:
        if not self._sequential:
            os.lseek(self._fd, self._start + offset, os.SEEK_SET)
        try:
            return os.sendfile(
                self._fd, data.fileno, data.offset, min(data.length, 1 << 30)
            )
        except BlockingIOError:
            kernel.wait_writable(self._fd)
            return self._sendfile(offset, data)
        except OSError as error:
            if error.errno in kernel.CANNOT:
                raise exception.Refused(
                    f'the kernel cannot copy here ({os.strerror(error.errno)})'
                ) from error
            raise
