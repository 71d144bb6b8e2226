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

"""Statements about sources."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image import exception
from oslo_image.stores.base import fill
from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    drain,
    lacking,
    needs,
    pattern,
    read_at,
)


class ReadingConformance(Conformance):
    """A source gives exactly the bits of the version that was opened."""

    def test_absent_is_not_found_at_open(
        self, harness: Harness, name: str
    ) -> None:
        """What is not there is ImageNotFound when it is opened, not later."""
        with pytest.raises(exception.ImageNotFound):
            harness.open(name)

    def test_absent_has_no_size(self, harness: Harness, name: str) -> None:
        """What is not there is ImageNotFound to stat, never a size."""
        with pytest.raises(exception.ImageNotFound):
            harness.store.stat(harness.location(name), auth=harness.auth)

    def test_stream_gives_all_bytes(
        self, harness: Harness, name: str, size: int
    ) -> None:
        """A stream gives the bytes that were stored, then 0 for ever."""
        data = pattern(size)
        harness.store_image(name, data)
        with harness.open(name) as source:
            assert source.size == size
            reader = source.open_stream()
            assert drain(reader, 70_001) == data
            buffer = memoryview(bytearray(10))
            assert reader.readinto(buffer) == 0
            assert reader.readinto(buffer) == 0
            reader.close()
            source.check_unchanged()

    def test_stat_gives_the_size(
        self, harness: Harness, name: str, size: int
    ) -> None:
        """Stat gives the size in bytes; 0 is empty and None is unknown."""
        harness.store_image(name, pattern(size))
        found = harness.store.stat(harness.location(name), auth=harness.auth)
        assert found.size == size
        with harness.open(name) as source:
            assert source.version == found.version

    def test_small_buffers(self, harness: Harness, name: str) -> None:
        """A stream fills buffers of any size, and nothing beside them."""
        data = pattern(1000)
        harness.store_image(name, data)
        with harness.open(name) as source:
            reader = source.open_stream()
            room = bytearray(b'#' * 20)
            got = b''
            for length in [1, 2, 3, 5, 7, 11] * 1000:
                view = memoryview(room)[4 : 4 + length]
                count = reader.readinto(view)
                assert 0 <= count <= length
                got += room[4 : 4 + count]
                assert set(room[:4] + room[4 + length :]) <= set(b'#' + data)
                if not count:
                    break
            reader.close()
        assert got == data

    def test_stream_of_a_known_length_ends_there(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """A stream of a length ends after it, or at the image's end."""
        with harness.open(name) as source:
            for length in (1, 1000):
                reader = source.open_stream(0, length)
                assert drain(reader) == image[:length]
                reader.close()
                if not source.restartable:
                    return
            reader = source.open_stream(0, 2 * len(image))
            assert drain(reader) == image
            reader.close()

    @needs('restartable')
    def test_restarts(self, harness: Harness, name: str, image: bytes) -> None:
        """After a pass that was broken off, a second one gives all bytes."""
        with harness.open(name) as source:
            assert source.restartable
            reader = source.open_stream()
            fill(reader, memoryview(bytearray(1000)))
            reader.close()
            again = source.open_stream()
            assert drain(again) == image
            again.close()

    @needs('ranged')
    def test_reads_at_the_end(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Fewer bytes come only at the end; at it and past it, none."""
        end = len(image)
        with harness.open(name) as source:
            assert source.ranged
            assert read_at(source, end - 1, 10) == image[-1:]
            assert read_at(source, end - 10, 10) == image[-10:]
            assert read_at(source, end, 10) == b''
            assert read_at(source, end + 1000, 10) == b''
            assert read_at(source, 0, 0) == b''
            reader = source.open_stream(end)
            assert drain(reader) == b''
            reader.close()

    @needs('ranged')
    def test_reads_any_range(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Any window is read, by position and as a stream."""

        @hypothesis.settings(max_examples=40, deadline=None)
        @hypothesis.given(
            st.integers(0, len(image)), st.integers(0, len(image))
        )
        @hypothesis.example(0, len(image))
        @hypothesis.example(self.chunk - 1, 2)
        @hypothesis.example(self.chunk, self.chunk)
        @hypothesis.example(len(image) - 1, 1)
        @hypothesis.example(len(image), 1)
        def check(offset: int, length: int) -> None:
            want = image[offset : offset + length]
            assert read_at(source, offset, length) == want
            reader = source.open_stream(offset, length)
            assert drain(reader) == want
            reader.close()

        with harness.open(name) as source:
            check()
            reader = source.open_stream(self.chunk - 1)
            assert drain(reader) == image[self.chunk - 1 :]
            reader.close()

    @needs('ranged')
    def test_two_streams_of_one_source(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Streams of one source do not disturb each other."""
        half = len(image) // 2
        with harness.open(name) as source:
            one, two = source.open_stream(0, half), source.open_stream(half)
            pieces: tuple[list[bytes], list[bytes]] = ([], [])
            buffer = memoryview(bytearray(100_003))
            going = True
            while going:
                going = False
                for reader, into in ((one, pieces[0]), (two, pieces[1])):
                    count = reader.readinto(buffer)
                    into.append(bytes(buffer[:count]))
                    going = going or count > 0
            one.close()
            two.close()
        assert b''.join(pieces[0]) == image[:half]
        assert b''.join(pieces[1]) == image[half:]

    @needs('ranged')
    def test_threads_read_at_once(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Several threads read one source by position at once."""
        step = self.chunk // 7 + 1
        offsets = list(range(0, len(image), step))
        with harness.open(name) as source, ThreadPoolExecutor(4) as pool:
            pieces = pool.map(lambda at: read_at(source, at, step), offsets)
            assert b''.join(pieces) == image

    @lacking('ranged')
    def test_says_that_it_is_not_ranged(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """A source that cannot read any offset says so."""
        with harness.open(name) as source:
            assert not source.ranged

    @lacking('restartable')
    def test_says_that_it_is_not_restartable(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """A source that can be read once says so."""
        with harness.open(name) as source:
            assert not source.restartable

    def test_two_sources_of_one_image(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """One store serves two readers at once, in two threads."""
        barrier = threading.Barrier(2, timeout=60)

        def read(_: int) -> bytes:
            with harness.open(name) as source:
                barrier.wait()
                reader = source.open_stream()
                try:
                    return drain(reader, 50_000)
                finally:
                    reader.close()

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(read, range(2))) == [image, image]

    def test_extents_cover_the_range(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Extents come in order, without gaps, and end where asked."""
        end = len(image)
        with harness.open(name) as source:
            for start, length in (
                (0, end),
                (0, 0),
                (1, 1),
                (self.chunk - 1, self.chunk + 2),
                (end - 1, 1),
                (end, 0),
            ):
                at = start
                for extent in source.extents(start, length):
                    assert extent.offset == at
                    assert extent.length > 0
                    at += extent.length
                    if extent.zero:
                        held = image[extent.offset : at]
                        assert not any(held)
                assert at == start + length

    def test_reading_changes_nothing(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """What was read is as it was, its version too."""
        where = harness.location(name)
        before = harness.store.stat(where, auth=harness.auth)
        assert harness.read(name) == image
        assert harness.store.stat(where, auth=harness.auth) == before
        assert harness.read(name) == image

    @needs('pinned')
    def test_version_tells_versions_apart(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Other bits of the same size are another version."""
        where = harness.location(name)
        before = harness.store.stat(where, auth=harness.auth)
        harness.change(name, pattern(len(image), 1))
        after = harness.store.stat(where, auth=harness.auth)
        assert before.version is not None
        assert before.version != after.version

    @needs('pinned')
    @pytest.mark.parametrize('change', ['same size', 'shorter', 'longer'])
    @pytest.mark.parametrize('when', ['before', 'during'])
    def test_change_is_noticed(
        self,
        harness: Harness,
        name: str,
        image: bytes,
        change: str,
        when: str,
    ) -> None:
        """All bytes are of the version opened, or it is an error.

        SourceChanged it is, or Truncated where the bits have become fewer.
        """
        size = {
            'same size': len(image),
            'shorter': self.chunk + 3,
            'longer': len(image) + 10,
        }[change]
        got = bytearray()
        buffer = memoryview(bytearray(self.chunk // 2))
        with harness.open(name) as source:
            if when == 'before':
                harness.change(name, pattern(size, 1))
            try:
                reader = source.open_stream()
                try:
                    while count := reader.readinto(buffer):
                        got += buffer[:count]
                        if when == 'during' and len(got) == count:
                            harness.change(name, pattern(size, 1))
                finally:
                    reader.close()
                source.check_unchanged()
            except (exception.SourceChanged, exception.Truncated):
                return
        assert got == image

    @needs('pinned', 'delete')
    def test_deletion_is_noticed(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Deleted bits are still read whole, or it is an error."""
        with harness.open(name) as source:
            harness.delete(name)
            try:
                reader = source.open_stream()
                try:
                    got = drain(reader)
                finally:
                    reader.close()
                source.check_unchanged()
            except (exception.SourceChanged, exception.ImageNotFound):
                return
        assert got == image

    def test_close_repeats(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Sources and their streams may be closed at any time, repeatedly."""
        source = harness.open(name)
        reader = source.open_stream()
        reader.readinto(memoryview(bytearray(10)))
        reader.close()
        reader.close()
        source.close()
        source.close()
        harness.open(name).close()

    def test_closing_leaves_nothing_open(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Reading in part, then closing, leaks no descriptor."""

        def once() -> None:
            with harness.open(name) as source:
                reader = source.open_stream()
                reader.readinto(memoryview(bytearray(100)))
                reader.close()

        once()
        before = len(os.listdir('/proc/self/fd'))
        for _ in range(20):
            once()
        assert len(os.listdir('/proc/self/fd')) < before + 10

    def test_unknown_facets_are_none(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """A facet that the source does not know is None."""

        class Unknown:
            pass

        with harness.open(name) as source:
            assert source.facet(Unknown) is None
