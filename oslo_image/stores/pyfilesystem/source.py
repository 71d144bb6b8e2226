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

"""Read a file of a pyfilesystem."""

from __future__ import annotations

from typing import Any, NamedTuple

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Reader, Source
from oslo_image.stores.pyfilesystem import library

_DISCARD = 1 << 16


class Found(NamedTuple):
    """What tells a file's version; each is None where it is not told."""

    size: int | None = None
    modified: float | None = None
    checksum: int | None = None

    @property
    def version(self) -> str | None:
        """The version in words; None when nothing tells it."""
        if self.modified is None:
            return None
        version = f'modified {self.modified} of {self.size} bytes'
        if self.checksum is not None:
            version += f', CRC {self.checksum:08x}'
        return version


def look(
    filesystem: library.Filesystem, path: str, location: Location
) -> Found:
    """Return a file's size in bytes, time of change, and CRC in an archive.

    :raises ImageNotFound: when there is no such file.
    :raises InvalidSource: when it is a directory.
    """
    info = library.ask(
        'source',
        location,
        filesystem.getinfo,
        path,
        namespaces=['details', 'zip'],
    )
    if info.is_dir:
        raise exception.InvalidSource(
            'it is a directory, not an image', side='source', source=location
        )
    details = info.raw.get('details', {})
    return Found(
        details.get('size'),
        details.get('modified'),
        info.raw.get('zip', {}).get('CRC'),
    )


class PyFilesystemSource(Source):
    """A file of any pyfilesystem, pinned by what :class:`Found` tells.

    A stream starts at any offset; where the file cannot seek, what comes
    before is read and dropped. Only a MemoryFS is read by several threads at
    once: an archive decompresses from its beginning for every range, and FTP
    makes two connections for each.

    :param filesystem: an open ``fs.base.FS``.
    :param owned: whether closing the source closes the filesystem.
    """

    def __init__(
        self,
        location: Location,
        filesystem: library.Filesystem,
        path: str,
        *,
        owned: bool,
    ) -> None:
        super().__init__(location)
        self._filesystem = filesystem
        self._path = path
        self._owned = owned
        self._found = look(filesystem, path, location)
        self.size = self._found.size
        self.version = self._found.version
        inside, _ = library.innermost(filesystem, path)
        self.ranged = isinstance(inside, library.load().memoryfs.MemoryFS)

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open the file anew, at ``offset``.

        :raises SourceChanged: when it is no longer the pinned version.
        """
        self.check_unchanged()
        end = None if length is None else offset + length
        if self.size is not None:
            end = self.size if end is None else min(end, self.size)
        file = library.ask(
            'source', self.location, self._filesystem.openbin, self._path, 'r'
        )
        reader = _Reader(self.location, file, offset, end)
        try:
            if offset and end != offset:
                reader.skip(offset)
        except BaseException:
            reader.close()
            raise
        return reader

    def check_unchanged(self) -> None:
        """Compare size, time of change and CRC with those at opening."""
        try:
            now = look(self._filesystem, self._path, self.location)
        except (exception.ImageNotFound, exception.InvalidSource):
            now = Found()
        if now != self._found:
            raise exception.SourceChanged(
                'the file is no longer the one that was opened',
                side='source',
                source=self.location,
            )

    def close(self) -> None:
        """Close the filesystem, if it was opened for this source."""
        if self._owned:
            library.close_filesystem(self._filesystem)


class _Reader:
    """One open file, from an offset to an end."""

    def __init__(
        self, location: Location, file: Any, offset: int, end: int | None
    ) -> None:
        self._location = location
        self._file = file
        self._offset = offset
        self._end = end

    def readinto(self, buffer: memoryview) -> int:
        if self._end is not None:
            buffer = buffer[: max(0, self._end - self._offset)]
        if not buffer:
            return 0
        count = self._ask(self._file.readinto, buffer) or 0
        if not count and self._end is not None:
            raise exception.Truncated(
                f'the file ended before its {self._end} bytes',
                side='source',
                source=self._location,
                offset=self._offset,
            )
        self._offset += count
        return int(count)

    def skip(self, count: int) -> None:
        """Move the open file ahead by ``count`` bytes."""
        if self._ask(self._file.seekable):
            self._ask(self._file.seek, count)
            return
        while count:
            dropped = len(self._ask(self._file.read, min(count, _DISCARD)))
            if not dropped:
                return
            count -= dropped

    def close(self) -> None:
        library.close_file(self._file)

    def _ask(self, call: Any, *args: Any) -> Any:
        try:
            return library.ask('source', self._location, call, *args)
        except exception.ImageError as error:
            error.annotate(offset=self._offset)
            raise
