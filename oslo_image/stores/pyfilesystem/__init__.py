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

"""The pyfilesystem store: any ``fs`` URL as ``<fs-url>!/<path>``.

::

    ftp://user:password@host/dir!/image.raw
    zip:///srv/images.zip!/disks/image.raw
    osfs:///srv/images!/image.raw

Credentials stand in the URL as pyfilesystem wants them (%-quoted; a ``!`` is
``%21``). The path is taken as it stands, without quotes.

A filesystem object that is open already is handed over as ``auth``; what
stands before ``!/`` is then only a name, and it stays open::

    memory = fs.memoryfs.MemoryFS()
    with stores.open_writer('fs://memory!/image.raw', auth=memory) as writer:
        writer.write(b'...')
        writer.commit()

``mem://`` and ``temp://`` make a new and empty filesystem at every opening, so
that writing to one needs the object.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from typing import Any

from oslo_image import exception, masking
from oslo_image.image import Location
from oslo_image.stores import file_leftovers, file_source
from oslo_image.stores.base import IfExists, Leftover, Source, Store, Writer
from oslo_image.stores.file_source import FileSource
from oslo_image.stores.file_writer import FileWriter
from oslo_image.stores.in_place import InPlaceWriter
from oslo_image.stores.pyfilesystem import library
from oslo_image.stores.pyfilesystem.archive import ArchiveWriter
from oslo_image.stores.pyfilesystem.source import (
    PyFilesystemSource,
    look,
)
from oslo_image.stores.pyfilesystem.writer import PyFilesystemWriter

__all__ = ['PyFilesystemStore']


class PyFilesystemStore(Store):
    """Files of whatever the library fs can open, plugins included.

    Read from there and from everywhere: FTP servers, archives, memory. A
    directory of the operating system is served as by the file store, clones
    and all. Only what the caller names is opened: a catalogue's URL is
    denied, for it might name any file of this machine.
    """

    schemes = ('fs', 'mem', 'osfs', 'ftp', 'ftps', 'zip', 'tar', 'temp')
    libraries = {'fs': 'pyfilesystem'}

    def parse(self, uri: str) -> Location:
        """Check that the URI has a filesystem, ``!/`` and a path."""
        url, separator, path = uri.partition('!/')
        pieces = path.split('/')
        if not separator:
            reason = 'it wants a filesystem, "!/" and a path'
        elif not re.match(r'[A-Za-z][\w+.-]*://', url):
            reason = 'it has no scheme'
        elif masking.CONTROL.search(uri):
            reason = 'it holds a control character'
        elif '!' in url:
            reason = 'a "!" before the path is written %21'
        elif not path or '' in pieces:
            reason = 'a piece of the path is empty'
        elif '.' in pieces or '..' in pieces:
            reason = 'the path holds "." or ".."'
        else:
            return Location(uri)
        shown = masking.mask_uri(uri)
        raise exception.InvalidLocation(f'malformed URI {shown!r}: {reason}')

    def open_source(self, location: Location, *, auth: Any = None) -> Source:
        """Open the filesystem and look at the file.

        :param auth: an open ``fs.base.FS`` to read from instead.
        :raises ImageNotFound, InvalidSource, PermissionDenied:
        :raises LocationDenied: when a catalogue named the location.
        :raises SourceUnavailable: when a server cannot be reached.
        :raises MissingDependency: without ``oslo.image[pyfilesystem]``.
        """
        filesystem, path, owned = self._open(location, auth)
        try:
            local = library.local_path(filesystem, path)
            if local is None:
                return PyFilesystemSource(
                    location, filesystem, path, owned=owned
                )
            source = _open_file(location, local)
        except BaseException:
            _close(filesystem, owned)
            raise
        # The descriptor outlives the filesystem.
        _close(filesystem, owned)
        return source

    def delete(self, location: Location, *, auth: Any = None) -> None:
        """Remove the file.

        :raises ImageNotFound: when it is not there.
        :raises InvalidSource: when it is a directory.
        :raises PermissionDenied: when the filesystem is read-only.
        """
        filesystem, path, owned = self._open(location, auth)
        try:
            look(filesystem, path, location)
            library.ask(None, location, filesystem.remove, path)
        finally:
            _close(filesystem, owned)

    def open_writer(
        self,
        location: Location,
        *,
        size: int | None = None,
        if_exists: IfExists = 'fail',
        auth: Any = None,
        **options: Any,
    ) -> Writer:
        """Return a writer for a file of the filesystem.

        :param auth: an open ``fs.base.FS`` to write to instead.
        :raises InvalidOption: there are no further options.
        :raises InvalidWriter: for ``mem://`` and ``temp://``.
        """
        self._allow(location)
        for option in options:
            raise exception.InvalidOption(
                f'pyfilesystem has no option {option!r}',
                destination=location,
            )
        fs = library.load()
        url, _, path = location.reveal().partition('!/')
        if isinstance(auth, fs.base.FS):
            return _writer(location, auth, path, size, if_exists)
        parsed = library.ask('destination', location, fs.opener.parse, url)
        if parsed.protocol in ('mem', 'temp'):
            raise exception.InvalidWriter(
                f'what is written to {parsed.protocol}:// is gone when it is '
                'closed; hand over the filesystem object as auth',
                destination=location,
            )
        if parsed.protocol in ('zip', 'tar'):
            return ArchiveWriter(
                location,
                parsed.resource,
                parsed.protocol,
                path,
                size,
                if_exists=if_exists,
            )
        if parsed.protocol == 'osfs':
            # Opening one looks whether the directory is there, no more.
            with library.ask(
                'destination', location, fs.open_fs, url
            ) as directory:
                return _writer(location, directory, path, size, if_exists)
        return PyFilesystemWriter(
            location,
            functools.partial(fs.open_fs, url, writeable=True),
            path,
            size,
            if_exists=if_exists,
            owned=True,
        )

    def leftovers(
        self, location: Location, *, older_than: float, auth: Any = None
    ) -> Iterator[Leftover]:
        """Yield temporary files in a directory of the operating system.

        Elsewhere nothing tells whether a file is in use, and an FTP server's
        times may be of any time zone.
        """
        if auth is None and location.scheme != 'osfs':
            return iter(())
        filesystem, path, owned = self._open(location, auth)
        try:
            local = library.local_path(filesystem, path)
        finally:
            _close(filesystem, owned)
        if local is None:
            return iter(())
        return file_leftovers.find(location, local, older_than)

    def remove_leftover(self, leftover: Leftover, *, auth: Any = None) -> bool:
        """Remove a temporary file that nobody holds."""
        return file_leftovers.remove(leftover)

    def _open(
        self, location: Location, auth: Any
    ) -> tuple[library.Filesystem, str, bool]:
        """Return filesystem, path, and whether it was opened here."""
        self._allow(location)
        fs = library.load()
        url, _, path = location.reveal().partition('!/')
        if isinstance(auth, fs.base.FS):
            return auth, path, False
        return library.ask('source', location, fs.open_fs, url), path, True

    def _allow(self, location: Location) -> None:
        if not location.trusted:
            raise exception.LocationDenied(
                'a pyfilesystem URL is followed only when the caller names it',
                source=location,
            )


def _open_file(location: Location, path: str) -> FileSource:
    try:
        fileno = os.open(path, file_source.OPEN)
    except OSError as error:
        raise exception.from_os_error(
            error, 'source', source=location
        ) from error
    return file_source.own(location, fileno)


def _writer(
    location: Location,
    filesystem: library.Filesystem,
    path: str,
    size: int | None,
    if_exists: IfExists,
) -> Writer:
    local = library.local_path(filesystem, path)
    if local is None:
        return PyFilesystemWriter(
            location,
            lambda: filesystem,
            path,
            size,
            if_exists=if_exists,
            owned=False,
        )
    if if_exists == 'in_place':
        return InPlaceWriter(location, local, size)
    return FileWriter(location, local, size, replace=if_exists == 'replace')


def _close(filesystem: library.Filesystem, owned: bool) -> None:
    if owned:
        library.close_filesystem(filesystem)
