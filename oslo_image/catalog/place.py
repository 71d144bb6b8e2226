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

"""Where an image's own bits lie: published, and then recorded.

A process may be killed between the two. What it leaves is told from what is
yet to be recorded by the writer's lock (flock(2)), which the kernel lets go of
when the process ends, however it does.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import Final

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.file import path_of
from oslo_image.stores.file_writer import FileWriter

#: For writing, since NFS wants that for an exclusive lock.
_OPEN: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class PlaceWriter(FileWriter):
    """Keeps the lock on its file beyond the commit, until it is closed."""

    _lock = -1

    def commit(self, size: int | None = None) -> Location | None:
        """Publish the file, still locked."""
        if self._state == 'new':
            self.begin(size)
        # A lock belongs to all duplicates of a descriptor.
        self._lock = os.dup(self._fd)
        return super().commit(size)

    def _dismiss(self) -> None:
        """Let go of the lock."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1


def remove_abandoned(location: Location, recorded: Callable[[], bool]) -> None:
    """Remove a file that nobody writes any more and nobody has recorded.

    :param recorded: asked while the file is locked.
    :raises PermissionDenied, DestinationError: when it cannot be removed.
    """
    path = path_of(location)
    try:
        fd = os.open(path, _OPEN)
        try:
            if _locked(fd, path) and not recorded():
                os.unlink(path)
        finally:
            os.close(fd)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise exception.from_os_error(
            error, 'destination', destination=location
        ) from error


def _locked(fd: int, path: str) -> bool:
    """Lock an open file, if nobody else has and it still has this name."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except OSError:
        return False
