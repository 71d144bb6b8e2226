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

"""Write a file of a pyfilesystem: under a passing name, then its own."""

from __future__ import annotations

import functools
import posixpath
import secrets
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import DescriptorRange, IfExists, Writer
from oslo_image.stores.file_writer import MARKER
from oslo_image.stores.pyfilesystem import library

P = ParamSpec('P')
T = TypeVar('T')


class PyFilesystemWriter(Writer):
    """A file that is streamed to a passing name beside its own.

    ``commit`` moves it to its own name. A MemoryFS does that all at once;
    an FTP server renames, so that with ``if_exists="fail"`` another writer
    in the same instant is not noticed; what other filesystems do, their
    ``move`` says. With ``if_exists="in_place"`` the file must be there, and is
    overwritten from its beginning.

    :param open_filesystem: opens the filesystem, when it is first needed.
    :param owned: whether closing the writer closes the filesystem.
    """

    positioned = False
    location: Location

    def __init__(
        self,
        location: Location,
        open_filesystem: Callable[[], library.Filesystem],
        path: str,
        size: int | None,
        *,
        if_exists: IfExists,
        owned: bool,
    ) -> None:
        super().__init__(location, size)
        self._open = open_filesystem
        self._path = path
        self._if_exists = if_exists
        self._owned = owned
        self._filesystem: library.Filesystem = None
        self._file: Any = None
        #: The name under which the bytes now lie, ours to remove.
        self._passing: str | None = None
        self._expected: int | None = None
        self._done = 0
        self._left: list[str] = []

    def check(self, size: int | None) -> None:
        """Look whether the name is free; opens the filesystem, writes not."""
        self._need_filesystem()
        if self._ask(self._filesystem.getmeta).get('read_only'):
            raise exception.PermissionDenied(
                'the filesystem is read-only', destination=self.location
            )
        found = self._ask(self._info, self._path)
        if found is not None and found.is_dir:
            raise exception.InvalidWriter(
                'it is a directory', destination=self.location
            )
        if found is not None and self._if_exists == 'fail':
            raise self._exists()
        if found is None and self._if_exists == 'in_place':
            raise exception.DestinationError(
                'there is no such file to overwrite',
                destination=self.location,
            )
        directory = posixpath.dirname(self._path)
        if found is None and not self._ask(self._filesystem.isdir, directory):
            raise exception.DestinationError(
                'there is no such directory', destination=self.location
            )

    def begin(self, size: int | None) -> None:
        """Create the file under its passing name.

        :raises: as :meth:`check`.
        """
        self.check(size)
        self._expected = self.size if size is None else size
        self._done = 0
        name = self._path
        if self._if_exists != 'in_place':
            name = self._passing = passing_name(self._path)
        self._state = 'begun'
        try:
            self._file = self._ask(self._filesystem.openbin, name, 'w')
        except BaseException:
            self.rollback()
            raise

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Write the bytes after those that came before.

        :raises SizeMismatch: when they are more than were declared.
        """
        if isinstance(data, DescriptorRange) or offset != self._done:
            raise exception.InvalidWriter(
                'it takes bytes one after the other',
                destination=self.location,
                offset=offset,
            )
        if self._expected is not None and offset + len(data) > self._expected:
            raise exception.SizeMismatch(
                f'{self._expected} bytes were declared and more came',
                destination=self.location,
                offset=offset,
            )
        try:
            while data:
                count = self._ask(self._file.write, data)
                count = len(data) if count is None else count
                data = data[count:]
                self._done += count
        except exception.ImageError as error:
            error.annotate(offset=self._done)
            raise

    def commit(self, size: int | None = None) -> Location:
        """Close the file, count what arrived, give it its name.

        :raises SizeMismatch: when other than the declared bytes came.
        """
        if self._state == 'new':
            self.begin(size)
        try:
            self._check_size(size)
            self._publish()
        except BaseException:
            self.close()
            raise
        self._state = 'committed'
        self._release()
        return self.location

    def rollback(self) -> exception.DestinationState:
        """Remove the file under its passing name."""
        state: exception.DestinationState = 'untouched'
        begun = self._state == 'begun'
        if begun and self._file is not None and self._passing is None:
            state = 'modified'
        self._close_file()
        if self._passing is not None:
            self._remove(self._passing)
        self._state = 'new'
        self._position = 0
        return state

    def _dismiss(self) -> None:
        """Close the filesystem."""
        self._release()

    @property
    def leftovers(self) -> list[str]:
        """The passing names that could not be removed."""
        return self._left

    def _check_size(self, size: int | None) -> None:
        for stated in (size, self._expected):
            if stated is not None and stated != self._done:
                raise exception.SizeMismatch(
                    f'{stated} bytes were declared and {self._done} came',
                    destination=self.location,
                )
        file, self._file = self._file, None
        # A server's last word on the upload comes with the closing.
        self._ask(file.close)
        name = self._passing or self._path
        arrived = self._arrived(name)
        if not self._done and arrived != 0:
            # FTPFS sends nothing at all when there is nothing to send.
            self._ask(self._filesystem.create, name, wipe=True)
            arrived = self._arrived(name)
        if arrived != self._done:
            raise exception.SizeMismatch(
                f'{self._done} bytes were written and {arrived or 0} arrived',
                destination=self.location,
            )

    def _arrived(self, name: str) -> int | None:
        info = self._ask(self._info, name)
        if info is None:
            return None
        size = info.raw.get('details', {}).get('size')
        return self._done if size is None else int(size)

    def _publish(self) -> None:
        if self._passing is None:
            return
        replace = self._if_exists == 'replace'
        try:
            self._move(self._passing, self._path, replace)
        except exception.DestinationExists:
            raise self._exists() from None
        self._passing = None

    def _move(self, old: str, new: str, replace: bool) -> None:
        inside, old_inside = library.innermost(self._filesystem, old)
        if not isinstance(inside, library.load().ftpfs.FTPFS):
            self._ask(self._filesystem.move, old, new, overwrite=replace)
            return
        # FTPFS would download the file and upload it again.
        _, new_inside = library.innermost(self._filesystem, new)
        if not replace and self._ask(inside.exists, new_inside):
            raise self._exists()
        with inside.lock():
            self._ask(inside.ftp.rename, old_inside, new_inside)

    def _remove(self, name: str) -> None:
        remove = functools.partial(self._filesystem.remove, name)
        if not library.quietly(remove) and self._lies(name):
            self._left.append(name)
        self._passing = None

    def _lies(self, name: str) -> bool:
        try:
            return bool(self._ask(self._filesystem.exists, name))
        except exception.ImageError:
            return True

    def _info(self, path: str) -> Any:
        """Return the file's Info, or None when there is no such file."""
        try:
            return self._filesystem.getinfo(path, namespaces=['details'])
        except library.load().errors.ResourceNotFound:
            return None

    def _need_filesystem(self) -> None:
        if self._filesystem is None:
            self._filesystem = self._ask(self._open)

    def _close_file(self) -> None:
        if self._file is not None:
            library.close_file(self._file)
        self._file = None

    def _release(self) -> None:
        if self._owned and self._filesystem is not None:
            library.close_filesystem(self._filesystem)
            self._filesystem = None

    def _ask(
        self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return library.ask('destination', self.location, call, *args, **kwargs)

    def _exists(self) -> exception.DestinationExists:
        return exception.DestinationExists(
            'the file exists already', destination=self.location
        )


def passing_name(path: str) -> str:
    """Return a name beside the path, which tells whose it is."""
    directory, name = posixpath.split(path)
    # At most 255 bytes to a name, so the final one may be cut.
    stem = name.encode()[:200].decode(errors='ignore')
    return posixpath.join(
        directory, f'.{stem}{MARKER}{secrets.token_hex(8)}.part'
    )
