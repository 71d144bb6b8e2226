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

"""Statements about deletion."""

from __future__ import annotations

import pytest

from oslo_image import exception
from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    lacking,
    needs,
    pattern,
)


class DeletingConformance(Conformance):
    """What is deleted is gone, all of it, and nothing else."""

    @needs('delete')
    def test_deleted_is_gone(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """After deletion, open, stat and delete find no image."""
        harness.delete(name)
        where = harness.location(name)
        with pytest.raises(exception.ImageNotFound):
            harness.open(name)
        with pytest.raises(exception.ImageNotFound):
            harness.store.stat(where, auth=harness.auth)
        with pytest.raises(exception.ImageNotFound):
            harness.delete(name)

    @needs('delete')
    def test_absent_is_not_found(self, harness: Harness, name: str) -> None:
        """What never was cannot be deleted, by ImageNotFound."""
        with pytest.raises(exception.ImageNotFound):
            harness.delete(name)

    @needs('delete', 'write')
    def test_deletes_all_of_it(self, harness: Harness, name: str) -> None:
        """Deletion leaves no part, segment or snapshot behind."""
        before = set(harness.listing())
        harness.store_image(name, pattern(3 * self.chunk + 7))
        assert set(harness.listing()) != before
        harness.delete(name)
        assert set(harness.listing()) == before

    @needs('delete')
    def test_deletes_nothing_else(self, harness: Harness, name: str) -> None:
        """Names that share a prefix stay."""
        others = [f'{name}1', f'{name}-1', f'{name}.part', name[:-1]]
        for number, other in enumerate([name, *others]):
            harness.store_image(other, pattern(100, number))
        harness.delete(name)
        for number, other in enumerate(others, 1):
            assert harness.read(other) == pattern(100, number)

    @needs('delete', 'write', 'reuse')
    def test_name_is_free_again(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """After deletion another image takes the name."""
        harness.delete(name)
        harness.store_image(name, b'another')
        assert harness.read(name) == b'another'

    @needs('delete', 'write')
    @lacking('reuse')
    def test_name_is_spent(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """A store that gives no name twice says DestinationExists."""
        harness.delete(name)
        with pytest.raises(exception.DestinationExists):
            harness.store_image(name, b'another')
        assert not harness.has(name)

    @lacking('delete')
    def test_says_that_it_does_not_delete(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """A store that deletes nothing says so; the image stays."""
        with pytest.raises(
            (exception.InvalidWriter, exception.PermissionDenied)
        ):
            harness.delete(name)
        assert harness.read(name) == image
