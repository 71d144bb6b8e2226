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

import errno
import ftplib
import importlib
import io
import os
import subprocess
import sys
import zipfile

import pytest

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores import facets
from oslo_image.stores.base import fill
from oslo_image.stores.file_writer import MARKER, FileWriter
from oslo_image.stores.pyfilesystem import PyFilesystemStore, library

fs = library.load()
read_only = importlib.import_module('fs.wrap').read_only

DATA = bytes(range(256)) * 10
STORE = PyFilesystemStore(None)


def at(uri):
    """Return the location of a URI that the caller names."""
    return Location(STORE.parse(uri).reveal(), trusted=True)


HERE = at('fs://memory!/image')


@pytest.fixture
def memory():
    filesystem = fs.memoryfs.MemoryFS()
    filesystem.writebytes('image', DATA)
    return filesystem


# The library


def test_missing_library_names_the_extra(monkeypatch):
    library.load.cache_clear()
    monkeypatch.setitem(sys.modules, 'fs.base', None)
    try:
        with pytest.raises(exception.MissingDependency) as caught:
            STORE.open_source(HERE)
    finally:
        library.load.cache_clear()
    assert 'oslo.image[pyfilesystem]' in str(caught.value)


def test_nothing_is_imported_before_it_is_needed():
    code = (
        'import sys; from oslo_image.stores.pyfilesystem import library;'
        'assert not {"fs", "pkg_resources"} & set(sys.modules);'
        'library.load(); assert "fs.zipfs" in sys.modules'
    )
    # Errors are made of all warnings, and fs and pkg_resources have many.
    command = [sys.executable, '-W', 'error', '-c', code]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    subprocess.run(command, check=True, env=environment, timeout=60)


# Locations


@pytest.mark.parametrize(
    'uri', ['osfs:///etc!/passwd', 'mem://!/a', 'fs://m!/image']
)
def test_what_a_catalogue_names_is_denied(uri, memory):
    location = STORE.parse(uri)
    for call in (STORE.open_source, STORE.stat, STORE.delete):
        with pytest.raises(exception.LocationDenied):
            call(location, auth=memory)
    with pytest.raises(exception.LocationDenied):
        STORE.open_writer(location, auth=memory)


def test_path_is_taken_as_it_stands(memory):
    memory.makedirs('a b!')
    memory.writebytes('a b!/c%41?d#e@f', b'here')
    source = STORE.open_source(at('fs://m!/a b!/c%41?d#e@f'), auth=memory)
    assert source.size == 4


def test_unknown_filesystem():
    with pytest.raises(exception.UnknownScheme):
        STORE.open_source(at('nosuch://x!/image'))
    with pytest.raises(exception.UnknownScheme):
        STORE.open_writer(at('nosuch://x!/image')).check(None)


def test_malformed_uri_shows_no_secret():
    with pytest.raises(exception.InvalidLocation) as caught:
        STORE.parse('ftp://user:canary@host!/a/../b')
    assert 'canary' not in str(caught.value)


@pytest.mark.parametrize('url', ['mem://', 'temp://'])
def test_what_goes_away_with_its_filesystem(url):
    with pytest.raises(exception.ImageNotFound):
        STORE.open_source(at(f'{url}!/image'))
    with pytest.raises(exception.InvalidWriter, match='auth'):
        STORE.open_writer(at(f'{url}!/image'))


def test_other_credentials_are_not_for_us(tmp_path):
    (tmp_path / 'image').write_bytes(DATA)
    location = at(f'osfs://{tmp_path}!/image')
    with STORE.open_source(location, auth={'token': 'x'}) as source:
        assert source.size == len(DATA)


# What is local, and what only looks so


def test_directory_is_read_like_a_file(tmp_path):
    (tmp_path / 'image').write_bytes(DATA)
    with STORE.open_source(at(f'osfs://{tmp_path}!/image')) as source:
        descriptor = source.facet(facets.FileDescriptor)
        assert descriptor.kind == 'regular'
        assert os.pread(descriptor.fileno(), 9999, 0) == DATA


def test_directory_in_a_directory_is_local_too(tmp_path):
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'image').write_bytes(DATA)
    outer = fs.osfs.OSFS(str(tmp_path))
    with outer.opendir('sub') as inner:
        source = STORE.open_source(HERE, auth=inner)
        assert source.facet(facets.FileDescriptor) is not None
        source.close()
        writer = STORE.open_writer(at('fs://m!/new'), auth=inner)
        assert isinstance(writer, FileWriter)
    outer.close()


def test_wrapper_is_not_circumvented(tmp_path):
    """A wrapper that forbids or encrypts has a system path as well."""
    (tmp_path / 'image').write_bytes(DATA)
    with fs.osfs.OSFS(str(tmp_path)) as directory:
        wrapped = read_only(directory)
        assert wrapped.hassyspath('image')
        with STORE.open_source(HERE, auth=wrapped) as source:
            assert source.facet(facets.FileDescriptor) is None
        with STORE.open_writer(at('fs://m!/new'), auth=wrapped) as writer:
            with pytest.raises(exception.PermissionDenied):
                writer.check(None)
            with pytest.raises(exception.PermissionDenied):
                writer.write(b'x')
        with pytest.raises(exception.PermissionDenied):
            STORE.delete(HERE, auth=wrapped)
    assert os.listdir(tmp_path) == ['image']


def test_filesystem_that_was_handed_over_stays_open(memory):
    STORE.open_source(HERE, auth=memory).close()
    STORE.stat(HERE, auth=memory)
    with STORE.open_writer(at('fs://m!/new'), auth=memory) as writer:
        writer.write(b'x')
        writer.commit()
    STORE.delete(HERE, auth=memory)
    assert memory.listdir('/') == ['new']


# What stands where the image should


def test_directories_are_not_images(memory, tmp_path):
    memory.makedir('dir')
    (tmp_path / 'dir').mkdir()
    for location, auth in (
        (at('fs://m!/dir'), memory),
        (at(f'osfs://{tmp_path}!/dir'), None),
    ):
        with pytest.raises(exception.InvalidSource):
            STORE.open_source(location, auth=auth)
        with pytest.raises(exception.InvalidSource):
            STORE.delete(location, auth=auth)
        with pytest.raises(exception.InvalidWriter):
            how = {'auth': auth, 'if_exists': 'replace'}
            STORE.open_writer(location, **how).check(None)


def test_no_directory_is_made(memory):
    writer = STORE.open_writer(at('fs://m!/no/such'), auth=memory)
    with pytest.raises(exception.DestinationError):
        writer.check(None)
    with pytest.raises(exception.DestinationError):
        writer.begin(None)
    assert memory.listdir('/') == ['image']


def test_fifo_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / 'fifo')
    with pytest.raises(exception.InvalidSource):
        STORE.open_source(at(f'osfs://{tmp_path}!/fifo'))


def test_what_is_no_archive(tmp_path):
    (tmp_path / 'a.zip').write_bytes(b'not a zip')
    with pytest.raises(exception.InvalidSource):
        STORE.open_source(at(f'zip://{tmp_path}/a.zip!/image'))
    with pytest.raises(exception.ImageNotFound):
        STORE.open_source(at(f'zip://{tmp_path}/none.zip!/image'))


def test_damaged_archive_is_an_error(tmp_path):
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('image', DATA)
    content = bytearray(path.read_bytes())
    content[500] ^= 0xFF
    path.write_bytes(content)
    with STORE.open_source(at(f'zip://{path}!/image')) as source:
        with pytest.raises(exception.ImageError):
            read(source)


# Errors

ERRORS = [
    (fs.errors.ResourceNotFound('x'), 'ImageNotFound', 'DestinationError'),
    (fs.errors.DirectoryExpected('x'), 'ImageNotFound', 'DestinationError'),
    (fs.errors.FileExpected('x'), 'InvalidSource', 'InvalidWriter'),
    (fs.errors.DestinationExists('x'), 'SourceError', 'DestinationExists'),
    (fs.errors.FileExists('x'), 'SourceError', 'DestinationExists'),
    (fs.errors.PermissionDenied('x'),) + ('PermissionDenied',) * 2,
    (fs.errors.ResourceReadOnly('x'),) + ('PermissionDenied',) * 2,
    (fs.errors.InsufficientStorage('x'), 'SourceError', 'NoSpace'),
    (
        fs.errors.RemoteConnectionError('x'),
        'SourceUnavailable',
        'DestinationError',
    ),
    (fs.errors.OperationTimeout(), 'SourceUnavailable', 'DestinationError'),
    (fs.errors.ResourceLocked('x'), 'InUse', 'InUse'),
    (fs.errors.InvalidCharsInPath('x'),) + ('InvalidLocation',) * 2,
    (fs.errors.IllegalBackReference('x'),) + ('InvalidLocation',) * 2,
    (fs.errors.Unsupported('x'), 'SourceError', 'InvalidWriter'),
    (
        fs.errors.OperationFailed('x', exc=OSError(errno.EDQUOT, 'q')),
        'NoSpace',
        'NoSpace',
    ),
    (
        fs.errors.CreateFailed(exc=FileNotFoundError(errno.ENOENT, 'x')),
        'ImageNotFound',
        'DestinationError',
    ),
    (
        fs.errors.CreateFailed(exc=zipfile.BadZipFile('x')),
        'InvalidSource',
        'InvalidSource',
    ),
    (ConnectionResetError(errno.ECONNRESET, 'x'), 'SourceUnavailable')
    + ('DestinationError',),
    (TimeoutError(), 'SourceUnavailable', 'DestinationError'),
    (EOFError(), 'SourceUnavailable', 'DestinationError'),
    (ftplib.error_temp('426 x'), 'SourceUnavailable', 'DestinationError'),
    (ftplib.error_perm('550 x'), 'ImageNotFound', 'DestinationError'),
    (ftplib.error_perm('552 x'), 'NoSpace', 'NoSpace'),
    (ftplib.error_perm('530 x'), 'PermissionDenied', 'PermissionDenied'),
    (OSError(errno.ENOSPC, 'x'), 'NoSpace', 'NoSpace'),
    (RuntimeError('x'), 'SourceError', 'DestinationError'),
]


@pytest.mark.parametrize(('error', 'source', 'destination'), ERRORS)
def test_errors(error, source, destination):
    def fail():
        raise error

    for side, kind in (('source', source), ('destination', destination)):
        with pytest.raises(exception.ImageError) as caught:
            library.ask(side, HERE, fail)
        assert type(caught.value).__name__ == kind
        assert caught.value.side == side
        assert getattr(caught.value, side) == HERE


def test_error_of_a_plugin_is_not_even_the_context():
    def fail():
        raise RuntimeError('password=canary')

    with pytest.raises(exception.SourceError) as caught:
        library.ask('source', HERE, fail)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert 'canary' not in repr(caught.value)


# A filesystem that misbehaves


class Trouble(fs.memoryfs.MemoryFS):
    """Calls what a test puts into ``faults`` instead of a method."""

    def __init__(self, **faults):
        super().__init__()
        self.faults = faults

    def openbin(self, path, mode='r', **options):
        file = super().openbin(path, mode, **options)
        wrap = self.faults.get('read' if mode == 'r' else 'write')
        return wrap(file) if wrap else file

    def remove(self, path):
        if error := self.faults.get('remove'):
            raise error
        super().remove(path)

    def move(self, *args, **keywords):
        if error := self.faults.get('move'):
            raise error
        super().move(*args, **keywords)


class Around(io.RawIOBase):
    """A file around another; subclasses change one thing."""

    def __init__(self, file):
        self.file = file

    def readinto(self, buffer):
        return self.file.readinto(buffer)

    def write(self, data):
        return self.file.write(data)

    def close(self):
        if not self.closed:
            super().close()
            self.file.close()


class Pipe(Around):
    """Cannot seek."""

    def readable(self):
        return True


class Short(Around):
    """Takes and gives seven bytes at a time."""

    def readinto(self, buffer):
        return self.file.readinto(memoryview(buffer)[:7])

    def write(self, data):
        return self.file.write(data[:7])


class Mute(Around):
    """Answers None to a write, as some file objects do."""

    def write(self, data):
        self.file.write(data)


class Full(Around):
    def write(self, data):
        if self.file.tell() + len(data) > 1000:
            raise fs.errors.InsufficientStorage('x')
        return self.file.write(data)


class LateFull(Around):
    """Says only at the end that not all was stored, as FTP may."""

    def close(self):
        if not self.closed:
            super().close()
            raise ftplib.error_perm('552 quota')


class Lossy(Around):
    """Drops what it says it stored."""

    def write(self, data):
        self.file.write(data[1:])
        return len(data)


class Ended(Around):
    """Ends early and says nothing, as FTPFS does."""

    def readinto(self, buffer):
        room = max(0, 1000 - self.file.tell())
        return self.file.readinto(memoryview(buffer)[:room])


def read(source, offset=0):
    buffer = bytearray(2 * len(DATA))
    reader = source.open_stream(offset)
    try:
        return bytes(buffer[: fill(reader, memoryview(buffer))])
    finally:
        reader.close()


@pytest.mark.parametrize('kind', [Pipe, Short])
@pytest.mark.parametrize('offset', [0, 1, 2000, len(DATA), len(DATA) + 5])
def test_streams_start_anywhere(kind, offset):
    filesystem = Trouble()
    filesystem.writebytes('image', DATA)
    filesystem.faults['read'] = kind
    with STORE.open_source(HERE, auth=filesystem) as source:
        assert read(source, offset) == DATA[offset:]


def test_early_end_is_truncated():
    filesystem = Trouble()
    filesystem.writebytes('image', DATA)
    filesystem.faults['read'] = Ended
    with STORE.open_source(HERE, auth=filesystem) as source:
        with pytest.raises(exception.Truncated) as caught:
            read(source)
    assert caught.value.offset == 1000


@pytest.mark.parametrize('kind', [Short, Mute])
def test_any_count_of_a_write(kind):
    filesystem = Trouble(write=kind)
    with STORE.open_writer(HERE, auth=filesystem) as writer:
        writer.write(DATA)
        writer.commit()
    assert filesystem.readbytes('image') == DATA


@pytest.mark.parametrize(
    ('kind', 'error'),
    [
        (Full, exception.NoSpace),
        (LateFull, exception.NoSpace),
        (Lossy, exception.SizeMismatch),
    ],
)
def test_failed_write_leaves_nothing(kind, error):
    filesystem = Trouble(write=kind)
    with STORE.open_writer(HERE, auth=filesystem) as writer:
        with pytest.raises(error):
            for begin in range(0, len(DATA), 100):
                writer.write(DATA[begin : begin + 100])
            writer.commit()
        writer.close()
        assert writer.leftovers == []
    assert filesystem.listdir('/') == []


def test_failed_move_leaves_nothing():
    filesystem = Trouble(move=fs.errors.RemoteConnectionError('x'))
    with STORE.open_writer(HERE, auth=filesystem) as writer:
        writer.write(DATA)
        with pytest.raises(exception.DestinationError):
            writer.commit()
    assert filesystem.listdir('/') == []


def test_what_cannot_be_removed_is_named():
    filesystem = Trouble(remove=fs.errors.PermissionDenied('x'))
    writer = STORE.open_writer(HERE, auth=filesystem)
    writer.write(DATA)
    (name,) = filesystem.listdir('/')
    assert MARKER in name
    assert writer.abort() == [name]


def test_bytes_come_one_after_the_other(memory):
    with STORE.open_writer(at('fs://m!/new'), auth=memory) as writer:
        writer.begin(10)
        writer.put(0, memoryview(b'abc'))
        with pytest.raises(exception.InvalidWriter):
            writer.put(5, memoryview(b'x'))
        with pytest.raises(exception.SizeMismatch):
            writer.put(3, memoryview(b'x' * 8))


def test_in_place_wants_what_is_there(memory):
    how = {'auth': memory, 'if_exists': 'in_place'}
    with pytest.raises(exception.DestinationError):
        STORE.open_writer(at('fs://m!/new'), **how).check(None)
    with STORE.open_writer(HERE, **how) as writer:
        writer.write(b'x')
        assert writer.rollback() == 'modified'


@pytest.mark.parametrize('kind', ['zip', 'tar'])
def test_archive_that_cannot_be_written(kind, tmp_path, monkeypatch):
    def full(self, data):
        raise exception.NoSpace('full', side='destination')

    monkeypatch.setattr(FileWriter, 'write', full)
    location = at(f'{kind}://{tmp_path}/new.{kind}!/image')
    writer = STORE.open_writer(location)
    writer.write(DATA)
    with pytest.raises(exception.NoSpace):
        writer.commit()
    assert writer.abort() == []
    assert os.listdir(tmp_path) == []


def test_archive_with_other_members_is_not_lost(tmp_path):
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('other', b'other')
    before = path.read_bytes()
    for how in ('fail', 'replace', 'in_place'):
        writer = STORE.open_writer(at(f'zip://{path}!/image'), if_exists=how)
        with pytest.raises(exception.InvalidWriter):
            writer.check(None)
        with pytest.raises(exception.InvalidWriter):
            writer.write(b'x')
        writer.close()
    assert path.read_bytes() == before
