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

"""A source and a writer in memory, with any set of abilities."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import (
    DescriptorRange,
    Extent,
    F,
    MiB,
    Source,
    SpanRule,
    Writer,
)

__all__ = [
    'MemorySource',
    'MemoryWriter',
]


class MemorySource(Source):
    """A source over bytes.

    :param content: the bits.
    :param known: whether it knows its size.
    :param ranged: whether any offset can be read.
    :param version: the version it is pinned to; None: it cannot be.
    :param extents: (offset, length, zero) triples to report; None: one extent.
    :param chunk: the read size that it asks for, in bytes.
    :param facets: what it can do beyond bytes, by class.
    """

    def __init__(
        self,
        content: bytes,
        *,
        name: str = 'source',
        known: bool = True,
        ranged: bool = True,
        version: str | None = 'v1',
        extents: Sequence[tuple[int, int, bool]] | None = None,
        chunk: int = MiB,
        facets: Mapping[type, Any] | None = None,
    ) -> None:
        super().__init__(Location(f'memory://{name}', trusted=True))
        self.content = content
        self.size = len(content) if known else None
        self.ranged = ranged
        self.version = version
        self.chunk = chunk
        self._extents = extents
        self._facets = dict(facets or {})
        #: How often read_into was called.
        self.reads = 0
        self.closed = False

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Yield what was given, cut to the range."""
        if self._extents is None:
            yield from super().extents(start, length)
            return
        for offset, size, zero in self._extents:
            first = max(offset, start)
            end = min(offset + size, start + length)
            if first < end:
                yield Extent(first, end - first, zero)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Copy from the content."""
        self.reads += 1
        piece = self.content[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def facet(self, kind: type[F]) -> F | None:
        """Return what was given."""
        return cast('F | None', self._facets.get(kind))

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class MemoryWriter(Writer):
    """A writer into memory; :attr:`published` holds what was committed.

    :param positioned: whether it takes any order.
    :param spans: how it wants its bytes cut.
    :param stale: bytes that were there before, which a rollback cannot bring
        back; None: it is fresh.
    :param facets: what it can do beyond bytes, by class.
    """

    def __init__(
        self,
        *,
        size: int | None = None,
        positioned: bool = True,
        spans: SpanRule | None = None,
        stale: bytes | None = None,
        facets: Mapping[type, Any] | None = None,
    ) -> None:
        super().__init__(Location('memory://destination', trusted=True), size)
        self.positioned = positioned
        self.spans = spans or SpanRule()
        self.takes_descriptors = False
        self._stale = stale
        self.fresh_zero_from = 0 if stale is None else len(stale)
        self._facets = dict(facets or {})
        self._lock = threading.Lock()
        self._bits = bytearray()
        #: The spans that were put, in the order in which they came.
        self.puts: list[tuple[int, int]] = []
        #: The spans of zeros that were asked for.
        self.zeros: list[tuple[int, int]] = []
        self.published: bytes | None = None

    def begin(self, size: int | None) -> None:
        """Start with what was there before."""
        self._bits = bytearray(self._stale or b'')
        self._reached = 0
        self.puts.clear()
        self.zeros.clear()
        self._state = 'begun'

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Store the bytes."""
        if isinstance(data, DescriptorRange):
            raise TypeError('this writer takes no descriptors')
        self._reach(offset + len(data))
        with self._lock:
            if not self.positioned and offset != len(self._bits):
                raise ValueError(f'put at {offset}, not {len(self._bits)}')
            self.puts.append((offset, len(data)))
            missing = offset + len(data) - len(self._bits)
            self._bits.extend(bytes(max(0, missing)))
            self._bits[offset : offset + len(data)] = data

    def put_zeros(self, offset: int, length: int) -> None:
        """Store zeros."""
        self.zeros.append((offset, length))
        super().put_zeros(offset, length)

    def commit(self, size: int | None = None) -> Location | None:
        """Publish the bytes."""
        size = self._reached if size is None else size
        self.published = bytes(self._bits[:size].ljust(size, b'\0'))
        self._state = 'committed'
        return self.location

    def rollback(self) -> exception.DestinationState:
        """Forget what was put."""
        self._state = 'new'
        if self.puts and self._stale is not None:
            return 'modified'
        self._bits = bytearray()
        self.puts.clear()
        return 'untouched'

    def facet(self, kind: type[F]) -> F | None:
        """Return what was given."""
        return cast('F | None', self._facets.get(kind))
