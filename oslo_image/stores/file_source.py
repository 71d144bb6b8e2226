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

"""A source over an open file or block device, with its holes."""

from __future__ import annotations

import errno
import os
import stat as stat_module
from collections.abc import Iterator
from typing import Any, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores import facets
from oslo_image.stores.source import Extent, F, Source

#: O_NONBLOCK: opening a FIFO must not wait for its other end.
OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def own(location: Location, fileno: int) -> FileSource:
    """Return the source of a descriptor, which is closed if it is none."""
    try:
        return FileSource(location, fileno)
    except BaseException:
        os.close(fileno)
        raise


class FileSource(Source):
    """One open file, pinned by its descriptor, size and mtime.

    :param fileno: a descriptor that becomes the source's own.
    """

    def __init__(self, location: Location, fileno: int) -> None:
        super().__init__(location)
        found = os.fstat(fileno)
        if stat_module.S_ISBLK(found.st_mode):
            self._kind: Any = 'block'
            self.size: int = os.lseek(fileno, 0, os.SEEK_END)
        elif stat_module.S_ISREG(found.st_mode):
            self._kind = 'regular'
            self.size = found.st_size
            if not self.size:
                self._check_empty(fileno)
        else:
            kind = stat_module.filemode(found.st_mode)[0]
            what = {'d': 'a directory', 'p': 'a FIFO', 'c': 'a device'}
            raise exception.InvalidSource(
                f'it is {what.get(kind, "not a file")}, not an image',
                source=location,
            )
        self._fd = fileno
        self._found = found
        self.version = f'mtime {found.st_mtime_ns} of {self.size} bytes'
        self.realm = f'device {found.st_dev}'

    def _check_empty(self, fileno: int) -> None:
        """Raise for a file that only claims to be empty, as in /proc."""
        try:
            content = os.pread(fileno, 1, 0)
        except OSError as error:
            raise exception.from_os_error(
                error, 'source', source=self.location
            ) from error
        if content:
            raise exception.InvalidSource(
                'it has content but no size, as files of the kernel have',
                source=self.location,
            )

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Yield data and holes by SEEK_DATA and SEEK_HOLE (lseek(2))."""
        at, end = start, start + length
        while at < end:
            data = self._seek(at, os.SEEK_DATA, end)
            if data > at:
                yield Extent(at, data - at, zero=True)
            if data >= end:
                return
            at = self._seek(data, os.SEEK_HOLE, end)
            yield Extent(data, at - data, zero=False)

    def _seek(self, at: int, whence: int, end: int) -> int:
        try:
            return min(os.lseek(self._fd, at, whence), end)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return end
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
                return at if whence == os.SEEK_DATA else end
            raise exception.from_os_error(
                error, 'source', source=self.location, offset=at
            ) from error

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the buffer by preadv(2).

        :raises SourceChanged: when the file ends before its pinned size.
        """
        done = 0
        wanted = min(len(buffer), max(0, self.size - offset))
        while done < wanted:
            try:
                count = os.preadv(
                    self._fd, [buffer[done:wanted]], offset + done
                )
            except OSError as error:
                raise exception.from_os_error(
                    error,
                    'source',
                    source=self.location,
                    offset=offset + done,
                ) from error
            if not count:
                raise exception.SourceChanged(
                    f'the file shrank below its {self.size} bytes',
                    side='source',
                    source=self.location,
                    offset=offset + done,
                )
            done += count
        return done

    def facet(self, kind: type[F]) -> F | None:
        """Return the descriptor."""
        if kind is facets.FileDescriptor:
            found = self._found
            # Several nodes may stand for one device.
            block = self._kind == 'block'
            descriptor = facets.FileDescriptor(
                self._kind,
                found.st_rdev if block else found.st_dev,
                0 if block else found.st_ino,
                0,
                self.size,
                False,
                self._fileno,
            )
            return cast('F', descriptor)
        return None

    def _fileno(self) -> int:
        return self._fd

    def check_unchanged(self) -> None:
        """Compare size and mtime with those at opening."""
        if self._kind == 'block':
            return
        now = os.fstat(self._fd)
        if (now.st_size, now.st_mtime_ns) != (
            self._found.st_size,
            self._found.st_mtime_ns,
        ):
            raise exception.SourceChanged(
                'the file was written to during the copy',
                side='source',
                source=self.location,
            )

    def close(self) -> None:
        """Close the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
