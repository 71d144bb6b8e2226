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

"""Statements about what a killed copy leaves behind."""

from __future__ import annotations

from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    lacking,
    needs,
    pattern,
)

_HOUR = 3600


class LeftoversConformance(Conformance):
    """What a killed copy left is found and removed, and nothing else."""

    @needs('write')
    def test_image_is_no_leftover(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """An image under its own name is none, whatever its age."""
        assert harness.leftovers(name) == []

    @needs('write')
    def test_copy_at_work_leaves_nothing_yet(
        self, harness: Harness, name: str
    ) -> None:
        """What a copy is writing at the moment is no leftover."""
        data = pattern(self.chunk + 1)
        with harness.writer(name) as writer:
            writer.write(data)
            assert harness.leftovers(name, _HOUR) == []
            writer.commit()
        assert harness.read(name) == data

    @needs('leftovers')
    def test_leftovers_are_removed(self, harness: Harness, name: str) -> None:
        """What a killed copy left is found, and all of it removed."""
        before = set(harness.listing())
        _abandon(harness, name)
        abandoned = set(harness.listing())
        assert abandoned != before
        found = harness.leftovers(name)
        assert found
        assert all(one.name and one.modified > 0 for one in found)
        assert set(harness.listing()) == abandoned
        for one in found:
            assert harness.store.remove_leftover(one, auth=harness.auth)
            # It is gone, and that is no error.
            assert harness.store.remove_leftover(one, auth=harness.auth)
        assert harness.leftovers(name) == []
        assert set(harness.listing()) == before

    @needs('leftovers')
    def test_young_leftovers_stay(self, harness: Harness, name: str) -> None:
        """What changed a moment ago is not old."""
        _abandon(harness, name)
        assert harness.leftovers(name, _HOUR) == []

    @needs('leftovers')
    def test_leftovers_of_other_names_stay(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """What belongs to another destination is not touched."""
        _abandon(harness, f'{name}1')
        assert harness.leftovers(name) == []
        assert len(harness.leftovers(f'{name}1')) >= 1
        assert harness.read(name) == image

    @needs('write')
    @lacking('leftovers')
    def test_finds_no_leftovers(self, harness: Harness, name: str) -> None:
        """A store that cannot know finds nothing."""
        with harness.writer(name) as writer:
            writer.write(pattern(self.chunk))
            assert harness.leftovers(name) == []


def _abandon(harness: Harness, name: str) -> None:
    if harness.abandon is None:
        raise NotImplementedError(
            'the harness of a store that finds leftovers needs abandon='
        )
    harness.abandon(name)
