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


"""One file, whatever happens to the processes that write to it."""

import contextlib
import os
import pathlib
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
import types

import pytest

from oslo_image import exception
from oslo_image.catalog import schema
from oslo_image.catalog.base import Bits
from oslo_image.catalog.sqlite import SqliteDriver
from oslo_image.image import Image, Location

#: What the first release wrote. It is never changed.
VERSION_1 = """
    CREATE TABLE images (id TEXT PRIMARY KEY NOT NULL,
        created_at INTEGER NOT NULL, record TEXT NOT NULL);
    CREATE INDEX images_by_age ON images (created_at, id);
    PRAGMA user_version = 1;
    PRAGMA application_id = 1869835369;
    INSERT INTO images VALUES ('an-id', 1700000000000000, '{
        "checksum": null, "container_format": "bare",
        "created_at": "2023-11-14T22:13:20+00:00", "disk_format": "raw",
        "id": "an-id", "locations": [{"external": true,
            "metadata": {"store": "web"}, "name": "eu",
            "secret_uri": "https://images.example.org/a"}],
        "min_disk": 0, "min_ram": 0, "name": "old", "os_hash_algo": null,
        "os_hash_value": null, "os_hidden": false, "owner": null,
        "properties": {"a": "1"}, "protected": false, "size": 0,
        "status": "active", "tags": ["x"],
        "updated_at": "2023-11-14T22:13:20+00:00", "virtual_size": null,
        "visibility": "shared"}');
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'state' / 'catalog.sqlite'


@pytest.fixture
def driver(path):
    return driver_of(path)


def driver_of(path):
    return SqliteDriver(types.SimpleNamespace(catalog_database=str(path)))


def by_hand(path, script):
    path.parent.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def run(path, code, *arguments):
    """Start a process that runs code with a driver of this file."""
    head = f"""
import os, signal, sys, types
from oslo_image import exception
from oslo_image.catalog.base import Bits
from oslo_image.catalog.sqlite import SqliteDriver
from oslo_image.image import Image, Location
driver = SqliteDriver(types.SimpleNamespace(catalog_database={str(path)!r}))
"""
    return subprocess.Popen(
        [sys.executable, '-c', head + code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


class TestFirstUse:
    def test_reading_makes_nothing(self, driver, path):
        assert driver.get_all() == []
        with pytest.raises(exception.ImageNotFound):
            driver.get('an-id')
        assert not path.parent.exists()

    def test_what_is_made_is_the_owners_alone(self, tmp_path):
        path = tmp_path / 'a' / 'b' / 'catalog.sqlite'
        old = os.umask(0)
        try:
            driver_of(path).create(Image())
        finally:
            os.umask(old)
        modes = [
            stat.S_IMODE(one.stat().st_mode)
            for one in (path, path.parent, path.parent.parent)
        ]
        assert modes == [0o600, 0o700, 0o700]
        assert os.listdir(path.parent) == ['catalog.sqlite']

    def test_a_directory_that_is_there_is_left_as_it_is(self, tmp_path):
        tmp_path.chmod(0o755)
        driver_of(tmp_path / 'catalog.sqlite').create(Image())
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755

    def test_an_empty_file_is_an_empty_catalogue(self, driver, path):
        path.parent.mkdir()
        path.touch()
        assert driver.get_all() == []
        image = driver.create(Image())
        assert driver.get_all() == [image]

    @pytest.mark.parametrize('name', ['a b', 'a%41', 'a?b=c', 'a#b', 'ü'])
    def test_any_path(self, tmp_path, name):
        driver = driver_of(tmp_path / name)
        image = driver.create(Image())
        assert driver_of(tmp_path / name).get(image.id) == image
        assert os.listdir(tmp_path) == [name]


def test_records_outlive_the_driver(driver, path):
    made = driver.create(Image(name='a', properties={'b': 'c'}))
    where = Location('https://u:p@h/x', {'store': 'web'}, name='eu')
    made = driver.add_location(made.id, where, Bits(0, 'c', 'sha512', 'd'))
    again = driver_of(path).get(made.id)
    assert again == made
    assert again.size == 0
    assert again.locations[0].metadata == {'store': 'web'}
    assert again.locations[0].name == 'eu'


class TestSigkill:
    ROUNDS = 30

    def test_half_a_transaction_is_taken_back(self, driver, path):
        image = driver.create(Image(name='before', properties={'a': '1'}))
        process = run(
            path,
            """
with driver._writing() as images:
    images._connection.execute('PRAGMA cache_size = 1')
    for number in range(100):
        images.put(Image(id=f'{number}', properties={'a': 'b' * 10**5}))
    image = images.find(sys.argv[1])
    images.drop(image.id)
    os.kill(os.getpid(), signal.SIGKILL)
""",
            image.id,
        )
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        # Part of it is in the file already.
        assert pathlib.Path(f'{path}-journal').stat().st_size
        assert path.stat().st_size > 10**6
        assert driver.get_all() == [image]
        assert os.listdir(path.parent) == ['catalog.sqlite']

    def test_at_any_moment(self, driver, path):
        """What was acknowledged is there; no record is half of one."""
        code = """
print('ready', flush=True)
for number in range(10**6):
    image_id = f'{sys.argv[1]}-{number}'
    big = f'{number}' * 50000
    driver.create(Image(id=image_id, properties={'a': big, 'b': big}))
    print('+', image_id, flush=True)
    driver.update(image_id, {'a': big + 'new', 'b': big + 'new'})
    print('*', image_id, flush=True)
    if number % 2:
        driver.delete(image_id)
        print('-', image_id, flush=True)
"""
        chance = random.Random(7)
        said = {}
        journals = 0
        for number in range(self.ROUNDS):
            process = run(path, code, f'round-{number}')
            assert process.stdout.readline() == 'ready\n'
            time.sleep(chance.uniform(0, 0.15))
            process.kill()
            lines, _ = process.communicate(timeout=60)
            journals += os.path.exists(f'{path}-journal')
            for line in lines.splitlines(keepends=True):
                if line.endswith('\n'):
                    what, image_id = line.split()
                    said[image_id] = what
            found = {image.id: image for image in driver.get_all()}
            for image in found.values():
                assert image.properties['a'] == image.properties['b']
            for image_id, what in said.items():
                if what == '+':
                    assert image_id in found
                elif what == '*' and image_id in found:
                    # else its deletion was not acknowledged
                    assert found[image_id].properties['a'].endswith('new')
                elif what == '*':
                    assert int(image_id.split('-')[-1]) % 2
                else:
                    assert image_id not in found
            for image_id in found:
                driver.delete(image_id)
            said.clear()
        assert journals


def test_two_processes_at_once(driver, path):
    image = driver.create(Image())
    code = """
for number in range(40):
    driver.create(Image(id=f'{sys.argv[1]}-{number}'))
    driver.update(sys.argv[2], {f'{sys.argv[1]}-{number}': 'done'})
    assert len(driver.get_all()) > number
"""
    processes = [run(path, code, name, image.id) for name in ('a', 'b')]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert len(driver.get_all()) == 81
    assert len(driver.get(image.id).properties) == 80


def test_a_writer_that_does_not_end_is_unavailable(driver, path, monkeypatch):
    driver.create(Image())
    monkeypatch.setattr('oslo_image.catalog.sqlite._PATIENCE', 0.1)
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute('BEGIN IMMEDIATE')
        assert len(driver.get_all()) == 1
        with pytest.raises(exception.CatalogUnavailable) as caught:
            driver.create(Image())
        assert caught.value.temporary
        other.rollback()
    driver.create(Image())


class TestMigration:
    def test_version_1_is_read(self, driver, path):
        by_hand(path, VERSION_1)
        image = driver.get('an-id')
        assert (image.name, image.size, image.tags) == ('old', 0, ('x',))
        (location,) = image.locations
        assert (location.name, location.external) == ('eu', True)
        assert location.metadata == {'store': 'web'}
        assert driver.update('an-id', {'name': 'new'}).name == 'new'

    @pytest.fixture
    def newer(self, monkeypatch):
        """A release with two versions more."""
        steps = (
            ('ALTER TABLE images ADD COLUMN note TEXT',),
            (
                "UPDATE images SET note = 'migrated'",
                'CREATE INDEX by_note ON images (note)',
            ),
        )
        monkeypatch.setattr(schema, 'MIGRATIONS', (*schema.MIGRATIONS, *steps))

    def notes(self, path):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            version = connection.execute('PRAGMA user_version').fetchone()
            notes = connection.execute('SELECT note FROM images').fetchall()
        return version[0], notes

    def test_all_steps_in_order(self, driver, path, newer):
        by_hand(path, VERSION_1)
        assert driver.get('an-id').name == 'old'
        assert self.notes(path) == (3, [('migrated',)])

    def test_by_many_at_once(self, driver, path, newer):
        by_hand(path, VERSION_1)
        barrier = threading.Barrier(8, timeout=60)
        found = []

        def look():
            barrier.wait()
            found.append(driver.get('an-id').name)

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ['old'] * 8
        assert self.notes(path) == (3, [('migrated',)])

    def test_a_step_that_fails_changes_nothing(
        self, driver, path, monkeypatch
    ):
        by_hand(path, VERSION_1)
        before = path.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(
                schema,
                'MIGRATIONS',
                (*schema.MIGRATIONS, ('DROP TABLE images', 'nonsense')),
            )
            with pytest.raises(exception.CatalogError, match='nonsense'):
                driver.get_all()
        assert path.read_bytes() == before
        assert driver.get('an-id').name == 'old'

    def test_a_later_release_wrote_it(self, driver, path):
        by_hand(path, VERSION_1 + 'PRAGMA user_version = 99;')
        before = path.read_bytes()
        for ask in (driver.get_all, lambda: driver.create(Image())):
            with pytest.raises(exception.CatalogError, match='99') as caught:
                ask()
            assert str(path) in str(caught.value)
        assert path.read_bytes() == before


class TestDamage:
    @pytest.mark.parametrize(
        'content',
        [b'no database at all', b'SQLite format 3\0' + b'\xff' * 4096],
    )
    def test_not_a_database(self, driver, path, content):
        path.parent.mkdir()
        path.write_bytes(content)
        for ask in (driver.get_all, lambda: driver.create(Image())):
            with pytest.raises(exception.CatalogError) as caught:
                ask()
            assert str(path) in str(caught.value)
        assert path.read_bytes() == content

    @pytest.mark.parametrize(
        'script',
        [
            'CREATE TABLE recipes (name TEXT)',
            'CREATE TABLE images (id TEXT); PRAGMA user_version = 1',
            'PRAGMA application_id = 5; PRAGMA user_version = 1',
        ],
    )
    def test_a_database_of_something_else(self, driver, path, script):
        by_hand(path, script)
        before = path.read_bytes()
        for ask in (driver.get_all, lambda: driver.create(Image())):
            with pytest.raises(exception.CatalogError, match='something else'):
                ask()
        assert path.read_bytes() == before

    def test_a_torn_page(self, driver, path):
        for number in range(200):
            driver.create(Image(id=f'{number}', name='x' * 500))
        content = bytearray(path.read_bytes())
        for at in range(4096, len(content), 4096):
            content[at : at + 200] = b'\xaa' * 200
        path.write_bytes(content)
        with pytest.raises(exception.CatalogError, match='damaged'):
            driver.get_all()

    @pytest.mark.parametrize('record', ['', '{', '[]', '{"id": 1}', 'null'])
    def test_a_damaged_record(self, driver, path, record):
        by_hand(
            path,
            VERSION_1 + f"INSERT INTO images VALUES ('x', 1, '{record}');",
        )
        with pytest.raises(exception.CatalogError, match='record'):
            driver.get('x')
        assert driver.get('an-id').name == 'old'

    def test_a_directory_in_its_place(self, driver, path):
        path.mkdir(parents=True)
        for ask in (driver.get_all, lambda: driver.create(Image())):
            with pytest.raises(exception.CatalogError) as caught:
                ask()
            assert str(path) in str(caught.value)

    def test_a_file_in_its_directorys_place(self, driver, path):
        path.parent.touch()
        for ask in (driver.get_all, lambda: driver.create(Image())):
            with pytest.raises(exception.CatalogError):
                ask()

    def test_a_full_disk(self, driver, path, monkeypatch):
        kept = driver.create(Image())
        connect = sqlite3.connect

        def full(*arguments, **keywords):
            connection = connect(*arguments, **keywords)
            connection.execute('PRAGMA max_page_count = 10')
            return connection

        with monkeypatch.context() as patched:
            patched.setattr(sqlite3, 'connect', full)
            with pytest.raises(exception.NoSpace):
                driver.create(Image(name='x' * 10**6))
        assert driver.get_all() == [kept]


@pytest.fixture
def others_directory():
    """A directory that somebody else may pass through."""
    with tempfile.TemporaryDirectory(prefix='catalog-') as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@contextlib.contextmanager
def without_privileges():
    """Root may do everything, so this is no longer root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestPermissions:
    def test_a_directory_to_read_only(self, others_directory):
        path = others_directory / 'catalog.sqlite'
        driver = driver_of(path)
        image = driver.create(Image())
        path.chmod(0o444)
        others_directory.chmod(0o555)
        with without_privileges():
            assert driver.get_all() == [image]
            with pytest.raises(exception.PermissionDenied):
                driver.create(Image())
        others_directory.chmod(0o755)
        assert driver.get_all() == [image]

    def test_a_file_to_write_in_a_directory_to_read_only(
        self, others_directory
    ):
        path = others_directory / 'catalog.sqlite'
        driver = driver_of(path)
        image = driver.create(Image())
        path.chmod(0o666)
        others_directory.chmod(0o555)
        with without_privileges():
            assert driver.get(image.id) == image
            with pytest.raises(exception.PermissionDenied):
                driver.update(image.id, {'name': 'x'})
        others_directory.chmod(0o755)
        assert driver.get_all() == [image]

    def test_nothing_can_be_made(self, others_directory):
        driver = driver_of(others_directory / 'a' / 'catalog.sqlite')
        others_directory.chmod(0o555)
        with without_privileges():
            assert driver.get_all() == []
            with pytest.raises(exception.PermissionDenied):
                driver.create(Image())

    def test_an_unreadable_file(self, others_directory):
        path = others_directory / 'catalog.sqlite'
        driver = driver_of(path)
        driver.create(Image())
        path.chmod(0)
        with without_privileges():
            for ask in (driver.get_all, lambda: driver.create(Image())):
                with pytest.raises(exception.PermissionDenied) as caught:
                    ask()
                assert str(path) in str(caught.value)
