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

"""Overwrite a file or block device where it lies."""

from __future__ import annotations

import errno
import os
import stat

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.existing import ExistingWriter, sync


class InPlaceWriter(ExistingWriter):
    """A block device, or a file that is there already, overwritten in place.

    A symbolic link is followed to a block device only. A device that is
    mounted or otherwise held is in use (O_EXCL, open(2)).

    :param path: the path, absolute.
    """

    def __init__(
        self, location: Location, path: str, size: int | None
    ) -> None:
        super().__init__(location, size)
        self._path = path

    def check(self, size: int | None) -> None:
        """Look whether it is there, writable and large enough."""
        try:
            found = os.stat(self._path)
            block = stat.S_ISBLK(found.st_mode)
            self._learn(found, self._capacity() if block else None)
        except OSError as error:
            raise self._error(error) from error
        if not os.access(self._path, os.W_OK):
            raise exception.PermissionDenied(
                'it cannot be written to',
                destination=self.location,
                side='destination',
                errno=errno.EACCES,
            )
        if self._kind == 'stream':
            raise exception.InvalidWriter(
                'it is neither a file nor a block device',
                destination=self.location,
                side='destination',
            )
        super().check(size)

    def begin(self, size: int | None) -> None:
        """Open it and look again, at what was opened."""
        self.check(size)
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
        flags |= os.O_EXCL if self._kind == 'block' else os.O_NOFOLLOW
        try:
            self._fd = os.open(self._path, flags)
        except OSError as error:
            raise self._error(error) from error
        try:
            self._adopt(self._fd)
            super().begin(size)
        except BaseException:
            self._release()
            raise

    def commit(self, size: int | None = None) -> Location | None:
        """Cut a longer file to the image's size and sync."""
        if self._state == 'new':
            self.begin(size)
        try:
            self._finish(self._settled(size))
            sync(self._fd)
        except OSError as error:
            raise self._error(error) from error
        self._release()
        self._state = 'committed'
        return self.location

    def rollback(self) -> exception.DestinationState:
        """Take back what only grew."""
        state = self._restore()
        self._release()
        self._state = 'new'
        self._position = self._reached = 0
        return state

    def _capacity(self) -> int:
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return os.lseek(fd, 0, os.SEEK_END)
        finally:
            os.close(fd)

    def _release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
