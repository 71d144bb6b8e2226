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

"""Statements about writers, used by hand as binary streams."""

from __future__ import annotations

import itertools
import os
import signal
import warnings
from collections.abc import Callable

import pytest

from oslo_image import exception
from oslo_image.stores.base import Writer
from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    lacking,
    needs,
    pattern,
)


class Boom(Exception):
    """An error of the caller's own."""


def _forked() -> int:
    """Fork; Python warns of threads, which a child that ends at once lacks."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        return os.fork()


class WritingConformance(Conformance):
    """What was written and committed is there, and else nothing is."""

    @lacking('write')
    def test_says_that_it_is_read_only(
        self, harness: Harness, name: str
    ) -> None:
        """A store that only reads says so before the first byte."""
        with pytest.raises(
            (exception.InvalidWriter, exception.PermissionDenied)
        ):
            with harness.writer(name) as writer:
                writer.check(1)

    @needs('write')
    def test_a_forked_child_takes_nothing_back(
        self, harness: Harness, name: str
    ) -> None:
        """Who was forked off and closes its parent's writer harms nothing."""
        data = pattern(3 * self.chunk)
        with harness.writer(name, size=len(data)) as writer:
            writer.write(data[: self.chunk])
            if not (child := _forked()):
                signal.alarm(20)  # rather than hang
                writer.close()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            writer.write(data[self.chunk :])
            writer.commit()
        assert harness.read(name) == data

    @needs('write')
    @pytest.mark.parametrize('declared', [True, False])
    def test_written_is_read(
        self, harness: Harness, name: str, size: int, declared: bool
    ) -> None:
        """What is written is read, whether or not the size was declared."""
        data = pattern(size)
        stated = size if declared else None
        with harness.writer(name, size=stated) as writer:
            for at in range(0, size, self.chunk):
                piece = data[at : at + self.chunk]
                assert writer.write(piece) == len(piece)
                assert writer.tell() == at + len(piece)
            location = writer.commit()
        assert harness.read(name) == data
        found = harness.store.stat(harness.location(name), auth=harness.auth)
        assert found.size == size
        assert location is not None
        assert location.scheme == harness.location(name).scheme

    @needs('write')
    def test_written_in_odd_blocks(self, harness: Harness, name: str) -> None:
        """Blocks may be of any size, empty ones too, and of any buffer."""
        data = pattern(self.chunk + 4321)
        steps = itertools.cycle([1, 0, 65_537, 3, 4096, self.chunk // 3])
        at = 0
        with harness.writer(name) as writer:
            while at < len(data):
                block = data[at : at + next(steps)]
                kind = (bytes, bytearray, memoryview)[at % 3]
                assert writer.write(kind(block)) == len(block)
                at += len(block)
            writer.commit()
        assert harness.read(name) == data

    @needs('write', 'empty')
    @pytest.mark.parametrize('write', [True, False])
    def test_empty_image(
        self, harness: Harness, name: str, write: bool
    ) -> None:
        """Nothing written, then a commit: an image of 0 bytes."""
        with harness.writer(name) as writer:
            if write:
                writer.write(b'')
            writer.commit()
        assert harness.read(name) == b''
        found = harness.store.stat(harness.location(name), auth=harness.auth)
        assert found.size == 0

    @needs('write')
    def test_lazy(self, harness: Harness, name: str) -> None:
        """Before the first byte nothing exists, whatever is asked."""
        before = set(harness.listing())
        writer = harness.writer(name, size=10)
        assert writer.writable()
        assert writer.tell() == 0
        writer.check(10)
        writer.check(None)

        class Unknown:
            pass

        assert writer.facet(Unknown) is None
        from oslo_image.stores import facets

        writer.facet(facets.FileDescriptor)
        assert writer.leftovers == []
        assert set(harness.listing()) == before
        assert not harness.has(name)
        writer.close()
        assert set(harness.listing()) == before

    @needs('write')
    def test_not_visible_before_commit(
        self, harness: Harness, name: str
    ) -> None:
        """Until commit there is nothing under the final name."""
        with harness.writer(name) as writer:
            writer.write(pattern(self.chunk + 1))
            assert not harness.has(name)
            writer.commit()
            assert harness.has(name)

    @needs('write')
    def test_every_byte_without_a_commit_is_nothing(
        self, harness: Harness, name: str, size: int
    ) -> None:
        """All bytes of a size that was stated publish nothing by themselves.

        After a rollback, others can take their place.
        """
        others = pattern(size, 1)
        with harness.writer(name, size=size) as writer:
            writer.write(pattern(size))
            assert not harness.has(name)
            assert writer.rollback() in ('untouched', 'restored')
            assert not harness.has(name)
            writer.write(others)
            assert not harness.has(name)
            writer.commit()
        assert harness.read(name) == others

    @needs('write')
    def test_every_byte_without_a_commit_leaves_nothing(
        self, harness: Harness, name: str, size: int
    ) -> None:
        """However many of the bytes that were stated came: nothing remains."""
        before = set(harness.listing())
        with harness.writer(name, size=size) as writer:
            writer.write(pattern(size))
        assert writer.leftovers == []
        assert set(harness.listing()) == before
        assert not harness.has(name)

    @needs('write')
    @pytest.mark.parametrize('chunks', [0, 1, 3])
    @pytest.mark.parametrize('end', ['leave', 'close', 'abort', 'error'])
    def test_abandoned_leaves_nothing(
        self, harness: Harness, name: str, chunks: int, end: str
    ) -> None:
        """However a writer is left without commit, nothing remains."""
        before = set(harness.listing())
        writer = harness.writer(name)

        def use() -> None:
            for number in range(chunks):
                writer.write(pattern(self.chunk, number))

        if end == 'error':
            boom = Boom('mine')
            with pytest.raises(Boom) as caught:
                with writer:
                    use()
                    raise boom
            assert caught.value is boom
        else:
            with writer:
                use()
                if end == 'close':
                    writer.close()
                elif end == 'abort':
                    assert writer.abort() == []
        assert writer.leftovers == []
        assert not writer.writable()
        assert set(harness.listing()) == before
        assert not harness.has(name)

    @needs('write')
    @pytest.mark.parametrize('how', ['closed', 'aborted', 'committed'])
    def test_write_after_the_end(
        self, harness: Harness, name: str, how: str
    ) -> None:
        """A writer that is done takes no byte, by ValueError."""
        writer = harness.writer(name)
        writer.write(b'abc')
        ends: dict[str, Callable[[], object]] = {
            'closed': writer.close,
            'aborted': writer.abort,
            'committed': writer.commit,
        }
        ends[how]()
        assert not writer.writable()
        with pytest.raises(ValueError, match='writer'):
            writer.write(b'd')
        writer.close()
        writer.close()
        assert writer.abort() == []
        assert harness.has(name) == (how == 'committed')
        if how == 'committed':
            assert harness.read(name) == b'abc'

    @needs('write')
    @pytest.mark.parametrize('extra', [-1, 1, -100_000, 100_000])
    def test_declared_size_must_be_right(
        self, harness: Harness, name: str, extra: int
    ) -> None:
        """Fewer or more bytes than declared: SizeMismatch, nothing left."""
        before = set(harness.listing())
        size = self.chunk + 100_001
        with harness.writer(name, size=size) as writer:
            with pytest.raises(exception.SizeMismatch):
                writer.write(pattern(size + extra))
                writer.commit()
        assert set(harness.listing()) == before
        assert not harness.has(name)

    @needs('write')
    def test_begins_again_after_rollback(
        self, harness: Harness, name: str
    ) -> None:
        """After a rollback, the whole image can be written again."""
        before = set(harness.listing())
        with harness.writer(name) as writer:
            writer.write(pattern(2 * self.chunk, 1))
            assert writer.rollback() in ('untouched', 'restored')
            if 'reuse' not in self.lacks:
                assert set(harness.listing()) == before
            assert not harness.has(name)
            writer.write(pattern(self.chunk, 2))
            writer.write(pattern(5, 3))
            writer.commit()
        assert harness.read(name) == pattern(self.chunk, 2) + pattern(5, 3)

    @needs('write')
    def test_unknown_option_is_refused(
        self, harness: Harness, name: str
    ) -> None:
        """An option that the writer does not have is InvalidOption."""
        with pytest.raises(exception.InvalidOption, match='no_such_option'):
            harness.writer(name, no_such_option=1)

    @needs('write')
    def test_two_writers_do_not_meet(self, harness: Harness) -> None:
        """Writers of one store to two names run beside each other."""
        writers: list[Writer] = []
        for number in range(3):
            writers.append(harness.writer(f'beside-{number}-{id(harness)}'))
        for step in range(3):
            for number, writer in enumerate(writers):
                writer.write(pattern(self.chunk // 2, 10 * number + step))
        for writer in writers:
            writer.commit()
            writer.close()
        for number in range(3):
            want = b''.join(
                pattern(self.chunk // 2, 10 * number + step)
                for step in range(3)
            )
            assert harness.read(f'beside-{number}-{id(harness)}') == want
