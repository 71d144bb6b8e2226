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

"""Properties of a copy, wherever its ends lie; hypothesis draws the ends.

The tests that hold them against a filesystem give a directory on it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import tempfile
import threading
from typing import Any

import pytest
from hypothesis import strategies as st

from oslo_image import move, stores
from oslo_image.move.strategies import parallel, stream
from oslo_image.stores.file import uri_for
from oslo_image.testing.memory import MemorySource

KiB = 1024
MiB = 1024 * KiB
#: Of every filesystem that can share extents.
BLOCK = 4096
#: What takes bytes at any offset; and all kinds of destinations.
SEEKABLE = ('file', 'buffered', 'with bytes in it')
KINDS = (
    *SEEKABLE,
    'append',
    'BytesIO',
    'pipe',
    'takes less',
    'says None',
)
#: (bytes, is a hole) runs; short and long, aligned and not.
layouts = st.lists(
    st.tuples(
        st.one_of(
            st.integers(1, 300),
            st.integers(1, 5).map(lambda n: n * 64 * KiB),
            st.integers(1, 300_000),
        ),
        st.booleans(),
    ),
    max_size=6,
)
befores = st.integers(0, 200_000)


@dataclasses.dataclass(frozen=True)
class Ends:
    """What differs from copy to copy, but for the source.

    :param kind: of the destination, one of KINDS.
    :param position: of the writer, where it has one.
    :param before: the bytes that the destination had.
    :param buffer: the size of the mover's buffers.
    """

    kind: str
    position: int
    before: int
    buffer: int
    needs: dict[str, str]


ends = st.builds(
    Ends,
    kind=st.sampled_from(KINDS),
    position=st.one_of(
        st.just(0), st.just(4096), st.just(64 * KiB), st.integers(0, 9000)
    ),
    before=st.one_of(st.just(0), befores),
    buffer=st.sampled_from([64 * KiB, 96 * KiB, MiB]),
    needs=st.sampled_from([{}, {'verify': 'always'}]),
)


@st.composite
def memory_sources(draw: Any) -> MemorySource:
    """Draw a source whose extents are any that are true.

    What it calls zeros are zeros; not all zeros are called so.
    """
    content = bytearray()
    extents = []
    for length, hole in draw(layouts):
        cuts = draw(st.lists(st.integers(1, length), max_size=3))
        at = 0
        for cut in sorted({*cuts, length}):
            known = hole and draw(st.booleans())
            extents.append((len(content) + at, cut - at, known))
            at = cut
        content += bytes(length) if hole else noise(length)
    return MemorySource(
        bytes(content),
        known=draw(st.booleans()),
        ranged=draw(st.booleans()),
        extents=draw(st.sampled_from([None, extents])),
        chunk=draw(
            st.one_of(
                st.integers(4096, MiB),
                st.sampled_from([1, 8]).map(lambda n: n * MiB),
            )
        ),
    )


def noise(length: int) -> bytes:
    """Return bytes that are not zeros, the same for the same length."""
    return hashlib.shake_128(str(length).encode()).digest(length)


def make_source(path: str, layout: list[tuple[int, bool]]) -> bytes:
    """Write a file with holes; return its content."""
    content = bytearray()
    with open(path, 'wb') as file:
        for length, hole in layout:
            if hole:
                content += bytes(length)
            else:
                piece = noise(length)
                os.pwrite(file.fileno(), piece, len(content))
                content += piece
        file.truncate(len(content))
    return bytes(content)


class Foreign:
    """An object with write() and no more.

    :param most: takes no more than that at once; None: all, and says None.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.taken = bytearray()

    def write(self, data: Any) -> int | None:
        piece = bytes(data[: self.most])
        self.taken += piece
        return None if self.most is None else len(piece)


class Destination:
    """One kind of writer, and what ought to be in it afterwards."""

    def __init__(self, given: Ends, path: str) -> None:
        self.kind, self.path = given.kind, path
        self.before = hashlib.shake_128(b'old').digest(given.before)
        self.start = min(given.position, given.before)
        self.extra = b''
        self._drained = io.BytesIO()
        self._thread: threading.Thread | None = None
        with open(path, 'wb') as file:
            file.write(self.before)
        self.writer: Any = self._open()

    def _open(self) -> Any:
        if self.kind == 'pipe':
            read, write = os.pipe()
            self._thread = threading.Thread(target=self._drain, args=[read])
            self._thread.start()
            return os.fdopen(write, 'wb')
        if self.kind == 'takes less':
            return Foreign(40_009)
        if self.kind == 'says None':
            return Foreign(None)
        if self.kind == 'append':
            self.start = len(self.before)
            return open(self.path, 'ab')
        writer: Any
        if self.kind == 'BytesIO':
            writer = io.BytesIO(self.before)
        else:
            buffering = 0 if self.kind == 'file' else -1
            writer = open(self.path, 'r+b', buffering=buffering)
        writer.seek(self.start)
        if self.kind == 'with bytes in it':
            self.extra = b'written before'
            writer.write(self.extra)
        return writer

    def _drain(self, fileno: int) -> None:
        with os.fdopen(fileno, 'rb') as file:
            while piece := file.read(1 << 16):
                self._drained.write(piece)

    @property
    def sequential(self) -> bool:
        """Whether it has no position, and holds what it was given."""
        return self.kind in ('pipe', 'takes less', 'says None')

    def position(self) -> int | None:
        return None if self.sequential else self.writer.tell()

    def content(self) -> bytes:
        """Return all that it holds; closes it."""
        if isinstance(self.writer, Foreign):
            return bytes(self.writer.taken)
        if isinstance(self.writer, io.BytesIO):
            return self.writer.getvalue()
        self.writer.close()
        if self._thread:
            self._thread.join()
            return self._drained.getvalue()
        with open(self.path, 'rb') as file:
            return file.read()

    def expected(self, image: bytes) -> tuple[bytes, int | None]:
        """Return the content and the position that a copy must leave."""
        if self.sequential:
            return image, None
        start = self.start + len(self.extra)
        head = (self.before[: self.start] + self.extra)[:start]
        tail = self.before[start + len(image) :]
        if start == 0 and self.kind != 'BytesIO':
            tail = b''  # at offset 0 the image is the file
        return head + image + tail, start + len(image)


def every_strategy(mover: move.Mover, image: bytes, given: Ends, path: str):
    """Copy by every strategy that offers; all must do the same.

    :param path: of a file that may be used for the destination.
    :returns: the names of the strategies that ran.
    """
    ran: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, '_BUFFER', given.buffer)
        patch.setattr(parallel, '_BATCH', 2 * given.buffer)
        patch.setattr(stream, 'MiB', given.buffer)
        while True:
            end = Destination(given, path)
            try:
                result = mover.copy(end.writer, disabled=ran, **given.needs)
                position = end.position()
            finally:
                content = end.content()
            if not result.success:
                return ran
            assert result.strategy not in ran
            ran.add(result.strategy)
            assert (content, position) == end.expected(image)
            moved = 0 if result.zero_copy else len(image)
            assert tuple(result) == (True, moved)
            assert result.size == len(image)
            if given.needs:
                assert result.digests == {
                    'sha512': hashlib.sha512(image).hexdigest()
                }


def from_a_file(base: Any, layout: Any, given: Ends) -> set[str]:
    """Copy a file of this layout, both ends in a directory below ``base``."""
    with tempfile.TemporaryDirectory(dir=base) as directory:
        path = os.path.join(directory, 'source')
        image = make_source(path, layout)
        target = os.path.join(directory, 'target')
        mover = move.Mover(uri_for(path))
        ran = every_strategy(mover, image, given, target)
    offered = {'stream'}
    if given.kind in SEEKABLE:
        offered |= {'parallel'}
    if given.kind in (*SEEKABLE, 'pipe') and not given.needs:
        offered |= {'kernel_copy'}
    assert ran - {'reflink'} == offered
    return ran


def can_be_cloned(layout: Any, given: Ends) -> bool:
    """Whether nothing in the writer stands against a clone."""
    if given.kind not in ('file', 'buffered') or given.needs:
        return False
    size = sum(length for length, _ in layout)
    start = min(given.position, given.before)
    shares_its_last_block = (
        start + size < given.before and (start + size) % BLOCK > 0
    )
    return start % BLOCK == 0 and not (
        shares_its_last_block and (start or size < BLOCK)
    )


def from_memory(
    shelf: dict[str, Any], base: Any, source: MemorySource, given: Ends
) -> set[str]:
    """Copy what any source may say, to a destination below ``base``."""
    shelf['image'] = source
    with tempfile.TemporaryDirectory(dir=base) as directory:
        ran = every_strategy(
            move.Mover('shelf://image'),
            source.content,
            given,
            os.path.join(directory, 'target'),
        )
    ranges = source.ranged and source.size is not None
    if ranges and given.kind in SEEKABLE:
        assert ran == {'parallel', 'stream'}
    else:
        assert ran == {'stream'}
    return ran


def to_a_stores_writer(
    base: Any, layout: Any, if_exists: Any, before: int
) -> set[str]:
    """Copy a file to a name beside it, by every strategy that offers."""
    with tempfile.TemporaryDirectory(dir=base) as directory:
        path = os.path.join(directory, 'source')
        image = make_source(path, layout)
        mover = move.Mover(uri_for(path))
        target = os.path.join(directory, 'target')
        ran: set[str] = set()
        while True:
            if if_exists != 'fail':
                with open(target, 'wb') as file:
                    file.write(b'o' * before)
            elif os.path.exists(target):
                os.unlink(target)
            with stores.open_writer(
                uri_for(target), if_exists=if_exists
            ) as writer:
                result = mover.copy(writer, disabled=ran)
            if not result.success:
                break
            ran.add(result.strategy)
            with open(target, 'rb') as file:
                assert file.read() == image
            assert set(os.listdir(directory)) == {'source', 'target'}
    assert ran >= {'kernel_copy', 'parallel', 'stream'}
    return ran
