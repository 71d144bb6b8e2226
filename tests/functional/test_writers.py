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

"""Whatever a caller hands over as a writer, and all that it may demand."""

import contextlib
import errno
import hashlib
import io
import os
import threading
import types

import pytest

from oslo_image import exception, move, stores
from oslo_image.move import pacer
from oslo_image.stores import file as file_store
from tests.clock import Clock
from tests.functional import images, writers
from tests.functional.images import KiB, MiB

SIZE = 4 * MiB + 123


@pytest.fixture
def source(place):
    return images.holey(place / 'source', SIZE)


@pytest.fixture
def image(source):
    return source.read_bytes()


def by(strategies, kinds=writers.KINDS):
    """Parametrize by every kind of writer and each of some strategies."""
    return pytest.mark.parametrize(
        ('kind', 'strategy'),
        [
            pytest.param(kind, strategy, id=f'{kind.__name__}-{strategy}')
            for kind, offered in kinds.items()
            for strategy in offered
            if strategy in strategies
        ],
    )


def expected(target, image):
    """Return what the writer's side holds after a copy."""
    replaced = len(image) if target.overwrites is None else target.overwrites
    return target.before + image + target.behind[replaced:]


class TestEveryWriter:
    @pytest.mark.parametrize(
        'kind', writers.KINDS, ids=lambda kind: kind.__name__
    )
    def test_has_the_paths_that_it_bears(self, place, source, kind):
        with kind(place) as target:
            plan = images.mover(source).plan(target.writer)
            content = target.content()

        found = tuple(offer.strategy for offer in plan.offers)
        assert found == writers.KINDS[kind]
        # A gap before the position is nothing that was there.
        assert content == (target.before + target.behind).rstrip(b'\0')

    @by(images.STRATEGIES)
    def test_gets_the_image(self, place, source, image, kind, strategy):
        seen = []
        with kind(place) as target:
            result = images.mover(source).copy(
                target.writer,
                disabled=images.all_but(strategy),
                progress=lambda *call: seen.append(call),
            )
            position = target.writer.tell() if target.position else None
            content = target.content()

        reflink = strategy == 'reflink'
        assert tuple(result) == (True, 0 if reflink else SIZE)
        assert (result.strategy, result.zero_copy) == (strategy, reflink)
        assert content == expected(target, image)
        if target.position:
            assert position == len(target.before) + SIZE
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert seen[-1] == (SIZE, SIZE)
        assert {total for _, total in seen} == {SIZE}

    @by(images.STRATEGIES)
    def test_is_as_it_was_after_a_failure_or_says_not(
        self, place, source, monkeypatch, kind, strategy
    ):
        def changed(self):
            raise exception.SourceChanged('it has changed', side='source')

        monkeypatch.setattr(file_store.FileSource, 'check_unchanged', changed)
        with kind(place) as target:
            with pytest.raises(exception.SourceChanged) as caught:
                images.mover(source).copy(
                    target.writer, disabled=images.all_but(strategy)
                )
            if target.position and target.state == 'restored':
                assert target.writer.tell() == len(target.before)
            content = target.content()

        assert caught.value.destination_state == target.state
        assert caught.value.strategy == strategy
        if target.state == 'restored':
            assert content == target.before.rstrip(b'\0')
        else:
            assert content.startswith(target.before)

    @by(images.COPYING)
    def test_is_untouched_when_cancelled_before(
        self, place, source, kind, strategy
    ):
        cancel = threading.Event()
        cancel.set()
        with kind(place) as target:
            with pytest.raises(exception.Cancelled) as caught:
                images.mover(source).copy(
                    target.writer,
                    cancel=cancel,
                    disabled=images.all_but(strategy),
                )
            content = target.content()

        assert caught.value.destination_state == 'untouched'
        assert content == (target.before + target.behind).rstrip(b'\0')

    @pytest.mark.parametrize(
        'kind', writers.KINDS, ids=lambda kind: kind.__name__
    )
    def test_takes_an_empty_image(self, place, kind):
        empty = images.make(place / 'empty', 0, {})
        with kind(place) as target:
            result = images.mover(empty).copy(target.writer)
            content = target.content()

        assert tuple(result) == (True, 0)
        gap = target.before.rstrip(b'\0')
        assert content in (expected(target, b''), gap)

    @pytest.mark.parametrize(
        'kind', writers.KINDS, ids=lambda kind: kind.__name__
    )
    def test_takes_bytes_of_unknown_size(self, place, image, kind):
        with kind(place) as target:
            result = move.Mover('id', data=lambda: io.BytesIO(image)).copy(
                target.writer
            )
            position = target.writer.tell() if target.position else None
            content = target.content()

        assert tuple(result) == (True, SIZE)
        assert content == expected(target, image)
        if target.position:
            assert position == len(target.before) + SIZE

    @by(images.STRATEGIES)
    def test_takes_more_of_the_caller_afterwards(
        self, place, source, image, kind, strategy
    ):
        with kind(place) as target:
            images.mover(source).copy(
                target.writer, disabled=images.all_but(strategy)
            )
            tail = b'more of the caller'
            sent = target.writer.write(tail)
            tail = tail[:sent]
            content = target.content()

        assert content.startswith(target.before + image + tail)


@pytest.mark.parametrize('length', [10, 100 * KiB])
def test_all_bytes_have_left_a_buffer_when_the_copy_is_over(place, length):
    """Success is not for bytes that a later flush() may lose."""
    received = []

    class Raw(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            received.append(bytes(data))
            return len(data)

    source = images.make(place / 'source', length, {0: images.noise(length)})
    with io.BufferedWriter(Raw()) as writer:
        result = images.mover(source).copy(writer)
        assert b''.join(received) == source.read_bytes()
    assert result.success


def test_a_full_device_shows_in_the_last_flush(place):
    class Full(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = images.make(place / 'source', 10, {0: images.noise(10)})
    writer = io.BufferedWriter(Full())
    with pytest.raises(exception.NoSpace) as caught:
        images.mover(source).copy(writer)

    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match='No space'):
        writer.close()


class Failing(writers.Collector):
    """Takes so many bytes, and then raises."""

    def __init__(self, most, error):
        super().__init__(lambda length: length)
        self._left = most
        self._error = error

    def write(self, data):
        if not self._left:
            raise self._error
        taken = min(self._left, len(data))
        self._left -= taken
        self.pieces.append(bytes(data[:taken]))
        return taken


class TestAWriterThatFails:
    @pytest.mark.parametrize('at', [0, 1, MiB - 1, MiB, SIZE - 1])
    def test_by_an_os_error(self, source, image, at):
        writer = Failing(at, OSError(errno.ENOSPC, 'full'))

        with pytest.raises(exception.NoSpace) as caught:
            images.mover(source).copy(writer)

        error = caught.value
        assert (error.errno, error.offset) == (errno.ENOSPC, at)
        assert (error.side, error.strategy) == ('destination', 'stream')
        assert error.destination_state == 'modified'
        assert writer.content() == image[:at]

    def test_by_an_error_of_its_own(self, source):
        class OwnError(Exception):
            pass

        writer = Failing(MiB + 1, OwnError('mine'))
        with pytest.raises(OwnError, match='mine'):
            images.mover(source).copy(writer)

    def test_by_taking_no_more(self, source, image):
        writer = writers.Collector(lambda length: 0)

        with pytest.raises(exception.DestinationError, match='no more'):
            images.mover(source).copy(writer)

        assert len(writer.pieces) <= 3

    @pytest.mark.parametrize('answer', [-1, 1 << 40, 'all of it', 1.0])
    def test_by_an_answer_that_cannot_be(self, source, answer):
        class Lying:
            def write(self, data):
                return answer

        with pytest.raises(exception.InvalidWriter, match='answered'):
            images.mover(source).copy(Lying())

    def test_by_would_block_without_anything_to_wait_for(self, source):
        class Blocking(io.RawIOBase):
            def write(self, data):
                return None

            def writable(self):
                return True

        with pytest.raises(exception.DestinationError, match='would block'):
            images.mover(source).copy(Blocking())

    @pytest.mark.parametrize('strategy', writers.PIPE)
    def test_by_a_pipe_that_nobody_reads_any_more(self, source, strategy):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with open(write_end, 'wb', buffering=0) as writer:
            with pytest.raises(exception.DestinationError) as caught:
                images.mover(source).copy(
                    writer, disabled=images.all_but(strategy)
                )

        assert caught.value.errno == errno.EPIPE

    def test_by_a_device_that_is_always_full(self, source):
        with open('/dev/full', 'wb', buffering=0) as writer:
            with pytest.raises(exception.NoSpace):
                images.mover(source).copy(writer)

    @pytest.mark.parametrize('strategy', images.COPYING)
    def test_by_a_limit_to_its_size(self, place, source, strategy):
        """EFBIG leaves the file as long as it was."""
        import resource
        import signal

        old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MiB, hard))
        try:
            with (place / 'target').open('wb') as writer:
                writer.write(b'head')
                with pytest.raises(exception.NoSpace) as caught:
                    images.mover(source).copy(
                        writer, disabled=images.all_but(strategy)
                    )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, old)

        assert caught.value.errno == errno.EFBIG
        assert caught.value.destination_state == 'restored'
        assert (place / 'target').read_bytes() == b'head'


class TestNoWriter:
    @pytest.mark.parametrize(
        'thing',
        [None, 'a path', b'', 3, object(), types.SimpleNamespace(write=1)],
        ids=lambda thing: type(thing).__name__,
    )
    def test_without_write(self, source, thing):
        with pytest.raises(exception.InvalidWriter, match='no write') as one:
            images.mover(source).copy(thing)

        assert isinstance(one.value, TypeError)

    def test_a_text_file(self, place, source):
        with (place / 'target').open('w') as writer:
            with pytest.raises(exception.InvalidWriter, match='binary mode'):
                images.mover(source).copy(writer)

    def test_text_in_memory(self, source):
        with pytest.raises(exception.InvalidWriter, match='binary mode'):
            images.mover(source).copy(io.StringIO())

    @pytest.mark.parametrize('buffering', [-1, 0])
    def test_a_file_open_for_reading(self, source, buffering):
        with source.open('rb', buffering=buffering) as writer:
            with pytest.raises(exception.InvalidWriter, match='reading only'):
                images.mover(source).copy(writer)

    @pytest.mark.parametrize('buffering', [-1, 0])
    def test_a_closed_file(self, place, source, buffering):
        with (place / 'target').open('wb', buffering=buffering) as writer:
            pass
        with pytest.raises(exception.InvalidWriter, match='closed'):
            images.mover(source).copy(writer)

    def test_closed_memory(self, source):
        writer = io.BytesIO()
        writer.close()
        with pytest.raises(exception.InvalidWriter, match='closed'):
            images.mover(source).copy(writer)

    def test_a_store_writer_with_bytes_in_it(self, place, source):
        with stores.open_writer(images.uri(place / 'target')) as writer:
            writer.write(b'x')
            with pytest.raises(exception.InvalidWriter, match='used'):
                images.mover(source).copy(writer)
        assert os.listdir(place) == ['source']

    def test_a_store_writer_a_second_time(self, place, source, image):
        writer = stores.open_writer(images.uri(place / 'target'))
        images.mover(source).copy(writer)

        with pytest.raises(exception.InvalidWriter, match='used'):
            images.mover(source).copy(writer)

        assert (place / 'target').read_bytes() == image


class Recorder:
    """A verifier, as cursive's: all that it wants is update()."""

    def __init__(self):
        self.data = bytearray()

    def update(self, data):
        assert isinstance(data, bytes)
        self.data += data


class TestDemands:
    @by(('parallel', 'stream'))
    def test_a_digest_always(self, place, source, image, kind, strategy):
        with kind(place) as target:
            result = images.mover(source).copy(
                target.writer,
                verify='always',
                disabled=images.all_but(strategy),
            )

        digest = hashlib.sha512(image).hexdigest()
        assert result.digests == {'sha512': digest}
        assert result.digest_state == 'computed'
        assert not result.verified  # there was nothing to compare with

    @pytest.mark.parametrize('algorithm', ['md5', 'sha256', 'sha512'])
    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_a_declared_digest(
        self, place, source, image, strategy, algorithm
    ):
        digest = hashlib.new(algorithm, image).hexdigest()
        declared = {'os_hash_algo': algorithm, 'os_hash_value': digest}

        result = images.mover(source, image=declared).copy(
            stores.open_writer(images.uri(place / 'target')),
            verify='always',
            disabled=images.all_but(strategy),
        )

        assert result.verified
        assert result.digests == {algorithm: digest}

    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_a_wrong_digest_leaves_nothing(self, place, source, strategy):
        declared = {'os_hash_algo': 'sha256', 'os_hash_value': '0' * 64}

        with pytest.raises(exception.DigestMismatch) as caught:
            images.mover(source, image=declared).copy(
                stores.open_writer(images.uri(place / 'target')),
                disabled=images.all_but(strategy),
            )

        assert caught.value.destination_state == 'untouched'
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize(
        'demand', [{'verify': 'always'}, {'verifier': Recorder()}]
    )
    def test_who_wants_the_bytes_gets_no_path_without_them(
        self, place, source, demand
    ):
        plan = images.mover(source).plan(
            stores.open_writer(images.uri(place / 'target')), **demand
        )

        offered = [offer.strategy for offer in plan.offers]
        assert offered == ['parallel', 'stream']

    @by(('parallel', 'stream'))
    def test_a_verifier_gets_every_byte_in_order(
        self, place, source, image, kind, strategy
    ):
        verifier = Recorder()
        with kind(place) as target:
            result = images.mover(source).copy(
                target.writer,
                verifier=verifier,
                disabled=images.all_but(strategy),
            )

        assert result.success
        assert bytes(verifier.data) == image

    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_a_verifier_may_end_it(self, place, source, strategy):
        class Unsigned(Exception):
            pass

        class Verifier:
            def update(self, data):
                raise Unsigned

        with pytest.raises(Unsigned):
            images.mover(source).copy(
                stores.open_writer(images.uri(place / 'target')),
                verifier=Verifier(),
                disabled=images.all_but(strategy),
            )
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('strategy', images.COPYING)
    @pytest.mark.parametrize('how', ['uri', 'file'])
    def test_progress_may_end_it(self, place, source, strategy, how):
        class Enough(Exception):
            pass

        def progress(done, total):
            raise Enough

        target = place / 'target'
        with contextlib.ExitStack() as stack:
            if how == 'uri':
                writer = stores.open_writer(images.uri(target))
            else:
                writer = stack.enter_context(target.open('wb'))
            with pytest.raises(Enough):
                images.mover(source).copy(
                    writer,
                    progress=progress,
                    disabled=images.all_but(strategy),
                )
        if how == 'uri':
            assert os.listdir(place) == ['source']
        else:
            assert target.read_bytes() == b''

    @pytest.mark.parametrize('strategy', images.COPYING)
    @pytest.mark.parametrize('how', ['uri', 'file'])
    def test_cancelled_in_the_middle(self, place, strategy, how):
        size = 256 * MiB
        source = images.make(
            place / 'large', size, {0: images.noise(MiB) * 256}
        )
        cancel = threading.Event()
        seen = []

        def progress(done, total):
            seen.append(done)
            cancel.set()

        target = place / 'target'
        with contextlib.ExitStack() as stack:
            if how == 'uri':
                writer = stores.open_writer(images.uri(target))
            else:
                writer = stack.enter_context(target.open('wb'))
                writer.write(b'head')
            with pytest.raises(exception.Cancelled) as caught:
                images.mover(source).copy(
                    writer,
                    progress=progress,
                    cancel=cancel,
                    disabled=images.all_but(strategy),
                )
        assert seen[-1] <= 64 * MiB
        if how == 'uri':
            assert caught.value.destination_state == 'untouched'
            assert os.listdir(place) == ['large']
        else:
            assert caught.value.destination_state == 'restored'
            assert target.read_bytes() == b'head'

    def test_cancelled_while_the_rate_is_held_back(self, place, source):
        cancel = threading.Event()
        threading.Timer(0.1, cancel.set).start()

        # An hour and more, were it not for the event.
        with pytest.raises(exception.Cancelled):
            images.mover(source).copy(
                stores.open_writer(images.uri(place / 'target')),
                cancel=cancel,
                rate_limit=KiB,
                zero_copy='avoid',
            )
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('strategy', images.COPYING)
    def test_a_rate_limit(self, place, source, image, strategy, monkeypatch):
        clock = Clock()
        monkeypatch.setattr(pacer, 'time', clock)
        pace = []
        rate = 100 * KiB

        result = images.mover(source).copy(
            stores.open_writer(images.uri(place / 'target')),
            rate_limit=rate,
            progress=lambda done, total: pace.append((clock.now, done)),
            disabled=images.all_but(strategy),
        )

        assert result.success
        assert (place / 'target').read_bytes() == image
        assert clock.now == pytest.approx(result.bytes_moved / rate, rel=0.1)
        if strategy == 'stream':
            # At no moment far ahead: by a second's worth at the most.
            assert all(done <= rate * (at + 1) for at, done in pace)

    def test_a_rate_limit_does_not_forbid_a_clone(self, place, source):
        result = images.mover(source).copy(
            stores.open_writer(images.uri(place / 'target')), rate_limit=1
        )

        assert tuple(result) == (True, 0)

    @pytest.mark.parametrize('strategy', images.STRATEGIES)
    @pytest.mark.parametrize(
        ('config', 'demand'),
        [
            (None, {'max_size': SIZE - 1}),
            ({'image_size_cap': SIZE - 1}, {}),
            ({'image_size_cap': SIZE - 1}, {'max_size': SIZE}),
        ],
        ids=['max_size', 'image_size_cap', 'both'],
    )
    def test_too_large(self, place, source, strategy, config, demand):
        with (place / 'target').open('wb') as writer:
            with pytest.raises(exception.TooLarge) as caught:
                images.mover(source, config).copy(
                    writer, disabled=images.all_but(strategy), **demand
                )

        assert caught.value.destination_state == 'untouched'
        assert (place / 'target').read_bytes() == b''

    @pytest.mark.parametrize('strategy', images.STRATEGIES)
    def test_just_not_too_large(self, place, source, strategy):
        result = images.mover(source, {'image_size_cap': SIZE}).copy(
            stores.open_writer(images.uri(place / 'target')),
            max_size=SIZE,
            disabled=images.all_but(strategy),
        )

        assert result.success

    @by(('stream',))
    def test_too_large_where_the_size_is_not_known(
        self, place, image, kind, strategy
    ):
        """It shows in the middle, and not a byte past the limit is sent."""
        most = MiB + 17
        with kind(place) as target:
            with pytest.raises(exception.TooLarge) as caught:
                move.Mover('id', data=lambda: io.BytesIO(image)).copy(
                    target.writer, max_size=most
                )
            content = target.content()

        assert caught.value.destination_state == target.state
        if target.state == 'restored':
            assert content == target.before.rstrip(b'\0')
        else:
            got = content[len(target.before) :]
            assert image.startswith(got[: len(got) - len(target.behind)])
            assert len(got) <= max(most, len(target.behind))

    def test_too_large_a_disk_in_a_small_image(self, place):
        """The cap holds for what an image describes, on fast paths too."""
        import struct

        header = struct.pack(
            '>4sIQIIQIIQQIIQ',
            b'QFI\xfb',
            2,
            0,
            0,
            16,
            1 << 50,
            0,
            1,
            65536,
            131072,
            1,
            0,
            0,
        )
        source = images.make(place / 'source', MiB, {0: header})

        for strategy in images.STRATEGIES:
            with pytest.raises(exception.TooLarge, match='describes a disk'):
                images.mover(source, image={'disk_format': 'qcow2'}).copy(
                    stores.open_writer(images.uri(place / 'target')),
                    disabled=images.all_but(strategy),
                )
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('strategy', images.STRATEGIES)
    def test_switched_off_by_the_configuration(self, place, source, strategy):
        plan = images.mover(
            source, {'oslo_image': {'disabled_strategies': [strategy]}}
        ).plan(stores.open_writer(images.uri(place / 'target')))

        assert strategy not in [offer.strategy for offer in plan.offers]
        assert [refusal.strategy for refusal in plan.refusals] == [strategy]
