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

"""What writers of images in Ceph share: runs of data, runs of zeros."""

from __future__ import annotations

import threading
from typing import Any

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import (
    ZEROS,
    DescriptorRange,
    MiB,
    SpanRule,
    Writer,
    is_zero,
)
from oslo_image.stores.rbd import library
from oslo_image.stores.rbd.behind import Behind

#: The smallest hole that is kept within what is written: what Ceph discards
#: at least (rbd_discard_granularity_bytes).
_HOLE = 64 * 1024
#: Spans start where objects of any usual size do, and one is one request.
SPANS = SpanRule(smallest=4 * MiB, alignment=4 * MiB, largest=32 * MiB)


class ImageWriter(Writer):
    """A writer into an open ``rbd.Image``, at an offset of it.

    Data is on its way when put() returns, and has arrived after ``_behind`` is
    drained; zeros have arrived.
    """

    spans = SPANS

    def __init__(self, location: Location | None, size: int | None) -> None:
        super().__init__(location, size)
        self._start = 0
        self._growing = threading.Lock()
        self._behind = Behind(self._mapped)

    def _handle(self) -> Any:
        """Return the open ``rbd.Image``."""
        raise NotImplementedError

    def _make_room(self, end: int) -> None:
        """Make the image hold so many bytes."""

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Write the runs that are not zeros; the others as zeros."""
        if isinstance(data, DescriptorRange):
            raise TypeError('an image in Ceph takes bytes')
        image = self._handle()
        self._make_room(offset + len(data))
        stale = self.stale(offset)
        for at, length, zero in _runs(data):
            where = self._start + offset + at
            if not zero:
                self._behind.write(image, data[at : at + length], where)
            elif stale:
                with self._mapped(offset):
                    self._zero(image, where, length)
        self._reach(offset + len(data))

    def put_zeros(self, offset: int, length: int) -> None:
        """Discard the range, where it is not fresh."""
        if self.stale(offset):
            self._make_room(offset + length)
            with self._mapped(offset):
                self._zero(self._handle(), self._start + offset, length)
        self._reach(offset + length)

    def _zero(self, image: Any, offset: int, length: int) -> None:
        """Make a range read as zeros.

        Not by discard(), which leaves what is smaller than its granularity
        (rbd_discard_granularity_bytes); write_zeroes() is librbd 16's.
        """
        if hasattr(image, 'write_zeroes'):
            image.write_zeroes(offset, length)
            return
        while length:
            step = min(length, len(ZEROS))
            image.write(bytes(step), offset)
            offset, length = offset + step, length - step

    def _mapped(self, offset: int | None = None) -> Any:
        return library.mapped('destination', offset=offset)

    def _too_small(self, capacity: int, size: int) -> exception.NoSpace:
        return exception.NoSpace(
            f'the destination holds {capacity} bytes and the image has {size}',
            destination=self.location,
            side='destination',
        )


def _runs(data: memoryview) -> list[tuple[int, int, bool]]:
    """Cut data into runs (start, length, zero), as long as they may be."""
    runs: list[tuple[int, int, bool]] = []
    for at in range(0, len(data), _HOLE):
        piece = data[at : at + _HOLE]
        zero = is_zero(piece)
        if runs and runs[-1][2] == zero:
            start, length, _ = runs[-1]
            runs[-1] = (start, length + len(piece), zero)
        else:
            runs.append((at, len(piece), zero))
    return runs
