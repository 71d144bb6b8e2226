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

"""A new file that appears whole, under its name, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores import kernel, leftovers
from oslo_image.stores.base import DescriptorRange, MiB
from oslo_image.stores.descriptor import Description, DescriptorWriter
from oslo_image.stores.existing import set_length, sync

#: Stands in the name of every temporary file, so that leftovers are known.
MARKER = '.oslo-image-'
#: What goes to the disk at once while more is to come: of one file, smaller
#: pieces would lie scattered.
_STRETCH = 8 * MiB
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CLOEXEC
#: What open(2) answers to O_TMPFILE where the filesystem has it not.
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)
#: What link(2) answers where the filesystem has no hard links, as vfat.
_NO_LINK = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def temporary_prefix(name: str) -> str:
    """Return how the temporary names of a file begin; 16 hex digits follow.

    A name has at most 255 bytes, so the final one may be cut.
    """
    return f'.{os.fsdecode(os.fsencode(name)[:200])}{MARKER}'


class FileWriter(DescriptorWriter):
    """A file that gets its name only when it is complete and on disk.

    Until then it has no name at all (O_TMPFILE), so that not even SIGKILL
    leaves anything; where the filesystem has no such files, a temporary name
    stands beside the final one, and says by a lock (flock(2)) that somebody is
    at work there. Names are followed by no symbolic link.

    :param path: the final path, absolute.
    :param replace: whether a file of that name may be replaced; its
        permissions are kept.
    :param permissions: of the new file; 0 leaves them to the umask.
    """

    fresh_zero_from = 0

    def __init__(
        self,
        location: Location,
        path: str,
        size: int | None,
        *,
        replace: bool,
        permissions: int = 0,
    ) -> None:
        super().__init__(location, size)
        self._directory, self._name = os.path.split(path)
        self._replace = replace
        self._permissions = permissions
        self._directory_fd = -1
        self._temporary: str | None = None
        self._published = False
        self._left: list[str] = []

    def check(self, size: int | None) -> None:
        """Look whether the name is free and the directory writable."""
        path = os.path.join(self._directory, self._name)
        with self._mapped(), contextlib.suppress(FileNotFoundError):
            found = os.lstat(path)
            if not self._replace:
                raise self._exists()
            if not (
                stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)
            ):
                raise exception.InvalidWriter(
                    'it is no file to be replaced; a device is written with '
                    'if_exists="in_place"',
                    destination=self.location,
                    side='destination',
                )
        if not os.path.isdir(self._directory):
            raise exception.DestinationError(
                'there is no such directory',
                destination=self.location,
                side='destination',
                errno=errno.ENOENT,
            )
        if not os.access(self._directory, os.W_OK | os.X_OK):
            raise exception.PermissionDenied(
                'the directory cannot be written to',
                destination=self.location,
                side='destination',
                errno=errno.EACCES,
            )

    def begin(self, size: int | None) -> None:
        """Open the nameless file."""
        self.check(size)
        with self._mapped():
            self._directory_fd = os.open(self._directory, _DIRECTORY)
            try:
                self._fd = self._open()
                if (mode := self._mode()) is not None:
                    os.fchmod(self._fd, mode)
            except BaseException:
                self.rollback()
                raise
        self._state = 'begun'

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Write the bytes, and begin to bring whole stretches to the disk.

        Else all of it would wait for the sync at the end, when nothing is
        received any more.
        """
        super().put(offset, data)
        length = (
            data.length if isinstance(data, DescriptorRange) else len(data)
        )
        first = offset // _STRETCH * _STRETCH
        end = (offset + length) // _STRETCH * _STRETCH
        if first < end:
            kernel.write_out(self._fd, first, end - first)

    def commit(self, size: int | None = None) -> Location | None:
        """Sync the file, give it its name, sync the directory.

        :raises SizeMismatch: when the declared size was another.
        """
        if self._state == 'new':
            self.begin(size)
        try:
            size = self._settled(size)
            with self._mapped():
                set_length(self._fd, size)
                sync(self._fd)
                self._publish()
                self._published = True
                sync(self._directory_fd)
        except BaseException:
            self.close()
            raise
        self._release()
        self._state = 'committed'
        return self.location

    def rollback(self) -> exception.DestinationState:
        """Let go of the file, which has its name only after a commit.

        A commit that failed at its last step, syncing the directory, leaves
        the complete image; only that the name survives a crash is not sure.
        """
        if self._temporary is not None:
            self._remove(self._temporary)
        self._release()
        self._restart()
        return 'modified' if self._published else 'untouched'

    @property
    def leftovers(self) -> list[str]:
        """The temporary names that could not be removed."""
        return self._left

    def _open(self) -> int:
        here = self._directory_fd
        try:
            fd = os.open('.', _NEW | os.O_TMPFILE, 0o666, dir_fd=here)
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
        else:
            leftovers.hold(fd)
            if self._replace:
                leftovers.sweep(here, self._prefix)
            return fd
        leftovers.sweep(here, self._prefix)
        while True:
            # Known beforehand: a Ctrl-C may come between call and answer.
            self._temporary = self._temporary_name()
            fd = os.open(
                self._temporary,
                _NEW | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW,
                0o666,
                dir_fd=here,
            )
            if leftovers.hold(fd):
                return fd
            os.close(fd)

    @property
    def _prefix(self) -> str:
        return temporary_prefix(self._name)

    def _temporary_name(self) -> str:
        return self._prefix + secrets.token_hex(8)

    def _mode(self) -> int | None:
        """The permissions of the file replaced, else those configured."""
        if self._replace:
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(
                    self._name,
                    dir_fd=self._directory_fd,
                    follow_symlinks=False,
                )
                if stat.S_ISREG(found.st_mode):
                    return stat.S_IMODE(found.st_mode)
        return self._permissions or None

    def _publish(self) -> None:
        here = self._directory_fd
        if not self._replace:
            try:
                self._link(self._name)
            except OSError as error:
                if self._temporary is None or error.errno not in _NO_LINK:
                    raise
                kernel.rename_new(here, self._temporary, self._name)
            if self._temporary is not None:
                self._remove(self._temporary)
            return
        if self._temporary is None:
            name = self._temporary_name()
            try:
                self._link(name)
            finally:
                self._temporary = name
        os.replace(
            self._temporary, self._name, src_dir_fd=here, dst_dir_fd=here
        )
        self._temporary = None

    def _link(self, name: str) -> None:
        """Name the file; EEXIST when the name is taken (open(2))."""
        here = self._directory_fd
        if self._temporary is not None:
            os.link(self._temporary, name, src_dir_fd=here, dst_dir_fd=here)
        else:
            # src_dir_fd makes Python call linkat(2), with AT_SYMLINK_FOLLOW.
            os.link(
                f'/proc/self/fd/{self._fd}',
                name,
                src_dir_fd=here,
                dst_dir_fd=here,
            )

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._directory_fd)
        except FileNotFoundError:
            pass
        except OSError:
            self._left.append(os.path.join(self._directory, name))
        self._temporary = None

    def _release(self) -> None:
        for fd in (self._fd, self._directory_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._directory_fd = -1

    def _describe(self) -> Description:
        if self._fd >= 0:
            return super()._describe()
        try:
            device = os.stat(self._directory).st_dev
        except OSError:
            device = -1
        return 'regular', device, None, 0, 0, False

    def _exists(self) -> exception.DestinationExists:
        return exception.DestinationExists(
            'the file exists already',
            destination=self.location,
            side='destination',
            errno=errno.EEXIST,
        )

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise self._exists() from error
        except OSError as error:
            raise exception.from_os_error(
                error, 'destination', destination=self.location
            ) from error
