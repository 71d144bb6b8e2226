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

"""Statements about memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from oslo_image.stores.base import MiB
from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    fresh_name,
    needs,
)

_SIZE = 64 * MiB
#: Beside a few chunks: the interpreter's own, a library's first use.
_CONSTANT = 8 * MiB


class BoundsConformance(Conformance):
    """Memory is bounded by chunks, not by the image's size."""

    @pytest.fixture
    def peak(self) -> Iterator[None]:
        """Fail when more than a few chunks were held at once.

        What Python allocates is measured; what a C library holds is not.
        """
        tracemalloc.start()
        yield
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        limit = _CONSTANT + 4 * self.chunk
        assert peak < limit, f'{peak} bytes were held, {limit} may be'

    @needs('write', 'bounded')
    @pytest.mark.parametrize('declared', [True, False])
    def test_writing_is_bounded(
        self, harness: Harness, declared: bool, peak: None
    ) -> None:
        """A large image is written in bounded memory, size known or not."""
        chunk = bytes(range(256)) * (self.chunk // 256)
        size = _SIZE // len(chunk) * len(chunk)
        stated = size if declared else None
        with harness.writer(fresh_name(), size=stated) as writer:
            for _ in range(size // len(chunk)):
                writer.write(chunk)
            writer.commit()

    @needs('bounded')
    def test_reading_is_bounded(
        self, harness: Harness, name: str, request: pytest.FixtureRequest
    ) -> None:
        """A large image is read in bounded memory, to its last byte."""
        harness.store_image(name, bytes(_SIZE))
        request.getfixturevalue('peak')
        done = 0
        with harness.open(name) as source:
            buffer = memoryview(bytearray(min(source.chunk, MiB)))
            reader = source.open_stream()
            while count := reader.readinto(buffer):
                done += count
            reader.close()
        assert done == _SIZE
