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

"""What must hold when reading or writing a local file goes wrong.

The destination is absent, as before, or complete; nothing is left over; and
the error says what happened on which side.
"""

import errno
import os
import signal

import pytest

from oslo_image import exception, stores
from tests.functional import images
from tests.functional.faulty import (
    grow,
    once,
    rewrite,
    shrink,
    vanish,
)
from tests.functional.images import SIZE, KiB, MiB
from tests.servers import filesystems, policy

pytestmark = pytest.mark.usefixtures('nothing_stays_open')


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
        #: Whether anything of the image was there when the fault came.
        self.written = True

    def look(self):
        """Note whether anything of the image has been written."""
        if self.how == 'file':
            self.written = self.target.stat().st_size > len(self.HEAD)

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
            allowed = {'untouched'} if self.how == 'uri' else {'restored'}
            if self.how == 'file' and not self.written:
                allowed.add('untouched')
            assert error.destination_state in allowed


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


class TestSourceChanges:
    @pytest.mark.parametrize('change', [shrink, vanish, grow, rewrite])
    def test_in_the_middle_of_a_copy(self, copied, source, strategy, change):
        def fault():
            copied.look()
            change(source)

        with pytest.raises(exception.SourceChanged) as caught:
            copied.copy(source, strategy=strategy, progress=once(fault))

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


class TestInterrupted:
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
