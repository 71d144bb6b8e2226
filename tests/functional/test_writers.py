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

"""Whatever a caller hands over as a writer."""

import errno
import io
import os
import threading
import types

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores import file as file_store
from tests.functional import images, writers
from tests.functional.images import KiB, MiB

SIZE = 4 * MiB + 123


@pytest.fixture
def source(place):
    return images.holey(place / 'source', SIZE)


@pytest.fixture
def image(source):
    return source.read_bytes()


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

    @writers.by(images.STRATEGIES)
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

    @writers.by(images.STRATEGIES)
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

    @writers.by(images.COPYING)
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

    @writers.by(images.STRATEGIES)
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
