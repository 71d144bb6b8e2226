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

"""Who reads, who hashes and who writes do so at the same time.

They meet at barriers, in midst of their work. One that came alone would wait
for ever, and a deadline makes that a failure.
"""

import hashlib
import threading

import pytest

from oslo_image import exception, move
from oslo_image.move.strategies import parallel
from oslo_image.testing.memory import MemorySource, MemoryWriter

MiB = 1 << 20
DEADLINE = 20


class Meetings:
    """Those of the same name wait for each other, whoever they are.

    :param parties: how many are to come.
    """

    def __init__(self, parties):
        self._parties = parties
        self._lock = threading.Lock()
        self._barriers = {}

    def wait(self, name):
        with self._lock:
            barrier = self._barriers.setdefault(
                name, threading.Barrier(self._parties, timeout=DEADLINE)
            )
        barrier.wait()

    def held(self):
        """Return the names under which somebody came."""
        return set(self._barriers)


class MeetingSource(MemorySource):
    def __init__(self, content, meet, **more):
        super().__init__(content, **more)
        self._meet = meet

    def read_into(self, offset, buffer):
        self._meet(offset)
        return super().read_into(offset, buffer)


class MeetingWriter(MemoryWriter):
    def __init__(self, meet, **more):
        super().__init__(**more)
        self._meet = meet

    def put(self, offset, data):
        self._meet(offset)
        super().put(offset, data)


class MeetingVerifier:
    def __init__(self, meet):
        self._meet = meet
        self._offset = 0
        self.digest = hashlib.sha256()

    def update(self, data):
        self._meet(self._offset)
        self._offset += len(data)
        self.digest.update(data)


class TestStream:
    COUNT = 12
    #: The first bytes are looked at before any is written.
    FIRST = 1

    def among(self, number):
        return self.FIRST <= number < self.COUNT

    @pytest.mark.parametrize('ahead', [1, 2])
    @pytest.mark.parametrize('ranged', [True, False])
    def test_reads_ahead_of_what_is_written(self, shelf, ahead, ranged):
        """Bytes n are being written and n + ahead are being read, at once."""
        meetings = Meetings(2)

        def read(offset):
            if self.among(offset // MiB - ahead):
                meetings.wait(offset // MiB - ahead)

        def write(offset):
            if self.among(offset // MiB):
                meetings.wait(offset // MiB)

        # One more, for the last to be read ahead of.
        content = bytes((self.COUNT + ahead) * MiB)
        writer = MeetingWriter(
            lambda offset: (
                write(offset) if offset // MiB < self.COUNT else None
            )
        )
        shelf['a'] = MeetingSource(content, read, ranged=ranged)
        result = move.Mover('shelf://a').copy(writer, disabled=['parallel'])

        assert tuple(result) == (True, len(content))
        assert meetings.held() == set(range(self.FIRST, self.COUNT))

    def test_reads_hashes_and_writes_at_once(self, shelf):
        """Three threads, three pieces of work, one moment: for each MiB."""
        meetings = Meetings(3)
        threads = {}

        def comes(who, number):
            if self.among(number):
                threads.setdefault(who, set()).add(threading.get_ident())
                meetings.wait(number)

        content = hashlib.shake_128(b'x').digest((self.COUNT + 1) * MiB)
        shelf['a'] = MeetingSource(
            content, lambda offset: comes('reader', offset // MiB - 1)
        )
        verifier = MeetingVerifier(
            lambda offset: comes('hasher', offset // MiB)
        )
        writer = MeetingWriter(lambda offset: comes('writer', offset // MiB))

        result = move.Mover('shelf://a').copy(
            writer, verifier=verifier, disabled=['parallel']
        )

        assert tuple(result) == (True, len(content))
        assert writer.published == content
        assert verifier.digest.digest() == hashlib.sha256(content).digest()
        assert meetings.held() == set(range(self.FIRST, self.COUNT))
        # The writer is called by the thread that called for the copy.
        assert threads['writer'] == {threading.get_ident()}
        assert [len(one) for one in threads.values()] == [1, 1, 1]
        assert len(set.union(*threads.values())) == 3

    def test_reads_only_so_far_ahead(self, shelf):
        """While nobody writes, reading ends after a few buffers."""
        furthest = 0
        reached = []

        def read(offset):
            nonlocal furthest
            furthest = max(furthest, offset // MiB)

        shelf['a'] = MeetingSource(bytes(self.COUNT * MiB), read)
        writer = MeetingWriter(
            lambda offset: reached.append(furthest - offset // MiB)
        )
        move.Mover('shelf://a').copy(writer, disabled=['parallel'])

        assert len(reached) == self.COUNT
        assert max(reached) <= 4


class TestParallel:
    SPAN = 64 * 1024
    ROUNDS = 5

    @pytest.fixture(autouse=True)
    def small_spans(self, monkeypatch):
        monkeypatch.setattr(parallel, '_BATCH', self.SPAN)
        monkeypatch.setattr(parallel, '_BUFFER', self.SPAN)

    @pytest.mark.parametrize('workers', [1, 2, 4, 9, 64])
    @pytest.mark.parametrize('needs', [{}, {'verify': 'always'}], ids=str)
    @pytest.mark.parametrize('where', ['reads', 'writes'])
    def test_so_many_are_in_flight(self, shelf, workers, needs, where):
        """All the time: each of them waits until all are there."""
        barrier = threading.Barrier(workers, timeout=DEADLINE)
        count = workers * self.ROUNDS
        met = []

        def meet(offset):
            barrier.wait()
            met.append(offset)

        content = hashlib.shake_128(b'y').digest(count * self.SPAN)
        if where == 'reads':
            shelf['a'] = MeetingSource(content, meet, chunk=self.SPAN)
            writer = MemoryWriter()
        else:
            shelf['a'] = MemorySource(content, chunk=self.SPAN)
            writer = MeetingWriter(meet)

        result = move.Mover(
            'shelf://a', {'oslo_image': {'parallel_requests': workers}}
        ).copy(writer, disabled=['stream'], **needs)

        assert tuple(result) == (True, len(content))
        assert writer.published == content
        assert sorted(met) == list(range(0, len(content), self.SPAN))

    @pytest.mark.parametrize('workers', [1, 3])
    def test_no_more_are(self, shelf, workers):
        lock = threading.Lock()
        running = most = 0

        class Counting(MemorySource):
            def read_into(self, offset, buffer):
                nonlocal running, most
                with lock:
                    running += 1
                    most = max(most, running)
                try:
                    return super().read_into(offset, buffer)
                finally:
                    with lock:
                        running -= 1

        shelf['a'] = Counting(bytes(200 * self.SPAN), chunk=self.SPAN)
        move.Mover(
            'shelf://a', {'oslo_image': {'parallel_requests': workers}}
        ).copy(MemoryWriter())

        assert most <= workers

    @pytest.mark.parametrize('where', ['reads', 'writes'])
    def test_one_that_fails_ends_the_others(self, shelf, where):
        """None waits for the deadline, and none begins again."""
        workers = 4
        barrier = threading.Barrier(workers, timeout=DEADLINE)
        begun = []

        def meet(offset):
            begun.append(offset)
            if len(begun) <= workers:
                barrier.wait()
            if offset == self.SPAN:
                raise exception.NoSpace('full', side='destination')

        content = bytes([1]) * (200 * self.SPAN)
        shelf['a'] = MeetingSource(
            content,
            meet if where == 'reads' else lambda offset: None,
            chunk=self.SPAN,
        )
        writer = MeetingWriter(
            meet if where == 'writes' else lambda offset: None
        )
        with pytest.raises(exception.NoSpace) as caught:
            move.Mover('shelf://a').copy(writer, disabled=['stream'])

        assert caught.value.destination_state == 'untouched'
        assert len(begun) <= 4 * workers
