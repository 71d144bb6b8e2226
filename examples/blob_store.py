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

"""A store and a fast path of a third party, in one file.

Images lie in an SQLite database, ``blob:///path/to/images.db/<name>``, cut
into rows of a MiB; a row that is not there is a hole. Within one database an
image is copied by one statement, without a byte of it passing through the
process: the strategy ``row_copy`` bridges the facet :class:`Rows` of both
ends.

A distribution publishes the two by its entry points::

    [project.entry-points."oslo.image.stores"]
    blob = "blob_store:BlobStore"

    [project.entry-points."oslo.image.strategies"]
    row_copy = "blob_store:RowCopy"

``tests/unit/test_example.py`` runs the public conformance suite on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import sqlite3
import urllib.parse
from collections.abc import Iterator
from typing import Any, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.move.strategies.base import Cost, Moved, No, Strategy, Yes
from oslo_image.stores.base import (
    ZEROS,
    DescriptorRange,
    Extent,
    F,
    IfExists,
    MiB,
    Source,
    SpanRule,
    Store,
    Writer,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS image
    (id TEXT PRIMARY KEY, name TEXT UNIQUE, size INTEGER);
CREATE TABLE IF NOT EXISTS row
    (image TEXT, number INTEGER, bits BLOB, PRIMARY KEY (image, number));
"""
_BUSY_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Rows:
    """The facet: an image as rows of a database.

    :param image: the image's id; a writer's is that of the image to be.
    """

    database: str
    image: str


class BlobStore(Store):
    """Images in SQLite databases; a database is made by the first writer."""

    schemes = ('blob',)

    def parse(self, uri: str) -> Location:
        """Check that there is a database's path and a name."""
        path = uri.partition('://')[2]
        database, _, name = path.rpartition('/')
        if not database.startswith('/') or not name:
            raise exception.InvalidLocation(
                f'malformed URI {uri!r}: it wants blob:///<database>/<name>'
            )
        return Location(uri)

    def open_source(
        self, location: Location, *, auth: Any = None
    ) -> BlobSource:
        """Pin the image that has the name now."""
        database, name = _split(location)
        if not location.trusted:
            raise exception.LocationDenied('only the caller names a database')
        if not os.path.exists(database):
            raise exception.ImageNotFound('there is no such database')
        with _session(database, 'source') as session:
            found = _find(session, name)
        if found is None:
            raise exception.ImageNotFound('the database has no such image')
        return BlobSource(location, Rows(database, found[0]), found[1])

    def open_writer(
        self,
        location: Location,
        *,
        size: int | None = None,
        if_exists: IfExists = 'fail',
        auth: Any = None,
        **options: Any,
    ) -> BlobWriter:
        """Return a writer of new rows; they get the name on commit."""
        if options or if_exists == 'in_place':
            what = next(iter(options), 'in_place')
            raise exception.InvalidOption(f'a blob knows no {what!r}')
        return BlobWriter(location, size, replace=if_exists == 'replace')

    def delete(self, location: Location, *, auth: Any = None) -> None:
        """Delete the image and its rows."""
        with self.open_source(location) as source:
            with _session(source.rows.database, 'source') as session:
                _forget(session, source.rows.image)


class BlobSource(Source):
    """One image's rows. They never change: a new image gets new ones."""

    def __init__(self, location: Location, rows: Rows, size: int) -> None:
        super().__init__(location)
        self.rows = rows
        self.size = size
        self.version = f'id {rows.image}'
        self.realm = rows.database

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Yield the rows, and the holes where there are none."""
        at, end = start, start + length
        while at < end:
            upto = min(end, (at // MiB + 1) * MiB)
            yield Extent(at, upto - at, self._row(at // MiB) is None)
            at = upto

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read row by row."""
        done = 0
        wanted = min(len(buffer), max(0, (self.size or 0) - offset))
        while done < wanted:
            number, skip = divmod(offset + done, MiB)
            step = min(wanted - done, MiB - skip)
            bits = self._row(number)
            view = ZEROS if bits is None else memoryview(bits)
            buffer[done : done + step] = view[skip : skip + step]
            done += step
        return done

    def check_unchanged(self) -> None:
        """Look whether the image is still there."""
        with _session(self.rows.database, 'source') as session:
            if not session.execute(
                'SELECT 1 FROM image WHERE id = ?', (self.rows.image,)
            ).fetchone():
                raise exception.SourceChanged(
                    'the image was replaced', side='source'
                )

    def facet(self, kind: type[F]) -> F | None:
        """Return the rows."""
        return cast('F', self.rows) if kind is Rows else None

    def _row(self, number: int) -> bytes | None:
        with _session(self.rows.database, 'source') as session:
            found = session.execute(
                'SELECT bits FROM row WHERE image = ? AND number = ?',
                (self.rows.image, number),
            ).fetchone()
        return found[0] if found else None


class BlobWriter(Writer):
    """Rows without a name, until they are committed."""

    spans = SpanRule(smallest=MiB, largest=MiB, alignment=MiB)
    fresh_zero_from = 0

    def __init__(
        self, location: Location, size: int | None, *, replace: bool
    ) -> None:
        super().__init__(location, size)
        self._database, self._name = _split(location)
        self._replace = replace
        self.rows = Rows(self._database, secrets.token_hex(8))
        self.realm = self._database

    def check(self, size: int | None) -> None:
        """Look whether the name is free."""
        if self._replace or not os.path.exists(self._database):
            return
        with _session(self._database, 'destination') as session:
            if _find(session, self._name):
                raise exception.DestinationExists('the name is taken')

    def begin(self, size: int | None) -> None:
        """Make the database where there is none."""
        self.check(size)
        with _session(self._database, 'destination') as session:
            session.executescript(_SCHEMA)
        self._state = 'begun'

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Insert a row."""
        if isinstance(data, DescriptorRange):
            raise TypeError('a row is made of bytes')
        self._reach(offset + len(data))
        with _session(self._database, 'destination') as session:
            session.execute(
                'INSERT INTO row VALUES (?, ?, ?)',
                (self.rows.image, offset // MiB, data.tobytes()),
            )

    def put_zeros(self, offset: int, length: int) -> None:
        """Leave the row out."""
        self._reach(offset + length)

    def commit(self, size: int | None = None) -> Location | None:
        """Give the rows their name, in one transaction."""
        if self._state == 'new':
            self.begin(size)
        try:
            self._put_held()
            size = self._settled(size)
            with _session(self._database, 'destination') as session:
                session.execute('BEGIN IMMEDIATE')
                if self._replace:
                    for (old,) in session.execute(
                        'SELECT id FROM image WHERE name = ?', (self._name,)
                    ).fetchall():
                        _forget(session, old)
                session.execute(
                    'INSERT INTO image VALUES (?, ?, ?)',
                    (self.rows.image, self._name, size),
                )
        except BaseException:
            self.close()
            raise
        self._state = 'committed'
        return self.location

    def rollback(self) -> exception.DestinationState:
        """Drop the rows."""
        if self._state == 'begun':
            with _session(self._database, 'destination') as session:
                _forget(session, self.rows.image)
        self._restart()
        return 'untouched'

    def facet(self, kind: type[F]) -> F | None:
        """Return the rows to be."""
        return cast('F', self.rows) if kind is Rows else None


class RowCopy(Strategy):
    """One statement copies an image within a database."""

    name = 'row_copy'
    cost = Cost.SERVER
    zero_copy = True
    paced = False

    def offer(self, source: Source, writer: Writer, needs: Any) -> Yes | No:
        """Serve two images of one database."""
        origin, target = source.facet(Rows), writer.facet(Rows)
        if origin is None or target is None:
            return No('an end is not in a database')
        if origin.database != target.database:
            return No('the two are in different databases')
        return Yes()

    def run(self, source: Source, writer: Writer, pipe: Any) -> Moved:
        """Copy the rows."""
        origin, target = source.facet(Rows), writer.facet(Rows)
        if origin is None or target is None:
            raise exception.Refused('an end is not in a database')
        with _session(target.database, 'destination') as session:
            session.execute(
                'INSERT INTO row SELECT ?, number, bits FROM row '
                'WHERE image = ?',
                (target.image, origin.image),
            )
        return Moved(source.size or 0, 0)


def _split(location: Location) -> tuple[str, str]:
    path = location.reveal().partition('://')[2]
    database, _, name = path.rpartition('/')
    return urllib.parse.unquote(database), urllib.parse.unquote(name)


def _find(session: sqlite3.Connection, name: str) -> Any:
    """Return the (id, size) of a name; None when there is none."""
    # Another writer may have made the file, and not the tables yet.
    if not session.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'image'"
    ).fetchone():
        return None
    return session.execute(
        'SELECT id, size FROM image WHERE name = ?', (name,)
    ).fetchone()


def _forget(session: sqlite3.Connection, image: str) -> None:
    session.execute('DELETE FROM row WHERE image = ?', (image,))
    session.execute('DELETE FROM image WHERE id = ?', (image,))


@contextlib.contextmanager
def _session(
    database: str, side: exception.Side
) -> Iterator[sqlite3.Connection]:
    """Run a transaction, and map SQLite's errors to ours in one place."""
    try:
        with contextlib.closing(
            sqlite3.connect(database, timeout=_BUSY_SECONDS)
        ) as session:
            with session:
                yield session
    except sqlite3.IntegrityError as error:
        raise exception.DestinationExists('the name is taken') from error
    except sqlite3.Error as error:
        kind = (
            exception.SourceError
            if side == 'source'
            else exception.DestinationError
        )
        raise kind(f'SQLite: {error}', side=side) from error
