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

"""What must hold when things go wrong with local files.

The destination is absent, as before, or complete; nothing is left over; and
the error says what happened on which side.
"""

import contextlib
import errno
import os
import pathlib
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores import file as file_store
from tests.functional import images
from tests.functional.images import KiB, MiB
from tests.servers import filesystems, policy

SIZE = 8 * MiB


@pytest.fixture(autouse=True)
def nothing_stays_open():
    """Whatever happened, no descriptor and no thread is left."""
    descriptors = set(os.listdir('/proc/self/fd'))
    threads = threading.active_count()
    yield
    assert set(os.listdir('/proc/self/fd')) <= descriptors
    assert threading.active_count() == threads


@pytest.fixture
def place(xfs, tmp_path):
    """A directory on a filesystem with reflink."""
    own = xfs / tmp_path.name
    own.mkdir()
    yield own
    shutil.rmtree(own)


@pytest.fixture
def source(place):
    path = images.holey(place / 'source', SIZE)
    # Older than any clock's tick, so that every write to it shows.
    os.utime(path, (1, 1))
    return path


@pytest.fixture(params=images.COPYING)
def strategy(request):
    return request.param


@pytest.fixture(params=['uri', 'file'])
def how(request):
    """By a store's writer, or by a file that the caller opened."""
    return request.param


class Copied:
    """One copy to ``target``, by a store's writer or an open file."""

    HEAD = b'what stood there before'

    def __init__(self, place, how):
        self.place = place
        self.how = how
        self.target = place / 'target'

    def copy(self, source, *, if_exists='fail', strategy=None, **more):
        if strategy is not None:
            more['disabled'] = images.all_but(strategy)
        mover = images.mover(source)
        if self.how == 'uri':
            return mover.copy(
                stores.open_writer(
                    images.uri(self.target), if_exists=if_exists
                ),
                **more,
            )
        with self.target.open('w+b') as writer:
            writer.write(self.HEAD)
            try:
                return mover.copy(writer, **more)
            finally:
                self.position = writer.tell()

    def assert_as_before(self, error, *others):
        if self.how == 'uri':
            assert sorted(os.listdir(self.place)) == sorted(others)
        else:
            assert self.target.read_bytes() == self.HEAD
            assert self.position == len(self.HEAD)
        if isinstance(error, exception.ImageError):
            assert error.destination_state == (
                'untouched' if self.how == 'uri' else 'restored'
            )


@pytest.fixture
def copied(place, how):
    return Copied(place, how)


class TestFull:
    """A filesystem that is full after so many bytes."""

    @pytest.fixture(params=[0, 4 * KiB, MiB, 3 * MiB])
    def small(self, request, tmp_path):
        """A tmpfs with so much room left."""
        with policy.provided(filesystems.tmpfs(6 * MiB, tmp_path)) as root:
            taken = root / 'taken'
            free = os.statvfs(root).f_bavail * 4 * KiB
            taken.write_bytes(bytes(free - request.param))
            assert os.statvfs(root).f_bavail * 4 * KiB == request.param
            yield root

    @pytest.fixture
    def large(self, tmp_path):
        path = tmp_path / 'large'
        path.write_bytes(images.noise(5 * MiB))
        return path

    def test_a_store_writer_leaves_nothing(self, small, large, strategy):
        free = os.statvfs(small).f_bavail

        with pytest.raises(exception.NoSpace) as caught:
            images.mover(large).copy(
                stores.open_writer(images.uri(small / 'target')),
                disabled=images.all_but(strategy),
            )

        error = caught.value
        assert error.errno == errno.ENOSPC
        assert error.side == 'destination'
        assert error.strategy == strategy
        assert error.destination_state == 'untouched'
        assert str(small / 'target') in str(error)
        assert str(large) in str(error)
        assert os.listdir(small) == ['taken']
        assert os.statvfs(small).f_bavail == free

    def test_what_was_to_be_replaced_stays(self, small, large, strategy):
        taken = (small / 'taken').read_bytes()

        with pytest.raises(exception.NoSpace) as caught:
            images.mover(large).copy(
                stores.open_writer(
                    images.uri(small / 'taken'), if_exists='replace'
                ),
                disabled=images.all_but(strategy),
            )

        assert caught.value.destination_state == 'untouched'
        assert os.listdir(small) == ['taken']
        assert (small / 'taken').read_bytes() == taken

    def test_a_file_that_grew_is_cut_back(self, small, large, strategy):
        free = os.statvfs(small).f_bavail
        length = (small / 'taken').stat().st_size

        with (small / 'taken').open('r+b') as writer:
            writer.seek(0, os.SEEK_END)
            with pytest.raises(exception.NoSpace) as caught:
                images.mover(large).copy(
                    writer, disabled=images.all_but(strategy)
                )
            assert writer.tell() == length

        # Where there was no room for a byte, there was none to take back.
        state = caught.value.destination_state
        assert state == 'restored' or (free == 0 and state == 'untouched')
        assert (small / 'taken').stat().st_size == length
        assert os.statvfs(small).f_bavail == free

    def test_what_was_overwritten_is_called_modified(
        self, small, large, strategy
    ):
        with (small / 'taken').open('r+b') as writer:
            writer.seek(-64 * KiB, os.SEEK_END)
            with pytest.raises(exception.NoSpace) as caught:
                images.mover(large).copy(
                    writer, disabled=images.all_but(strategy)
                )

        assert caught.value.destination_state == 'modified'

    def test_by_hand(self, small):
        data = images.noise(64 * KiB)
        with stores.open_writer(images.uri(small / 'target')) as writer:
            with pytest.raises(exception.NoSpace):
                for _ in range(100):
                    writer.write(data)
        assert os.listdir(small) == ['taken']


class TestSyncFails:
    """What is only on its way to the disk may be lost when it is full."""

    @pytest.mark.parametrize(
        ('number', 'kind'),
        [
            (errno.ENOSPC, exception.NoSpace),
            (errno.EDQUOT, exception.NoSpace),
            (errno.EIO, exception.DestinationError),
        ],
    )
    @pytest.mark.parametrize('if_exists', ['fail', 'replace'])
    def test_so_does_the_copy(
        self, place, source, monkeypatch, number, kind, if_exists
    ):
        def fsync(fd):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, 'fsync', fsync)
        with pytest.raises(kind) as caught:
            images.mover(source).copy(
                stores.open_writer(
                    images.uri(place / 'target'), if_exists=if_exists
                )
            )

        assert caught.value.errno == number
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('number', [errno.EINVAL, errno.EOPNOTSUPP])
    def test_where_there_is_none_it_is_not_missed(
        self, place, source, monkeypatch, number
    ):
        def fsync(fd):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, 'fsync', fsync)
        result = images.mover(source).copy(
            stores.open_writer(images.uri(place / 'target'))
        )

        assert result.success


def shrink(path):
    os.truncate(path, MiB)


def vanish(path):
    os.truncate(path, 0)


def grow(path):
    with path.open('ab') as file:
        file.write(b'more')


def rewrite(path):
    with path.open('r+b') as file:
        file.seek(7 * MiB)
        file.write(b'other')


def once(action):
    """Return a progress callback that acts the first time."""
    calls = []

    def progress(done, total):
        if not calls:
            action()
        calls.append(done)

    return progress


class TestSourceChanges:
    @pytest.mark.parametrize('change', [shrink, vanish, grow, rewrite])
    def test_in_the_middle_of_a_copy(self, copied, source, strategy, change):
        with pytest.raises(exception.SourceChanged) as caught:
            copied.copy(
                source,
                strategy=strategy,
                progress=once(lambda: change(source)),
            )

        assert caught.value.side == 'source'
        assert caught.value.strategy == strategy
        copied.assert_as_before(caught.value, 'source')

    @pytest.mark.parametrize('change', [shrink, vanish])
    def test_in_the_middle_of_a_large_piece(
        self, copied, place, strategy, change
    ):
        """Deep in a run of data, and not only between two of them."""
        source = images.make(
            place / 'large', 96 * MiB, {0: images.noise(MiB) * 96}
        )

        with pytest.raises(exception.SourceChanged) as caught:
            copied.copy(
                source,
                strategy=strategy,
                progress=once(lambda: change(source)),
            )

        copied.assert_as_before(caught.value, 'large')

    def test_another_takes_its_name(self, copied, source, strategy):
        """The copy is of what was opened."""
        content = source.read_bytes()
        other = source.with_name('other')
        other.write_bytes(b'other')

        result = copied.copy(
            source,
            strategy=strategy,
            progress=once(lambda: other.rename(source)),
        )

        assert result.success
        assert copied.target.read_bytes().endswith(content)

    def test_it_loses_its_name(self, copied, source, strategy):
        content = source.read_bytes()

        result = copied.copy(
            source, strategy=strategy, progress=once(source.unlink)
        )

        assert result.success
        assert copied.target.read_bytes().endswith(content)

    def test_between_the_plan_and_the_copy(self, copied, source):
        mover = images.mover(source)
        mover.plan(stores.open_writer(images.uri(copied.target)))
        source.write_bytes(b'another version')

        result = mover.copy(
            stores.open_writer(images.uri(copied.place / 'new'))
        )

        assert result.size == len(b'another version')
        assert (copied.place / 'new').read_bytes() == b'another version'


class TestKernel:
    """What the kernel may answer to any call."""

    @staticmethod
    def fail(monkeypatch, name, number, after=0):
        """Let a function of os fail after so many calls."""
        real = getattr(os, name)
        calls = []

        def failing(*arguments, **options):
            calls.append(arguments)
            if len(calls) > after:
                raise OSError(number, os.strerror(number))
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, failing)
        return calls

    @pytest.mark.parametrize('after', [0, 2])
    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_the_source_cannot_be_read(
        self, copied, source, monkeypatch, strategy, after
    ):
        self.fail(monkeypatch, 'preadv', errno.EIO, after)

        with pytest.raises(exception.SourceError) as caught:
            copied.copy(source, strategy=strategy)

        error = caught.value
        assert (error.errno, error.side) == (errno.EIO, 'source')
        assert error.offset is not None
        assert not isinstance(error, exception.SourceUnavailable)
        if self.was_written(error):
            copied.assert_as_before(error, 'source')

    @staticmethod
    def was_written(error):
        return error.destination_state != 'untouched'

    @pytest.mark.parametrize('after', [0, 1])
    def test_copy_file_range_breaks(self, copied, source, monkeypatch, after):
        self.fail(monkeypatch, 'copy_file_range', errno.EIO, after)

        with pytest.raises(exception.ImageError) as caught:
            copied.copy(source, strategy='kernel_copy')

        assert caught.value.errno == errno.EIO
        if after:
            copied.assert_as_before(caught.value, 'source')

    @pytest.mark.parametrize(
        'number',
        [
            errno.EXDEV,
            errno.EOPNOTSUPP,
            errno.EINVAL,
            errno.ENOSYS,
            errno.EPERM,
            errno.ETXTBSY,
        ],
        ids=errno.errorcode.get,
    )
    def test_sendfile_takes_over(self, copied, source, monkeypatch, number):
        self.fail(monkeypatch, 'copy_file_range', number)

        result = copied.copy(source, strategy='kernel_copy')

        assert result.success
        assert copied.target.read_bytes().endswith(source.read_bytes())

    def test_neither_knows_the_pair(self, copied, source, monkeypatch):
        self.fail(monkeypatch, 'copy_file_range', errno.EXDEV)
        self.fail(monkeypatch, 'sendfile', errno.EINVAL)

        result = copied.copy(source, disabled=['reflink'])

        assert tuple(result) == (True, SIZE)
        assert result.strategy == 'parallel'
        assert 'cannot copy here' in images.reasons(result)['kernel_copy']
        assert copied.target.read_bytes().endswith(source.read_bytes())

    def test_it_copies_nothing(self, copied, source, monkeypatch):
        monkeypatch.setattr(os, 'copy_file_range', lambda *args: 0)

        result = copied.copy(source, disabled=['reflink'])

        assert tuple(result) == (True, SIZE)
        assert result.strategy == 'parallel'
        assert 'copied nothing' in images.reasons(result)['kernel_copy']

    def test_it_copies_less(self, copied, source, monkeypatch):
        real = os.copy_file_range
        counts = []

        def less(source, target, count, *offsets):
            counts.append(count)
            return real(source, target, min(count, 100_003), *offsets)

        monkeypatch.setattr(os, 'copy_file_range', less)
        result = copied.copy(source, strategy='kernel_copy')

        assert result.success
        assert len(counts) > SIZE // MiB
        assert copied.target.read_bytes().endswith(source.read_bytes())

    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_it_reads_and_writes_less(
        self, copied, source, monkeypatch, strategy
    ):
        preadv, pwrite = os.preadv, os.pwrite
        monkeypatch.setattr(
            os, 'preadv', lambda fd, to, at: preadv(fd, [to[0][:10007]], at)
        )
        monkeypatch.setattr(
            os, 'pwrite', lambda fd, data, at: pwrite(fd, data[:20011], at)
        )

        result = copied.copy(source, strategy=strategy)

        assert result.success
        assert copied.target.read_bytes().endswith(source.read_bytes())

    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_there_is_no_memory(self, copied, source, monkeypatch, strategy):
        def preadv(fd, buffers, offset):
            raise MemoryError

        monkeypatch.setattr(os, 'preadv', preadv)
        with pytest.raises(MemoryError):
            copied.copy(source, strategy=strategy)

        if copied.how == 'uri':
            assert os.listdir(copied.place) == ['source']


class TestDestinationName:
    """A name that is a link, a directory or nothing that can be one."""

    @staticmethod
    def copy(source, target, if_exists):
        return images.mover(source).copy(
            stores.open_writer(images.uri(target), if_exists=if_exists)
        )

    @pytest.fixture(params=['file', 'nothing', 'itself'])
    def link(self, request, place):
        """A symbolic link to a file, to nothing or to itself."""
        link = place / 'link'
        pointed = {'itself': link, 'file': place / 'pointed'}
        if request.param == 'file':
            (place / 'pointed').write_bytes(b'pointed at')
        link.symlink_to(pointed.get(request.param, place / 'nothing'))
        yield link
        if request.param == 'file':
            assert (place / 'pointed').read_bytes() == b'pointed at'
        assert not (place / 'nothing').exists()

    def test_a_link_exists_whatever_it_points_at(self, source, link):
        with pytest.raises(exception.DestinationExists):
            self.copy(source, link, 'fail')
        assert link.is_symlink()

    def test_a_link_is_replaced_not_followed(self, source, link):
        result = self.copy(source, link, 'replace')

        assert result.success
        assert not link.is_symlink()
        assert link.read_bytes() == source.read_bytes()

    def test_a_link_is_not_followed_in_place(self, source, link):
        with pytest.raises(exception.ImageError) as caught:
            self.copy(source, link, 'in_place')

        assert caught.value.side == 'destination'
        assert caught.value.destination_state == 'untouched'
        assert link.is_symlink()

    def test_a_link_to_a_device_is(self, place, source, block_device):
        link = place / 'link'
        link.symlink_to(block_device)

        result = self.copy(source, link, 'in_place')

        assert result.success
        with block_device.open('rb') as device:
            assert device.read(SIZE) == source.read_bytes()

    @pytest.mark.parametrize(
        ('if_exists', 'kind'),
        [
            ('fail', exception.DestinationExists),
            ('replace', exception.InvalidWriter),
            ('in_place', exception.InvalidWriter),
        ],
    )
    def test_a_directory(self, place, source, if_exists, kind):
        target = place / 'target'
        target.mkdir()
        with pytest.raises(kind) as caught:
            self.copy(source, target, if_exists)
        assert caught.value.side == 'destination'
        assert os.listdir(target) == []

    @pytest.mark.parametrize('if_exists', ['fail', 'in_place'])
    def test_a_fifo_that_nobody_reads(self, place, source, if_exists):
        """An error at once, and no waiting for a reader."""
        target = place / 'target'
        os.mkfifo(target)
        with pytest.raises(exception.ImageError):
            self.copy(source, target, if_exists)

    def test_a_character_device_in_place(self, source):
        with pytest.raises(exception.InvalidWriter):
            images.mover(source).copy(
                stores.open_writer('file:///dev/null', if_exists='in_place')
            )

    def test_nothing_in_place(self, place, source):
        with pytest.raises(exception.DestinationError) as caught:
            self.copy(source, place / 'target', 'in_place')
        assert caught.value.errno == errno.ENOENT
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('if_exists', ['fail', 'replace', 'in_place'])
    @pytest.mark.parametrize('parent', ['missing', 'source'])
    def test_no_directory(self, place, source, parent, if_exists):
        with pytest.raises(exception.DestinationError):
            self.copy(source, place / parent / 'target', if_exists)
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('if_exists', ['fail', 'replace', 'in_place'])
    def test_a_name_too_long_is_known_before_a_byte_is_read(
        self, place, source, monkeypatch, if_exists
    ):
        monkeypatch.setattr(
            file_store.FileSource, 'facet', lambda *args: pytest.fail('read')
        )
        with pytest.raises(exception.InvalidLocation):
            self.copy(source, place / ('x' * 256), if_exists)
        assert os.listdir(place) == ['source']

    def test_the_longest_name(self, place, source):
        for if_exists in ('fail', 'replace'):
            target = place / ('x' * 255)
            assert self.copy(source, target, if_exists).success
        assert sorted(os.listdir(place)) == ['source', 'x' * 255]

    def test_it_appears_in_the_middle(self, place, source, strategy):
        """Who was first stays; the copy does not overwrite it."""
        target = place / 'target'

        with pytest.raises(exception.DestinationExists) as caught:
            images.mover(source).copy(
                stores.open_writer(images.uri(target)),
                progress=once(lambda: target.write_bytes(b'first')),
                disabled=images.all_but(strategy),
            )

        assert caught.value.destination_state == 'untouched'
        assert target.read_bytes() == b'first'
        assert sorted(os.listdir(place)) == ['source', 'target']

    def test_the_directory_is_moved_in_the_middle(
        self, place, source, strategy
    ):
        """The image lands in the directory that was named at the start."""
        old, new = place / 'old', place / 'new'
        old.mkdir()

        def swap():
            old.rename(new)
            old.mkdir()

        result = images.mover(source).copy(
            stores.open_writer(images.uri(old / 'target')),
            progress=once(swap),
            disabled=images.all_but(strategy),
        )

        assert result.success
        assert os.listdir(old) == []
        assert (new / 'target').read_bytes() == source.read_bytes()


class TestSourceName:
    @staticmethod
    def copy(place, uri, image=None, config=None):
        return move.Mover(uri, config, image=image).copy(
            stores.open_writer(images.uri(place / 'target'))
        )

    def test_a_fifo_does_not_hang(self, place):
        os.mkfifo(place / 'fifo')
        with pytest.raises(exception.InvalidSource, match='FIFO'):
            self.copy(place, images.uri(place / 'fifo'))
        assert os.listdir(place) == ['fifo']

    def test_a_directory(self, place):
        (place / 'directory').mkdir()
        with pytest.raises(exception.InvalidSource, match='directory'):
            self.copy(place, images.uri(place / 'directory'))

    @pytest.mark.parametrize('device', ['/dev/zero', '/dev/null', '/dev/tty'])
    def test_a_character_device(self, place, device):
        with pytest.raises(exception.InvalidSource):
            self.copy(place, f'file://{device}')

    def test_a_socket(self, place):
        with socket.socket(socket.AF_UNIX) as listening:
            with contextlib.chdir(place):
                listening.bind('socket')
            with pytest.raises(exception.InvalidSource, match='socket'):
                self.copy(place, images.uri(place / 'socket'))

    @pytest.mark.parametrize(
        'path',
        ['/proc/cpuinfo', '/proc/self/status', '/sys/kernel/uevent_seqnum'],
    )
    def test_what_has_content_but_no_size(self, place, path):
        """Never an empty image, and a success at that."""
        with pytest.raises(exception.ImageError):
            self.copy(place, f'file://{path}')
        assert os.listdir(place) == []

    def test_nothing(self, place):
        with pytest.raises(exception.ImageNotFound) as caught:
            self.copy(place, images.uri(place / 'source'))
        assert caught.value.errno == errno.ENOENT

    def test_a_link_to_nothing(self, place):
        (place / 'link').symlink_to('nothing')
        with pytest.raises(exception.ImageNotFound):
            self.copy(place, images.uri(place / 'link'))

    def test_the_callers_own_link(self, place, source):
        (place / 'link').symlink_to(source)
        result = self.copy(place, images.uri(place / 'link'))
        assert result.success
        assert (place / 'target').read_bytes() == source.read_bytes()

    @pytest.mark.parametrize(
        'name',
        [
            b'a b',
            b'a%20b',
            b'100%',
            b'a?b#c',
            b'new\nline',
            '\u00fc\u2026\U0001f4be'.encode(),
            'u\u0308'.encode(),
            b'not \xff utf-8 \xfe',
        ],
    )
    def test_any_name_goes_round(self, place, name):
        content = images.noise(100)
        path = os.path.join(os.fsencode(place), name)
        with open(path, 'wb') as file:
            file.write(content)
        there = os.fsdecode(path) + 'copy'

        result = move.Mover(file_store.uri_for(os.fsdecode(path))).copy(
            stores.open_writer(file_store.uri_for(there))
        )

        assert result.success
        with open(there, 'rb') as file:
            assert file.read() == content
        assert os.fsencode(there) in [
            os.path.join(os.fsencode(place), one)
            for one in os.listdir(os.fsencode(place))
        ]


class TestUntrusted:
    """A location that the image's record names, not the caller."""

    @pytest.fixture
    def inside(self, place):
        """The directory that the operator configured."""
        directory = place / 'images'
        directory.mkdir()
        return directory

    @pytest.fixture
    def outside(self, place):
        """Directories beside it, of which one's name begins alike."""
        for name in ('images-of-others', 'secrets'):
            (place / name).mkdir()
            (place / name / 'secret').write_bytes(b'secret')
        return place / 'secrets' / 'secret'

    @staticmethod
    def copy(place, uri, config):
        return move.Mover(
            'some-id', config, image={'locations': [{'url': uri}]}
        ).copy(stores.open_writer(images.uri(place / 'target')))

    def denied(self, place, uri, config):
        with pytest.raises(exception.LocationDenied) as caught:
            self.copy(place, uri, config)
        assert caught.value.side == 'source'
        assert not (place / 'target').exists()

    def test_inside_is_read(self, place, inside):
        (inside / 'image').write_bytes(b'image')
        result = self.copy(
            place,
            images.uri(inside / 'image'),
            {'filesystem_store_datadir': str(inside)},
        )
        assert result.success
        assert (place / 'target').read_bytes() == b'image'

    def test_inside_of_several(self, place, inside):
        (inside / 'image').write_bytes(b'image')
        result = self.copy(
            place,
            images.uri(inside / 'image'),
            {
                'filesystem_store_datadirs': [
                    f'{place / "elsewhere"}:100',
                    f'{inside}:200',
                ]
            },
        )
        assert result.success

    def test_a_configured_link_counts_for_its_end(self, place, inside):
        (inside / 'image').write_bytes(b'image')
        link = place / 'link'
        link.symlink_to(inside)
        result = self.copy(
            place,
            images.uri(inside / 'image'),
            {'filesystem_store_datadir': str(link)},
        )
        assert result.success

    @pytest.mark.parametrize(
        'uri',
        [
            'file://{place}/secrets/secret',
            'filesystem://{place}/secrets/secret',
            'FILE://{place}/secrets/secret',
            'file://{place}/images/../secrets/secret',
            'file://{place}/images/%2e%2e/secrets/secret',
            'file://{place}/images/%2E%2E%2Fsecrets%2Fsecret',
            'file://{place}/images/..%2f/secrets/secret',
            'file://{place}/images-of-others/secret',
            'file://{place}/images/link',
            'file://{place}/images/chain',
            'file://{place}/images/directory/secret',
            'file:///etc/passwd',
            'file:///proc/self/environ',
        ],
    )
    def test_outside_is_not(self, place, inside, outside, uri):
        (inside / 'link').symlink_to(outside)
        (inside / 'chain').symlink_to('link')
        (inside / 'directory').symlink_to(outside.parent)
        self.denied(
            place,
            uri.format(place=place),
            {'filesystem_store_datadir': str(inside)},
        )

    def test_without_a_directory_nothing_is(self, place, outside):
        self.denied(place, images.uri(outside), None)

    @pytest.mark.parametrize('name', ['fifo', 'directory'])
    def test_outside_is_denied_before_it_is_called_wrong(
        self, place, inside, name
    ):
        os.mkfifo(place / 'fifo')
        (place / 'directory').mkdir()
        self.denied(
            place,
            images.uri(place / name),
            {'filesystem_store_datadir': str(inside)},
        )

    def test_outside_is_not_even_opened(self, place, inside):
        """To open a device or a FIFO may do something already."""
        fifo = place / 'fifo'
        os.mkfifo(fifo)
        (inside / 'link').symlink_to(fifo)
        met = threading.Event()

        def meet():
            with fifo.open('wb'):  # waits for a reader
                met.set()

        writer = threading.Thread(target=meet)
        writer.start()
        config = {'filesystem_store_datadir': str(inside)}
        try:
            time.sleep(0.05)  # until it waits
            self.denied(place, images.uri(fifo), config)
            self.denied(place, images.uri(inside / 'link'), config)
            assert not met.wait(0.2)
        finally:
            reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            writer.join()
            os.close(reader)

    def test_it_does_not_spoil_the_callers_own(
        self, place, inside, source, outside
    ):
        result = move.Mover(
            images.uri(source),
            {'filesystem_store_datadir': str(inside)},
            image={'locations': [{'url': images.uri(outside)}]},
        ).copy(stores.open_writer(images.uri(place / 'target')))

        assert result.success
        assert (place / 'target').read_bytes() == source.read_bytes()
        assert any(
            'filesystem_store_datadir' in str(refusal)
            for refusal in result.refusals
        )


class TestSameFile:
    """Whichever way it is named, an image is not copied onto itself."""

    @pytest.fixture(params=['itself', 'hard link', 'symbolic link'])
    def other(self, request, source):
        if request.param == 'itself':
            return source
        other = source.with_name('other')
        if request.param == 'hard link':
            other.hardlink_to(source)
        else:
            other.symlink_to(source)
        return other

    @pytest.mark.parametrize('at', [0, 4096, MiB, SIZE])
    def test_into_an_open_file(self, source, other, at):
        before = source.read_bytes()

        with other.open('r+b') as writer:
            writer.seek(at)
            result = images.mover(source).copy(writer)
            assert writer.tell() == at

        assert tuple(result) == (False, 0)
        assert all(
            'same file' in reason for reason in images.reasons(result).values()
        )
        assert source.read_bytes() == before

    def test_the_other_way_round(self, source, other):
        before = source.read_bytes()
        with source.open('r+b') as writer:
            result = images.mover(other).copy(writer)
        assert tuple(result) == (False, 0)
        assert source.read_bytes() == before

    def test_appended(self, source, other):
        with other.open('ab') as writer:
            result = images.mover(source).copy(writer)
        assert tuple(result) == (False, 0)
        assert source.stat().st_size == SIZE

    def test_in_place(self, source):
        before = source.read_bytes()
        result = images.mover(source).copy(
            stores.open_writer(images.uri(source), if_exists='in_place')
        )
        assert tuple(result) == (False, 0)
        assert source.read_bytes() == before

    def test_replaced_by_itself(self, source, other, strategy):
        """Not the same file any more, but the same bytes."""
        before = source.read_bytes()
        result = images.mover(source).copy(
            stores.open_writer(images.uri(other), if_exists='replace'),
            disabled=images.all_but(strategy),
        )
        assert result.success
        assert other.read_bytes() == before

    def test_a_device(self, block_device):
        with block_device.open('r+b') as writer:
            result = images.mover(block_device).copy(writer)
        assert tuple(result) == (False, 0)

    def test_truncated_by_the_caller_it_is_an_empty_image(self, source):
        """open('wb') has emptied it before we hear of it."""
        with source.open('wb') as writer:
            result = images.mover(source).copy(writer)
        assert tuple(result) == (False, 0)


def test_too_many_open_files(place, source):
    """However few descriptors are left: done, or an error of its kind."""
    program = textwrap.dedent(
        """
        import errno
        import os
        import resource
        import sys

        from oslo_image import exception, move, stores

        source, target = sys.argv[1:]

        def copy(disabled=()):
            return move.Mover('file://' + source).copy(
                stores.open_writer('file://' + target), disabled=disabled
            )

        strategies = ('reflink', 'kernel_copy', 'parallel', 'stream')
        assert copy().success  # what is imported late is in by now
        os.unlink(target)
        before = set(os.listdir('/proc/self/fd'))
        highest = max(map(int, before))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        outcomes = set()
        for strategy in strategies:
            others = [one for one in strategies if one != strategy]
            for free in range(12):
                limit = highest + free, hard
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
                try:
                    outcome = copy(others).success
                except exception.ImageError as error:
                    assert error.errno == errno.EMFILE, error
                    assert error.side, error
                    outcome = error.side
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                outcomes.add((strategy, outcome))
                assert os.path.lexists(target) is (outcome is True)
                if outcome is True:
                    os.unlink(target)
                assert set(os.listdir('/proc/self/fd')) <= before
                assert os.listdir(os.path.dirname(target)) == ['source']
        for strategy in strategies:
            assert (strategy, True) in outcomes, outcomes
            assert (strategy, 'source') in outcomes, outcomes
            assert (strategy, 'destination') in outcomes, outcomes
        """
    )
    done = subprocess.run(
        [sys.executable, '-c', program, source, place / 'target'],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def unprivileged(function):
    """Call a function in a process without root's rights."""
    if os.geteuid() != 0:
        return function()
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                answer = True, function()
            except exception.ImageError as error:
                answer = False, (type(error), str(error), vars(error))
            with open(write_end, 'wb') as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(write_end)
    with open(read_end, 'rb') as pipe:
        good, value = pickle.load(pipe)
    os.waitpid(child, 0)
    if good:
        return value
    kind, text, state = value
    error = kind(text)
    vars(error).update(state)
    raise error


class TestForbidden:
    @pytest.fixture
    def place(self):
        """A directory that everybody reaches; pytest's own are private."""
        with tempfile.TemporaryDirectory() as path:
            os.chmod(path, 0o755)
            yield pathlib.Path(path)

    @pytest.fixture
    def closed(self, place):
        """A directory in which only its owner may write."""
        directory = place / 'closed'
        directory.mkdir(mode=0o755)
        if os.geteuid() != 0:
            directory.chmod(0o555)
        yield directory
        assert os.listdir(directory) in ([], ['old'])
        directory.chmod(0o755)

    @pytest.fixture
    def readable(self, source):
        source.chmod(0o644)
        # What is imported late is in the process before it loses its rights.
        images.mover(source).copy(
            stores.open_writer(images.uri(source.with_name('warm')))
        )
        source.with_name('warm').unlink()
        return source

    @pytest.mark.parametrize('if_exists', ['fail', 'replace'])
    def test_the_directory_is_read_only(self, readable, closed, if_exists):
        def copy():
            images.mover(readable).copy(
                stores.open_writer(
                    images.uri(closed / 'target'), if_exists=if_exists
                )
            )

        with pytest.raises(exception.PermissionDenied) as caught:
            unprivileged(copy)

        assert caught.value.errno == errno.EACCES
        assert caught.value.side == 'destination'
        assert caught.value.destination_state == 'untouched'

    def test_the_file_is_read_only_in_place(self, readable, closed):
        target = closed / 'old'
        target.write_bytes(b'old')
        target.chmod(0o444)

        def copy():
            images.mover(readable).copy(
                stores.open_writer(images.uri(target), if_exists='in_place')
            )

        with pytest.raises(exception.PermissionDenied) as caught:
            unprivileged(copy)
        assert caught.value.side == 'destination'
        assert target.read_bytes() == b'old'

    def test_the_source_is_not_ours(self, place, readable):
        place.chmod(0o777)
        readable.chmod(0o600 if os.geteuid() == 0 else 0)

        def copy():
            images.mover(readable).copy(
                stores.open_writer(images.uri(place / 'target'))
            )

        with pytest.raises(exception.PermissionDenied) as caught:
            unprivileged(copy)

        assert caught.value.side == 'source'
        assert os.listdir(place) == ['source']

    def test_a_copy_without_rights_of_root(self, place, readable):
        """Linking a nameless file into place wants none."""
        place.chmod(0o777)

        def copy():
            return [
                images.mover(readable)
                .copy(
                    stores.open_writer(
                        images.uri(place / 'target'), if_exists=if_exists
                    )
                )
                .success
                for if_exists in ('fail', 'replace')
            ]

        assert unprivileged(copy) == [True, True]
        assert (place / 'target').read_bytes() == readable.read_bytes()

    def test_the_filesystem_is_read_only(self, source, tmp_path):
        with policy.provided(filesystems.tmpfs(MiB, tmp_path)) as root:
            filesystems._as_root('mount', '-o', 'remount,ro', str(root))
            with pytest.raises(exception.PermissionDenied) as caught:
                images.mover(source).copy(
                    stores.open_writer(images.uri(root / 'target'))
                )
            assert caught.value.side == 'destination'


class TestAtOnce:
    """Several copies to one name, all of them in the middle together."""

    COUNT = 6

    def race(self, place, if_exists, strategy):
        barrier = threading.Barrier(self.COUNT, timeout=30)
        outcomes = [None] * self.COUNT
        contents = [images.noise(MiB, seed) for seed in range(self.COUNT)]

        def copy(number):
            source = place / f'source{number}'
            source.write_bytes(contents[number])
            try:
                outcomes[number] = images.mover(source).copy(
                    stores.open_writer(
                        images.uri(place / 'target'), if_exists=if_exists
                    ),
                    progress=once(barrier.wait),
                    disabled=images.all_but(strategy),
                )
            except exception.ImageError as error:
                outcomes[number] = error
            source.unlink()

        threads = [
            threading.Thread(target=copy, args=[number])
            for number in range(self.COUNT)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert os.listdir(place) == ['target']
        found = (place / 'target').read_bytes()
        winners = [
            number
            for number, outcome in enumerate(outcomes)
            if isinstance(outcome, move.CopyResult)
        ]
        return winners, outcomes, contents.index(found)

    @pytest.fixture(params=['nameless', 'named', 'no links'])
    def kind(self, request, monkeypatch):
        """What the filesystem knows: nameless files, links, neither."""
        if request.param != 'nameless':
            without_nameless_files(monkeypatch)
        if request.param == 'no links':
            without_links(monkeypatch)

    def test_exactly_one_wins(self, place, strategy, kind):
        winners, outcomes, found = self.race(place, 'fail', strategy)

        assert winners == [found]
        for number, outcome in enumerate(outcomes):
            if number != found:
                assert isinstance(outcome, exception.DestinationExists)
                assert outcome.destination_state == 'untouched'

    def test_the_last_to_replace_stays(self, place, strategy, kind):
        winners, _, found = self.race(place, 'replace', strategy)

        assert winners == list(range(self.COUNT))
        assert 0 <= found < self.COUNT


def without_nameless_files(monkeypatch):
    """Be a filesystem without O_TMPFILE, as vfat and many of FUSE's are."""
    real = os.open

    def opening(path, flags, *arguments, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            number = errno.EOPNOTSUPP
            raise OSError(number, os.strerror(number))
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, 'open', opening)


def without_links(monkeypatch):
    """Be a filesystem without hard links, as vfat is."""

    def link(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, 'link', link)


class TestPlainFilesystem:
    """Without O_TMPFILE a temporary name stands beside the final one."""

    @pytest.fixture(autouse=True, params=['links', 'no links'])
    def old(self, request, monkeypatch, source):
        without_nameless_files(monkeypatch)
        if request.param == 'no links':
            without_links(monkeypatch)

    @pytest.fixture(params=['fail', 'replace'])
    def if_exists(self, request):
        return request.param

    def copy(self, place, source, if_exists, **more):
        return images.mover(source).copy(
            stores.open_writer(
                images.uri(place / 'target'), if_exists=if_exists
            ),
            **more,
        )

    def test_it_arrives(self, place, source, if_exists, strategy):
        result = self.copy(
            place, source, if_exists, disabled=images.all_but(strategy)
        )

        assert result.success
        assert (place / 'target').read_bytes() == source.read_bytes()
        assert sorted(os.listdir(place)) == ['source', 'target']

    def test_the_temporary_name_is_known_by_its_marker(
        self, place, source, if_exists
    ):
        names = []
        self.copy(
            place,
            source,
            if_exists,
            zero_copy='avoid',
            progress=lambda *call: names.extend(os.listdir(place)),
        )
        (name,) = set(names) - {'source'}
        assert name.startswith('.target.oslo-image-')

    def test_a_failure_leaves_nothing(self, place, source, if_exists):
        with pytest.raises(exception.SourceChanged):
            self.copy(
                place,
                source,
                if_exists,
                zero_copy='avoid',
                progress=once(lambda: grow(source)),
            )
        assert os.listdir(place) == ['source']

    def test_the_old_one_stays(self, place, source, if_exists):
        (place / 'target').write_bytes(b'old')
        kind = (
            exception.DestinationExists
            if if_exists == 'fail'
            else exception.SourceChanged
        )
        with pytest.raises(kind):
            self.copy(
                place,
                source,
                if_exists,
                zero_copy='avoid',
                progress=once(lambda: grow(source)),
            )
        assert (place / 'target').read_bytes() == b'old'
        assert sorted(os.listdir(place)) == ['source', 'target']

    def test_what_cannot_be_removed_is_named(
        self, place, source, if_exists, monkeypatch
    ):
        def unlink(*arguments, **options):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def fail():
            monkeypatch.setattr(os, 'unlink', unlink)
            grow(source)

        with pytest.raises(exception.SourceChanged) as caught:
            self.copy(
                place,
                source,
                if_exists,
                zero_copy='avoid',
                progress=once(fail),
            )
        monkeypatch.undo()

        (left,) = set(os.listdir(place)) - {'source'}
        assert caught.value.__notes__ == [f'left behind: {place / left}']


class TestKilledWithATemporaryName:
    """It stays for the next writer of the same name, which removes it."""

    @pytest.fixture(params=['nameless', 'named'])
    def left(self, request, place, source, monkeypatch):
        """Die between naming the new file and replacing the old one."""
        if request.param == 'named':
            without_nameless_files(monkeypatch)
        child = os.fork()
        if not child:
            try:
                os.replace = lambda *args, **options: os.kill(
                    os.getpid(), signal.SIGKILL
                )
                self.copy(place, source, 'replace')
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        (left,) = set(os.listdir(place)) - {'source'}
        return left

    @staticmethod
    def copy(place, source, if_exists):
        return images.mover(source).copy(
            stores.open_writer(
                images.uri(place / 'target'), if_exists=if_exists
            ),
            zero_copy='avoid',
        )

    def test_it_is_gone_after_the_next_copy(self, place, source, left):
        assert self.copy(place, source, 'replace').success
        assert sorted(os.listdir(place)) == ['source', 'target']

    def test_it_is_gone_though_the_next_copy_fails(self, place, source, left):
        with (
            stores.open_writer(
                images.uri(place / 'target'), if_exists='replace'
            ) as writer,
        ):
            writer.write(b'never to be committed')
        assert os.listdir(place) == ['source']

    def test_those_of_others_stay(self, place, source, left):
        others = {'.other.oslo-image-0123', '.target.other', 'x' + left}
        for other in others:
            (place / other).write_bytes(b'')

        assert self.copy(place, source, 'replace').success

        assert set(os.listdir(place)) == {'source', 'target', *others}

    @pytest.mark.parametrize('nameless', [True, False])
    def test_who_still_writes_is_left_alone(
        self, place, source, monkeypatch, nameless
    ):
        if not nameless:
            without_nameless_files(monkeypatch)
        target = images.uri(place / 'target')
        with stores.open_writer(target, if_exists='replace') as writer:
            writer.write(b'slow')
            assert self.copy(place, source, 'replace').success
            writer.write(b' writer')
            writer.commit()
        assert (place / 'target').read_bytes() == b'slow writer'
        assert sorted(os.listdir(place)) == ['source', 'target']


class TestInterrupted:
    """KeyboardInterrupt, at the moments that matter."""

    @pytest.fixture
    def interrupt(self):
        """Raise it as a terminal does."""
        old = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield lambda: os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, old)

    def test_in_the_middle(self, copied, source, strategy, interrupt):
        with pytest.raises(KeyboardInterrupt) as caught:
            copied.copy(source, strategy=strategy, progress=once(interrupt))
        copied.assert_as_before(caught.value, 'source')

    @pytest.mark.parametrize('strategy', images.STRATEGIES)
    @pytest.mark.parametrize('old', [None, b'old'])
    @pytest.mark.parametrize(
        'call', ['open', 'fsync', 'link', 'replace', 'rename', 'ftruncate']
    )
    @pytest.mark.parametrize('nameless', [True, False])
    @pytest.mark.parametrize('when', ['before', 'after'])
    def test_around_any_call(
        self, place, source, monkeypatch, strategy, old, call, nameless, when
    ):
        """Old, or new; and nothing beside it."""
        target = place / 'target'
        if old is not None:
            target.write_bytes(old)
        if not nameless:
            without_nameless_files(monkeypatch)
        real = getattr(os, call)

        def interrupted(*arguments, **options):
            if when == 'after' and call != 'open':
                real(*arguments, **options)
            elif when == 'after':
                # The descriptor itself is lost, as it is with a signal.
                fd = real(*arguments, **options)
                if not arguments[1] & os.O_RDWR:
                    return fd
                os.close(fd)
            elif call == 'open' and not arguments[1] & os.O_RDWR:
                return real(*arguments, **options)
            raise KeyboardInterrupt

        monkeypatch.setattr(os, call, interrupted)
        with contextlib.suppress(KeyboardInterrupt):
            images.mover(source).copy(
                stores.open_writer(
                    images.uri(target),
                    if_exists='fail' if old is None else 'replace',
                ),
                disabled=images.all_but(strategy),
            )
        monkeypatch.undo()

        assert set(os.listdir(place)) <= {'source', 'target'}
        found = target.read_bytes() if target.exists() else None
        assert found in (old, source.read_bytes())
