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

"""Make a writer of whatever the caller hands over."""

from __future__ import annotations

import fcntl
import io
import os
from typing import Any

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.move.anywriter import AnyWriter
from oslo_image.stores.base import Writer
from oslo_image.stores.existing import ExistingWriter
from oslo_image.stores.file import uri_for
from oslo_image.stores.registry import plugins

#: What hands write() down to the descriptor, and no more.
_PLAIN = (io.FileIO, io.BufferedWriter, io.BufferedRandom)


def adapt(writer: Any) -> Writer:
    """Return a :class:`~oslo_image.stores.base.Writer` for an object.

    A store's writer is one already, and a store may know the object (an open
    ``rbd.Image``, os-brick's wrapper of one). A file's descriptor is used
    directly when the object adds nothing to it; any other object gets
    ``write()`` calls.

    :raises InvalidWriter: when the object takes no bytes.
    """
    if isinstance(writer, Writer):
        if not writer.fresh:
            raise exception.InvalidWriter(
                'the writer was used already', destination=writer.location
            )
        return writer
    for store in plugins()[0].values():
        if (adopted := store.adopt(writer)) is not None:
            return adopted
    if isinstance(writer, type) or not callable(
        getattr(writer, 'write', None)
    ):
        raise exception.InvalidWriter(
            f'a {type(writer).__name__} has no write()'
        )
    if getattr(writer, 'closed', False) is True:
        raise exception.InvalidWriter('the writer is closed')
    if isinstance(writer, io.TextIOBase) or hasattr(writer, 'encoding'):
        raise exception.InvalidWriter(
            'the writer takes text; open it in binary mode'
        )
    writable = getattr(writer, 'writable', None)
    if callable(writable) and not writable():
        raise exception.InvalidWriter('the writer is open for reading only')
    return OpenFile(writer) if _adds_nothing(writer) else AnyWriter(writer)


def _adds_nothing(writer: Any) -> bool:
    """Tell whether write() does no more than write(2) to a descriptor.

    A class with a write() of its own (gzip, a hashing wrapper, os-brick's)
    must see the bytes, although it may have a fileno(). Python's own file
    objects, and proxies that forward every attribute to one (tempfile's,
    eventlet's tpool.Proxy), need not: what is below them is an io.FileIO,
    which is not so for a socket's makefile(), TLS and all.
    """
    raw = getattr(writer, 'raw', writer)
    if _has_own_write(writer) or _has_own_write(raw):
        return False
    if not isinstance(raw, io.FileIO) and not hasattr(raw, 'closefd'):
        return False
    try:
        return isinstance(writer.fileno(), int)
    except (OSError, AttributeError):
        return False


def _has_own_write(file: Any) -> bool:
    """Tell whether write() is another than that of Python's own files.

    It may stand in the object itself, as tqdm's wrapattr() sets it; tempfile
    keeps there what it forwards.
    """
    if 'write' in getattr(file, '__dict__', {}):
        return type(file).__module__ != 'tempfile'
    for owner in type(file).__mro__:
        if 'write' in vars(owner):
            return owner not in _PLAIN
    return False


class OpenFile(ExistingWriter):
    """A caller's open file, device or pipe.

    The image lands at the file's position, which ends behind it; after a
    failure both the position and, where the file only grew, its length are
    as they were. It is flushed first, and never closed or synced.

    :param file: an object whose ``write`` adds nothing to its descriptor.
    """

    def __init__(self, file: Any) -> None:
        super().__init__(_location(file))
        self._file = file
        self._fd = file.fileno()
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        if flags & os.O_DIRECT:
            raise exception.InvalidWriter(
                'the file is open with O_DIRECT, which takes whole blocks '
                'only; open it without',
                destination=self.location,
                side='destination',
            )
        self._append = bool(flags & os.O_APPEND)
        self._look()

    def __str__(self) -> str:
        return str(self.location or 'an open file')

    def _look(self) -> None:
        self._adopt(self._fd)
        if self._kind == 'stream' or not self._file.seekable():
            self._kind = 'stream'
        elif self._append:
            self._start = self._length
        else:
            self._start = self._file.tell()
        if self._kind == 'regular':
            self.fresh_zero_from = max(0, self._length - self._start)
        self.positioned = not self._sequential

    def begin(self, size: int | None) -> None:
        """Flush what the caller wrote before, and look again."""
        with _mapped():
            self._file.flush()
            self._look()
        super().begin(size)

    def commit(self, size: int | None = None) -> Location | None:
        """Leave the position behind the image."""
        with _mapped():
            self._finish(size or 0)
            if self._append:
                self._file.seek(0, os.SEEK_END)
            elif self._kind != 'stream':
                self._file.seek(self._start + (size or 0))
        self._state = 'committed'
        return self.location

    def rollback(self) -> exception.DestinationState:
        """Restore length and position where that is possible."""
        state = self._restore()
        if self._kind != 'stream' and self._state == 'begun':
            try:
                self._file.seek(self._start)
            except (OSError, ValueError):
                state = 'modified'
        self._state = 'new'
        return state


class _mapped:
    """Map an OSError of the caller's object to ours."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, OSError):
            raise exception.from_os_error(error, 'destination') from error


def _location(file: Any) -> Location | None:
    """Return where an open file has its name, if it has one."""
    name = getattr(file, 'name', None)
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    return Location(uri_for(os.fsdecode(name)), trusted=True)
