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

"""Write a new zip or tar archive that holds one image."""

from __future__ import annotations

import os
import posixpath
from typing import Any

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import IfExists
from oslo_image.stores.file_writer import FileWriter
from oslo_image.stores.pyfilesystem import library
from oslo_image.stores.pyfilesystem.writer import PyFilesystemWriter


class ArchiveWriter(PyFilesystemWriter):
    """An archive that appears whole, with the image as its one member.

    pyfilesystem writes an archive once and cannot add to one: what exists is
    not touched, whatever ``if_exists`` says. It collects the member in a
    temporary directory and writes the archive at the end.

    :param archive: the path of the archive in the operating system.
    :param kind: "zip" or "tar".
    """

    def __init__(
        self,
        location: Location,
        archive: str,
        kind: str,
        path: str,
        size: int | None,
        *,
        if_exists: IfExists,
    ) -> None:
        super().__init__(
            location,
            self._create,
            path,
            size,
            if_exists=if_exists,
            owned=True,
        )
        self._kind = kind
        self._archive = os.path.abspath(os.path.expanduser(archive))
        self._sink = _Sink(self._archive)

    def check(self, size: int | None) -> None:
        """Look whether the archive's name is free."""
        if os.path.lexists(self._archive):
            if self._if_exists == 'fail' and self._holds():
                raise self._exists()
            raise exception.InvalidWriter(
                'an archive that exists cannot be changed',
                destination=self.location,
            )
        if self._if_exists == 'in_place':
            raise exception.DestinationError(
                'there is no such archive', destination=self.location
            )
        self._whole().check(None)

    def _holds(self) -> bool:
        fs = library.load()
        read = {'zip': fs.zipfs.ReadZipFS, 'tar': fs.tarfs.ReadTarFS}
        try:
            with self._ask(read[self._kind], self._archive) as archive:
                return bool(self._ask(archive.exists, self._path))
        except exception.ImageError:
            return False

    def begin(self, size: int | None) -> None:
        """Open the temporary directory in which the member is collected."""
        self.check(size)
        self._expected = self.size if size is None else size
        self._done = 0
        self._need_filesystem()
        self._state = 'begun'
        try:
            self._ask(
                self._filesystem.makedirs,
                posixpath.dirname(self._path),
                recreate=True,
            )
            self._file = self._ask(self._filesystem.openbin, self._path, 'w')
        except BaseException:
            self.rollback()
            raise

    def rollback(self) -> exception.DestinationState:
        """Drop what was collected."""
        self._close_file()
        self._sink.writer = None
        self._release()
        self._state = 'new'
        self._position = 0
        return 'untouched'

    def _publish(self) -> None:
        with self._whole() as whole:
            self._sink.writer = whole
            try:
                self._ask(self._filesystem.close)
            finally:
                self._sink.writer = None
            whole.commit()

    def _release(self) -> None:
        filesystem = self._filesystem
        super()._release()
        if filesystem is not None:
            # What failed to close would try it again when it is collected.
            library.load().base.FS.close(filesystem)

    def _whole(self) -> FileWriter:
        return FileWriter(self.location, self._archive, None, replace=False)

    def _create(self) -> library.Filesystem:
        self._sink = _Sink(self._archive)
        fs = library.load()
        make = {'zip': fs.zipfs.WriteZipFS, 'tar': fs.tarfs.TarFS}[self._kind]
        if self._kind == 'zip':
            return make(self._sink)
        return make(self._sink, write=True)


class _Sink:
    """Where the archive is written to, as long as anywhere.

    :param name: the archive's; TarFS takes the compression from it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.writer: FileWriter | None = None
        self._position = 0

    def write(self, data: Any) -> int:
        count = memoryview(data).nbytes
        if self.writer is not None:
            self.writer.write(data)
        self._position += count
        return count

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        pass

    def seekable(self) -> bool:
        return False
