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

"""What killed copies left in a directory: find it, and remove it.

A leftover is a regular file with a temporary name as
:class:`~oslo_image.stores.file_writer.FileWriter` makes them. Whether somebody
is still at work there is asked in two ways, and either answer is enough:

* The writer of a copy holds a lock on its file (flock(2)) as long as it lives,
  whatever kills it (:mod:`oslo_image.stores.leftovers`). NFS carries such
  locks from one machine to the other.
* A lease (``F_SETLEASE``, fcntl(2)) is granted for a file only if no other
  process of this machine has it open, for whatever reason.

Where a filesystem has neither, age alone must do.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import stat
import time
from collections.abc import Iterator

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Leftover
from oslo_image.stores.file_writer import MARKER, temporary_prefix

_NAME = re.compile(rf'\..+{re.escape(MARKER)}[0-9a-f]{{16}}\Z', re.DOTALL)
_DIGITS = 16
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: For writing, since NFS wants that for an exclusive lock. O_NONBLOCK: a FIFO
#: that took the name meanwhile must not block.
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def find(
    location: Location, path: str, older_than: float
) -> Iterator[Leftover]:
    """Yield the leftovers of a file, or of all files of a directory.

    :param path: where ``location`` lies.
    :param older_than: seconds since the last change.
    :raises DestinationError, PermissionDenied: when the directory cannot be
        read.
    """
    whole = os.path.isdir(path)
    directory, name = (path, '') if whole else os.path.split(path)
    prefix = None if whole else temporary_prefix(name)
    try:
        names = sorted(os.listdir(directory))
        handle = os.open(directory, _DIRECTORY)
    except OSError as error:
        raise exception.from_os_error(
            error, 'destination', destination=location
        ) from error
    try:
        for one in names:
            if not _NAME.match(one) or prefix not in (None, one[:-_DIGITS]):
                continue
            if found := _look(handle, directory, one, older_than):
                yield found
    finally:
        os.close(handle)


def remove(leftover: Leftover) -> bool:
    """Remove a leftover, unless somebody holds it; return whether it is gone.

    :raises DestinationError, PermissionDenied:
    """
    directory, name = os.path.split(leftover.name)
    try:
        handle = os.open(directory, _DIRECTORY)
        try:
            return _remove(handle, name, leftover)
        finally:
            os.close(handle)
    except OSError as error:
        raise exception.from_os_error(error, 'destination') from error


def _look(
    handle: int, directory: str, name: str, older_than: float
) -> Leftover | None:
    try:
        found = os.stat(name, dir_fd=handle, follow_symlinks=False)
        changed = max(found.st_mtime, found.st_ctime)
        if not stat.S_ISREG(found.st_mode) or time.time() - changed < (
            older_than
        ):
            return None
        fd = os.open(name, _OPEN, dir_fd=handle)
    except PermissionError:
        pass  # whoever removes it will be told
    except OSError:
        return None
    else:
        with contextlib.closing(os.fdopen(fd, 'rb+', 0)):
            if _held(fd):
                return None
    key = found.st_dev, found.st_ino
    return Leftover(os.path.join(directory, name), found.st_size, changed, key)


def _remove(handle: int, name: str, leftover: Leftover) -> bool:
    try:
        fd = os.open(name, _OPEN, dir_fd=handle)
    except FileNotFoundError:
        return True
    with contextlib.closing(os.fdopen(fd, 'rb+', 0)):
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) != leftover.key or _held(fd):
            return False
        # The lock is ours now, so nobody can begin to use it.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=handle)
    return True


def _held(fileno: int) -> bool:
    """Tell whether somebody else has the file open; takes its lock."""
    try:
        fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # this filesystem has no locks
    try:
        # Who opens it meanwhile breaks the lease, which a signal tells us:
        # SIGIO would kill, SIGURG is ignored unless somebody asks for it.
        fcntl.fcntl(fileno, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fileno, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(fileno, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
