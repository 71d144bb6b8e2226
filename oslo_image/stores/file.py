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

"""The file store: images as files, and block devices.

URIs are ``file://<path>`` and ``filesystem://<path>``, the path absolute and
%-quoted as in glance_store.
"""

from __future__ import annotations

import errno
import os
import stat
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from oslo_image import exception, masking
from oslo_image.image import Location
from oslo_image.stores import file_leftovers, file_source
from oslo_image.stores.base import IfExists, Leftover, Store
from oslo_image.stores.file_source import FileSource
from oslo_image.stores.file_writer import FileWriter
from oslo_image.stores.in_place import InPlaceWriter

if TYPE_CHECKING:
    from oslo_config import cfg


def uri_for(path: str | os.PathLike[str]) -> str:
    """Return the ``file://`` URI of a path."""
    return 'file://' + urllib.parse.quote(os.fsencode(os.path.abspath(path)))


def path_of(location: Location) -> str:
    """Return the path that a location names.

    Glance writes paths without quotes, so a ``%`` that starts no escape
    stands for itself.
    """
    return urllib.parse.unquote(
        location.reveal().partition('://')[2], errors='surrogateescape'
    )


class FileStore(Store):
    """Files below any directory; untrusted locations only below its own."""

    schemes = ('file', 'filesystem')

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return glance_store's options for files, and their directories."""
        from oslo_config import cfg

        return [
            cfg.StrOpt(
                'filesystem_store_datadir',
                default='/var/lib/glance/images',
                help='Directory in which images lie. A file:// location that '
                'comes from a catalogue or an image is read only below it.',
            ),
            cfg.MultiStrOpt(
                'filesystem_store_datadirs',
                help='More such directories, each "path" or "path:priority".',
            ),
            cfg.IntOpt(
                'filesystem_store_file_perm',
                default=0,
                min=0,
                max=0o7777,
                help='Permission bits of the files that are written, as a '
                'decimal number (416 is rw-r-----); 0 leaves it to the umask.',
            ),
        ]

    def parse(self, uri: str) -> Location:
        """Check a ``file://`` URI: an absolute path, no host, no NUL."""
        location = Location(uri)
        path = path_of(location)
        if not path.startswith('/'):
            reason = 'the path must be absolute (file:///path)'
        elif '\0' in path:
            reason = 'the path holds a NUL'
        elif path.endswith('/'):
            reason = 'the path names a directory'
        else:
            return location
        shown = masking.mask_uri(uri)
        raise exception.InvalidLocation(f'malformed URI {shown!r}: {reason}')

    def affinity(self, location: Location) -> int:
        """Return 1 for what lies below one of the directories, by its name."""
        path = os.path.realpath(path_of(location))
        return int(_below(path, self._directories()))

    def open_source(
        self, location: Location, *, auth: Any = None
    ) -> FileSource:
        """Open a regular file or a block device, pinned by its descriptor.

        :raises LocationDenied: for an untrusted location whose opened file
            lies outside the configured directories.
        :raises InvalidSource: for a directory, FIFO, socket or other device.
        """
        try:
            fd = self._open(location)
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise exception.InvalidSource(
                    'it is a socket or has no device', source=location
                ) from error
            raise exception.from_os_error(
                error, 'source', source=location
            ) from error
        return file_source.own(location, fd)

    def _open(self, location: Location) -> int:
        path = path_of(location)
        if location.trusted:
            return os.open(path, file_source.OPEN)
        # To open a device or a FIFO may do something already: look first.
        found = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            self._confine(found, location)
            return os.open(f'/proc/self/fd/{found}', file_source.OPEN)
        finally:
            os.close(found)

    def delete(self, location: Location, *, auth: Any = None) -> None:
        """Delete the file, or the link; a directory or device is not one."""
        if not location.trusted:
            self.open_source(location).close()
        path = path_of(location)
        try:
            mode = os.lstat(path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise exception.InvalidSource(
                    'it is not a file', source=location
                )
            os.unlink(path)
        except OSError as error:
            raise exception.from_os_error(
                error, 'source', source=location
            ) from error

    def open_writer(
        self,
        location: Location,
        *,
        size: int | None = None,
        if_exists: IfExists = 'fail',
        auth: Any = None,
        **options: Any,
    ) -> FileWriter | InPlaceWriter:
        """Return a writer for a file, or in place for a block device."""
        for option in options:
            raise exception.InvalidOption(
                f'a file has no option {option!r}', destination=location
            )
        path = path_of(location)
        if if_exists == 'in_place':
            return InPlaceWriter(location, path, size)
        return FileWriter(
            location,
            path,
            size,
            replace=if_exists == 'replace',
            permissions=self.options.filesystem_store_file_perm,
        )

    def leftovers(
        self, location: Location, *, older_than: float, auth: Any = None
    ) -> Iterator[Leftover]:
        """Yield temporary files beside a destination, or in a directory."""
        return file_leftovers.find(location, path_of(location), older_than)

    def remove_leftover(self, leftover: Leftover, *, auth: Any = None) -> bool:
        """Remove a temporary file that nobody holds."""
        return file_leftovers.remove(leftover)

    def _directories(self) -> list[str]:
        named = [self.options.filesystem_store_datadir or '']
        for entry in self.options.filesystem_store_datadirs or ():
            path, colon, priority = entry.rpartition(':')
            named.append(path if colon and priority.isdigit() else entry)
        return [os.path.realpath(one) for one in named if os.path.isabs(one)]

    def _confine(self, fd: int, location: Location) -> None:
        """Check the file that was found, not the name that led to it."""
        real = os.readlink(f'/proc/self/fd/{fd}')
        if not _below(real, self._directories()):
            raise exception.LocationDenied(
                'a file:// location from a catalogue is read only below '
                'filesystem_store_datadir',
                source=location,
            )


def _below(path: str, directories: Sequence[str]) -> bool:
    return os.path.isabs(path) and any(
        os.path.commonpath((path, one)) == one for one in directories
    )
