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


"""The tables of the sqlite catalogue, and how they came to be.

The file's ``user_version`` counts the migrations that it has had. A new one is
added at the end of :data:`MIGRATIONS`; those that were released stay as they
are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oslo_image import exception

if TYPE_CHECKING:
    import sqlite3

#: Marks the file as a catalogue of ours: "osli".
APPLICATION_ID: Final = 0x6F736C69

#: The statements that lead from each version to the next. A version's are run
#: in one transaction.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # record: JSON; created_at: microseconds since 1970
        'CREATE TABLE images (id TEXT PRIMARY KEY NOT NULL,'
        ' created_at INTEGER NOT NULL, record TEXT NOT NULL)',
        'CREATE INDEX images_by_age ON images (created_at, id)',
    ),
)


def version(connection: sqlite3.Connection) -> int:
    """Return the file's version; 0 when it is empty.

    :raises CatalogError: for a database of something else, or one that was
        written by a later release.
    """
    # In one statement: another process may be migrating it.
    found, owner, content = connection.execute(
        'SELECT (SELECT user_version FROM pragma_user_version),'
        ' (SELECT application_id FROM pragma_application_id),'
        ' (SELECT count(*) FROM sqlite_master)'
    ).fetchone()
    if owner != APPLICATION_ID and (owner or found or content):
        raise exception.CatalogError(
            "it is a database of something else than oslo.image's catalogue"
        )
    if found > len(MIGRATIONS):
        raise exception.CatalogError(
            f'its version is {found}, and this release of oslo.image knows '
            f'those up to {len(MIGRATIONS)}'
        )
    return int(found)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest version.

    Of several processes one does it, and the others wait.
    """
    connection.execute('BEGIN IMMEDIATE')
    try:
        for number in range(version(connection), len(MIGRATIONS)):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            # PRAGMA takes no parameters.
            connection.execute(f'PRAGMA user_version = {number + 1}')
            connection.execute(f'PRAGMA application_id = {APPLICATION_ID}')
        connection.execute('COMMIT')
    except BaseException:
        connection.rollback()
        raise
