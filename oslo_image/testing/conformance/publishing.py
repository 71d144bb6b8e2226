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

"""Statements about names that are taken."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from oslo_image import exception
from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    fresh_name,
    lacking,
    needs,
    pattern,
)

_ROUNDS = 8


class PublishingConformance(Conformance):
    """A name holds one image, and never a part or a mixture."""

    @needs('write')
    def test_existing_is_kept(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """With if_exists="fail" the first image stays, to the byte."""
        before = set(harness.listing())
        with pytest.raises(exception.DestinationExists):
            with harness.writer(name, if_exists='fail') as writer:
                writer.write(b'other')
                writer.commit()
        assert harness.read(name) == image
        assert set(harness.listing()) == before

    @needs('write', 'contended')
    def test_first_commit_wins(self, harness: Harness, name: str) -> None:
        """A name taken between begin and commit is DestinationExists."""
        one, two = harness.writer(name), harness.writer(name)
        with one, two:
            one.write(b'first begun')
            two.write(b'first committed')
            two.commit()
            after = set(harness.listing())
            with pytest.raises(exception.DestinationExists):
                one.commit()
        assert harness.read(name) == b'first committed'
        assert set(harness.listing()) <= after

    @needs('write')
    @lacking('contended')
    def test_first_begun_wins(self, harness: Harness, name: str) -> None:
        """Where a name is taken by who begins, the next is told so."""
        with harness.writer(name) as first:
            first.write(b'first begun')
            with (
                pytest.raises(exception.DestinationExists),
                harness.writer(name) as second,
            ):
                second.write(b'second begun')
                second.commit()
            first.commit()
        assert harness.read(name) == b'first begun'

    @needs('write', 'exclusive')
    def test_one_of_many_wins(self, harness: Harness) -> None:
        """Of writers committing at once exactly one wins, and is whole."""
        self._race(harness, 'commit')

    @needs('write')
    @lacking('contended')
    def test_one_of_many_begins(self, harness: Harness) -> None:
        """Of writers beginning at once exactly one wins, and is whole."""
        self._race(harness, 'begin')

    def _race(self, harness: Harness, at: str) -> None:
        images = [pattern(self.chunk + 1, seed) for seed in range(4)]
        barrier = threading.Barrier(len(images), timeout=60)

        def write(data: bytes) -> bytes | None:
            with harness.writer(name) as writer:
                if at == 'begin':
                    barrier.wait()
                try:
                    writer.write(data)
                    if at == 'commit':
                        barrier.wait()
                    writer.commit()
                except exception.DestinationExists:
                    return None
            return data

        for _ in range(_ROUNDS):
            name = fresh_name()
            with ThreadPoolExecutor(len(images)) as pool:
                winners = [one for one in pool.map(write, images) if one]
            assert len(winners) == 1
            assert harness.read(name) == winners[0]

    @needs('write', 'replace')
    def test_replace_keeps_the_old_until_commit(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """The old bits are read until commit, the new ones after it."""
        new = pattern(self.chunk + 5, 9)
        before = set(harness.listing())
        with harness.writer(name, if_exists='replace') as writer:
            writer.check(len(new))
            writer.write(new)
            assert harness.read(name) == image
            writer.commit()
        assert harness.read(name) == new
        assert set(harness.listing()) == before

    @needs('write', 'replace')
    @pytest.mark.parametrize('end', ['leave', 'rollback', 'abort'])
    def test_replace_taken_back(
        self, harness: Harness, name: str, image: bytes, end: str
    ) -> None:
        """Without a commit the old bits stay, and nothing beside them."""
        before = set(harness.listing())
        with harness.writer(name, if_exists='replace') as writer:
            writer.write(pattern(self.chunk + 5, 9))
            if end == 'rollback':
                assert writer.rollback() in ('untouched', 'restored')
                assert harness.read(name) == image
            elif end == 'abort':
                assert writer.abort() == []
        assert harness.read(name) == image
        assert set(harness.listing()) == before

    @needs('write', 'replace')
    def test_replace_nothing(self, harness: Harness, name: str) -> None:
        """With if_exists="replace" there may be nothing to replace."""
        with harness.writer(name, if_exists='replace') as writer:
            writer.write(b'new')
            writer.commit()
        assert harness.read(name) == b'new'

    @needs('write')
    @lacking('replace')
    def test_says_that_it_does_not_replace(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """A store that replaces nothing says so, and changes nothing."""
        with pytest.raises(exception.ImageError):
            with harness.writer(name, if_exists='replace') as writer:
                writer.check(3)
        assert harness.read(name) == image

    @needs('write', 'in_place')
    @pytest.mark.parametrize('than', ['shorter', 'equal'])
    def test_in_place(
        self, harness: Harness, name: str, image: bytes, than: str
    ) -> None:
        """Overwritten in place, the image is the new one."""
        length = self.chunk + 1 if than == 'shorter' else len(image)
        self._overwrite(harness, name, pattern(length, 9))

    @needs('write', 'in_place', 'grows')
    def test_in_place_grows(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """Overwritten by a longer image, it is the longer one."""
        self._overwrite(harness, name, pattern(len(image) + 1000, 9))

    @needs('write', 'in_place')
    @lacking('grows')
    def test_says_that_it_does_not_grow(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """What does not fit is NoSpace before the first byte, or at it."""
        size = len(image) + 1000
        with harness.writer(name, if_exists='in_place') as writer:
            with pytest.raises(exception.NoSpace):
                writer.check(size)
            with pytest.raises(exception.NoSpace):
                writer.begin(size)
        assert harness.read(name) == image

    @needs('write', 'in_place')
    @pytest.mark.parametrize('extra', [-1, 1])
    def test_in_place_declared_size_must_be_right(
        self, harness: Harness, name: str, image: bytes, extra: int
    ) -> None:
        """Fewer or more bytes than declared are no success in place either."""
        size = len(image) - 1000
        with harness.writer(name, if_exists='in_place', size=size) as writer:
            with pytest.raises(exception.SizeMismatch):
                writer.write(pattern(size + extra))
                writer.commit()

    def _overwrite(self, harness: Harness, name: str, new: bytes) -> None:
        length = len(new)
        before = set(harness.listing())
        with harness.writer(name, if_exists='in_place') as writer:
            writer.check(length)
            for at in range(0, length, self.chunk):
                writer.write(new[at : at + self.chunk])
            writer.commit()
        assert harness.read(name)[:length] == new
        assert set(harness.listing()) == before

    @needs('write', 'in_place')
    @pytest.mark.parametrize('chunks', [0, 1])
    def test_in_place_taken_back(
        self, harness: Harness, name: str, image: bytes, chunks: int
    ) -> None:
        """Rollback says whether the old bits are still there."""
        with harness.writer(name, if_exists='in_place') as writer:
            writer.begin(len(image))
            if chunks:
                writer.put(0, memoryview(pattern(self.chunk, 9)))
            state = writer.rollback()
        if state != 'modified':
            assert harness.read(name) == image

    @needs('write')
    @lacking('in_place')
    def test_says_that_it_is_not_in_place(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """A store that overwrites nothing says so, and changes nothing."""
        with pytest.raises(exception.ImageError):
            with harness.writer(name, if_exists='in_place') as writer:
                writer.check(3)
        assert harness.read(name) == image
