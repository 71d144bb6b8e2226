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

"""Statements about writers, used as a strategy uses them."""

from __future__ import annotations

import random
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange, Writer
from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    cut,
    lacking,
    needs,
    pattern,
    step,
)


class SpansConformance(Conformance):
    """begin, then spans and zeros, then commit or rollback."""

    @needs('write')
    @pytest.mark.parametrize('stated', ['begin', 'commit', 'both', 'never'])
    def test_spans_in_order(
        self, harness: Harness, name: str, size: int, stated: str
    ) -> None:
        """Spans in order make the image, wherever its size is stated."""
        data = memoryview(pattern(size))
        with harness.writer(name) as writer:
            writer.begin(size if stated in ('begin', 'both') else None)
            for at, length in cut(writer, size, self.chunk):
                writer.put(at, data[at : at + length])
            writer.commit(size if stated in ('commit', 'both') else None)
        assert harness.read(name) == data

    @needs('write', 'positioned')
    @pytest.mark.parametrize('threads', [1, 4])
    def test_spans_in_any_order(
        self, harness: Harness, name: str, threads: int
    ) -> None:
        """Spans in any order, from several threads, make the image."""
        writer = harness.writer(name)
        assert writer.positioned
        size = 7 * max(self.chunk, writer.spans.smallest) + 11
        data = memoryview(pattern(size))
        spans = cut(writer, size, self.chunk)
        random.Random(size).shuffle(spans)  # noqa: S311

        def put(span: tuple[int, int]) -> None:
            at, length = span
            writer.put(at, data[at : at + length])

        with writer:
            writer.begin(size)
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(put, spans))
            writer.commit(size)
        assert harness.read(name) == data

    @needs('write')
    @lacking('positioned')
    def test_says_that_it_is_not_positioned(
        self, harness: Harness, name: str
    ) -> None:
        """A writer that takes spans in order only says so, and refuses."""
        with harness.writer(name) as writer:
            assert not writer.positioned
            writer.begin(100)
            with pytest.raises(exception.ImageError):
                writer.put(50, memoryview(pattern(50)))

    @needs('write')
    def test_zeros_read_as_zeros(self, harness: Harness, name: str) -> None:
        """Zeros at the begin, between and at the end are zeros when read."""
        with harness.writer(name) as writer:
            unit = step(writer, self.chunk)
            size = 4 * unit + 5
            data = pattern(unit)
            writer.begin(size)
            writer.put_zeros(0, unit)
            writer.put(unit, memoryview(data))
            writer.put_zeros(2 * unit, 0)
            for at, length in cut(writer, 2 * unit + 5, unit):
                writer.put_zeros(2 * unit + at, length)
            writer.commit(size)
        got = harness.read(name)
        assert len(got) == size
        assert got[unit : 2 * unit] == data
        assert not any(got[:unit])
        assert not any(got[2 * unit :])

    @needs('write')
    def test_only_zeros(self, harness: Harness, name: str) -> None:
        """An image of zeros alone has its size, and reads as zeros."""
        size = 2 * self.chunk + 3
        with harness.writer(name) as writer:
            writer.begin(size)
            for at, length in cut(writer, size, self.chunk):
                writer.put_zeros(at, length)
            writer.commit(size)
        assert harness.read(name) == bytes(size)

    @needs('write', 'sparse')
    @pytest.mark.parametrize('put', ['first', 'last', 'nothing'])
    def test_left_out_reads_as_zeros(
        self, harness: Harness, name: str, put: str
    ) -> None:
        """On fresh ground, what is not written reads as zeros."""
        with harness.writer(name) as writer:
            assert writer.fresh_zero_from == 0
            unit = step(writer, self.chunk)
            size = 5 * unit
            writer.begin(size)
            assert writer.fresh_zero_from == 0
            at = {'first': 0, 'last': 4 * unit}.get(put)
            want = bytearray(size)
            if at is not None:
                want[at : at + unit] = pattern(unit)
                writer.put(at, memoryview(pattern(unit)))
            writer.commit(size)
        assert harness.read(name) == want

    @needs('write')
    @lacking('sparse')
    def test_says_that_it_is_not_sparse(
        self, harness: Harness, name: str
    ) -> None:
        """A writer that must be given every zero says so."""
        with harness.writer(name) as writer:
            assert writer.fresh_zero_from is None

    @needs('write', 'descriptors')
    def test_takes_ranges_of_a_file(self, harness: Harness, name: str) -> None:
        """A range of an open file is a span like any other."""
        data = pattern(3 * self.chunk + 7)
        with tempfile.TemporaryFile() as file:
            file.write(b'before' + data)
            file.flush()
            with harness.writer(name) as writer:
                assert writer.takes_descriptors
                writer.begin(len(data))
                for at, length in cut(writer, len(data), self.chunk):
                    writer.put(
                        at, DescriptorRange(file.fileno(), 6 + at, length)
                    )
                writer.commit(len(data))
        assert harness.read(name) == data

    @needs('write')
    @lacking('descriptors')
    def test_says_that_it_takes_no_descriptors(
        self, harness: Harness, name: str
    ) -> None:
        """A writer that takes no ranges of a file says so."""
        with harness.writer(name) as writer:
            assert not writer.takes_descriptors

    @needs('write')
    @pytest.mark.parametrize('spans', [0, 1, 2])
    def test_rollback_leaves_nothing(
        self, harness: Harness, name: str, spans: int
    ) -> None:
        """Rollback after any number of spans takes all back; twice, too.

        A name that can be had only once is kept until the writer is closed.
        """
        before = set(harness.listing())
        with harness.writer(name) as writer:
            unit = step(writer, self.chunk)
            writer.begin(3 * unit)
            for number in range(spans):
                writer.put(number * unit, memoryview(pattern(unit)))
            assert writer.rollback() in ('untouched', 'restored')
            if 'reuse' not in self.lacks:
                assert set(harness.listing()) == before
            assert writer.rollback() in ('untouched', 'restored')
            assert writer.abort() == []
        assert set(harness.listing()) == before
        assert not harness.has(name)

    @needs('write')
    def test_begin_says_what_check_says(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """What exists is refused by check and by begin, and is untouched."""
        before = set(harness.listing())

        def refused(writer: Writer) -> None:
            with pytest.raises(exception.DestinationExists):
                writer.check(10)
            with pytest.raises(exception.DestinationExists):
                writer.begin(10)

        with harness.writer(name) as writer:
            refused(writer)
            refused(writer)
        assert set(harness.listing()) == before
        assert harness.read(name) == image
