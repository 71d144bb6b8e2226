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


"""The embedded catalogue: one sqlite file, for any number of processes.

Its journal is the rollback journal, not the write-ahead log: the file is all
there is between two transactions, it can be read from a directory that cannot
be written to, and the next one to open it takes back what a killed process
left half-way. Every transaction has a connection of its own, so that threads
and forked processes share none.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from oslo_image import exception
from oslo_image.catalog import codec, options, schema
from oslo_image.catalog.embedded import EmbeddedDriver
from oslo_image.catalog.memory import MemoryDriver
from oslo_image.image import Image

if TYPE_CHECKING:
    import sqlite3

    from oslo_image.catalog.embedded import Table

#: Seconds to wait for another process's transaction.
_PATIENCE: Final = 30.0
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND: Final = datetime.timedelta(microseconds=1)


class SqliteDriver(EmbeddedDriver):
    """Keeps the records in the file ``catalog_database``.

    The file and its directory are made by the first write, for the owner
    alone: locations may hold secrets. Where there is no file, there are no
    images.
    """

    @property
    def path(self) -> str:
        """The file's path."""
        return options.database(self.options)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Table]:
        path = self.path
        with _mapped(path):
            try:
                size = os.stat(path).st_size
            except FileNotFoundError:
                size = 0
            if not size:
                with MemoryDriver()._reading() as nothing:
                    yield nothing
                return
            with _connected(path) as connection:
                if schema.version(connection) < len(schema.MIGRATIONS):
                    schema.migrate(connection)
                with _transaction(connection, 'BEGIN'):
                    yield _Images(connection)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Table]:
        path = self.path
        with _mapped(path):
            make_private(os.path.dirname(path))
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with _connected(path) as connection:
                if schema.version(connection) < len(schema.MIGRATIONS):
                    schema.migrate(connection)
                with _transaction(connection, 'BEGIN IMMEDIATE'):
                    yield _Images(connection)


class _Images:
    """The table within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, image_id: str) -> Image | None:
        row = self._connection.execute(
            'SELECT record FROM images WHERE id = ?', (image_id,)
        ).fetchone()
        return None if row is None else codec.decode(row[0])

    def newest_first(self, after: Image | None) -> Iterator[Image]:
        condition = ''
        values: tuple[object, ...] = ()
        if after is not None:
            condition = 'WHERE (created_at, id) < (?, ?)'
            values = (_age(after), after.id)
        for (record,) in self._connection.execute(
            f'SELECT record FROM images {condition} '  # noqa: S608 - constant
            'ORDER BY created_at DESC, id DESC',
            values,
        ):
            yield codec.decode(record)

    def put(self, image: Image) -> None:
        self._connection.execute(
            'REPLACE INTO images (id, created_at, record) VALUES (?, ?, ?)',
            (image.id, _age(image), codec.encode(image)),
        )

    def drop(self, image_id: str) -> None:
        self._connection.execute(
            'DELETE FROM images WHERE id = ?', (image_id,)
        )


def make_private(directory: str) -> None:
    """Make a directory, and those above it, for their owner alone."""
    if not os.path.isdir(directory):
        make_private(os.path.dirname(directory))
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)


def _age(image: Image) -> int:
    return ((image.created_at or _EPOCH) - _EPOCH) // _MICROSECOND


@contextlib.contextmanager
def _connected(path: str) -> Iterator[sqlite3.Connection]:
    import sqlite3

    # mode=rw makes no file; a read-only one is opened for reading.
    connection = sqlite3.connect(
        f'file:{urllib.parse.quote(os.fsencode(path))}?mode=rw',
        uri=True,
        timeout=_PATIENCE,
        isolation_level=None,
    )
    try:
        # Whatever the library was built with; EXTRA syncs the directory too.
        connection.execute('PRAGMA synchronous = EXTRA')
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute('COMMIT')
    except BaseException:
        connection.rollback()
        raise


@contextlib.contextmanager
def _mapped(path: str) -> Iterator[None]:
    """Map what sqlite and the kernel say to our errors."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        raise _our_error(error, path) from error
    except exception.CatalogError as error:
        raise type(error)(f'{error.message} [{path}]') from error.__cause__
    except OSError as error:
        kind = {
            errno.EACCES: exception.PermissionDenied,
            errno.EPERM: exception.PermissionDenied,
            errno.EROFS: exception.PermissionDenied,
            errno.ENOSPC: exception.NoSpace,
            errno.EDQUOT: exception.NoSpace,
        }.get(error.errno or 0, exception.CatalogError)
        raise kind(
            f'the catalogue {path}: {error.strerror}', errno=error.errno
        ) from error


def _our_error(error: sqlite3.Error, path: str) -> exception.ImageError:
    import sqlite3

    # The low byte is the kind, what is above it the detail.
    code = getattr(error, 'sqlite_errorcode', sqlite3.SQLITE_ERROR) & 0xFF
    kind: type[exception.ImageError] = exception.CatalogError
    text = str(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        kind = exception.CatalogUnavailable
        text = 'another process is writing to it, and does not end'
    elif code == sqlite3.SQLITE_FULL:
        kind = exception.NoSpace
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        kind = exception.PermissionDenied
    elif code == sqlite3.SQLITE_CANTOPEN:
        directory = os.path.dirname(path)
        if not os.access(directory, os.W_OK, effective_ids=True):
            kind = exception.PermissionDenied
            text = 'its directory cannot be written to'
    elif code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        text = f'it is damaged, or not a catalogue at all ({text})'
    return kind(f'the catalogue {path}: {text}')
