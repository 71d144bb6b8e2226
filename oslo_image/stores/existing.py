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

"""Write an image into a file or device that was there before."""

from __future__ import annotations

import errno
import os
import stat

from oslo_image import exception
from oslo_image.stores.descriptor import Description, DescriptorWriter

#: The largest offset of a file (off_t).
_LARGEST = (1 << 63) - 1
#: What fsync(2) answers where there is nothing to sync to.
_NO_FSYNC = (errno.EINVAL, errno.EOPNOTSUPP)


def sync(fileno: int) -> None:
    """fsync, unless the descriptor is of a kind that knows none."""
    try:
        os.fsync(fileno)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def set_length(fileno: int, length: int) -> None:
    """ftruncate, unless the file has that length.

    XFS writes a file to the disk before it sets a length beyond the one that
    the disk knows, even if that is the file's length already
    (xfs_setattr_size).
    """
    if os.fstat(fileno).st_size != length:
        os.ftruncate(fileno, length)


class ExistingWriter(DescriptorWriter):
    """A writer into what holds bytes of its own already.

    Of a regular file, what lies beyond its end is fresh. An image that starts
    at offset 0 is the file: what was longer is cut. At any other offset it is
    a part of the file, and what lies behind it stays.
    """

    _device = -1
    _inode: int | None = None
    #: The size as it was found: a device's capacity, a file's length.
    _length = 0

    def check(self, size: int | None) -> None:
        """Look whether a device is large enough, and any offset a number."""
        if size is not None and self._start + size > _LARGEST:
            raise exception.NoSpace(
                f'no file has more than {_LARGEST} bytes',
                destination=self.location,
                side='destination',
                errno=errno.EFBIG,
            )
        if (
            self._kind == 'block'
            and size is not None
            and self._start + size > self._length
        ):
            raise exception.NoSpace(
                f'the device holds {self._length - self._start} bytes and '
                f'the image has {size}',
                destination=self.location,
                side='destination',
                errno=errno.ENOSPC,
            )

    def begin(self, size: int | None) -> None:
        """Remember nothing is written yet."""
        ExistingWriter.check(self, size)
        self._touched = False
        self._state = 'begun'

    def _adopt(self, fileno: int) -> None:
        """Learn all of an open descriptor."""
        found = os.fstat(fileno)
        capacity = None
        if stat.S_ISBLK(found.st_mode):
            at = os.lseek(fileno, 0, os.SEEK_CUR)
            capacity = os.lseek(fileno, 0, os.SEEK_END)
            os.lseek(fileno, at, os.SEEK_SET)
        self._learn(found, capacity)

    def _learn(self, found: os.stat_result, capacity: int | None) -> None:
        self._device, self._inode = found.st_dev, found.st_ino
        if stat.S_ISBLK(found.st_mode):
            self._kind = 'block'
            # Several nodes may stand for one device.
            self._device, self._inode = found.st_rdev, 0
            self._length = capacity or 0
            self.fresh_zero_from = None
        elif stat.S_ISREG(found.st_mode):
            self._kind = 'regular'
            self._length = found.st_size
            self.fresh_zero_from = max(0, self._length - self._start)
        elif stat.S_ISDIR(found.st_mode):
            raise exception.InvalidWriter(
                'it is a directory',
                destination=self.location,
                side='destination',
            )
        else:
            self._kind = 'stream'

    def _describe(self) -> Description:
        return (
            self._kind,
            self._device,
            self._inode,
            self._start,
            self._length,
            self._append,
        )

    def _finish(self, size: int) -> None:
        """Give a regular file the length that the image asks for."""
        if self._kind != 'regular' or self._append:
            return
        end = self._start + size
        if self._start == 0 or end > self._length:
            set_length(self._fd, end)

    def _restore(self) -> exception.DestinationState:
        """Cut a regular file that only grew back to its old length."""
        if not self._touched:
            return 'untouched'
        only_grew = self._append or self._start >= self._length
        if self._kind != 'regular' or not only_grew:
            return 'modified'
        try:
            os.ftruncate(self._fd, self._length)
        except OSError:
            return 'modified'
        self._touched = False
        return 'restored'

    def _error(self, error: OSError) -> exception.ImageError:
        return exception.from_os_error(
            error, 'destination', destination=self.location
        )
