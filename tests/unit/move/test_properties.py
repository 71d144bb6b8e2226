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

"""Whatever the ends, every strategy that offers gives the same outcome."""

import contextlib
import hashlib
import io
import os
import tempfile
import threading

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oslo_image import move, stores
from oslo_image.move.strategies import parallel, stream
from oslo_image.stores.file import uri_for

KiB = 1024
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
positions = st.one_of(st.just(0), st.integers(0, 9000), st.just(4096))
befores = st.integers(0, 200_000)
kinds = st.sampled_from(
    ['file', 'buffered', 'with bytes in it', 'append', 'BytesIO', 'pipe']
)


def make_source(path, layout) -> bytes:
    content = bytearray()
    with open(path, 'wb') as file:
        for length, hole in layout:
            if hole:
                content += bytes(length)
            else:
                piece = hashlib.shake_128(str(length).encode()).digest(length)
                os.pwrite(file.fileno(), piece, len(content))
                content += piece
        file.truncate(len(content))
    return bytes(content)


class Destination:
    """One kind of writer, and what ought to be in it afterwards."""

    def __init__(self, kind, path, before: bytes, position: int):
        self.kind, self.path = kind, path
        position = min(position, len(before))
        with open(path, 'wb') as file:
            file.write(before)
        self._drained = io.BytesIO()
        self._thread = None
        self.start = position
        extra = b''
        if kind == 'file':
            self.writer = open(path, 'r+b', buffering=0)
            self.writer.seek(position)
        elif kind in ('buffered', 'with bytes in it'):
            self.writer = open(path, 'r+b')
            self.writer.seek(position)
            if kind == 'with bytes in it':
                extra = b'written before'
                self.writer.write(extra)
        elif kind == 'append':
            self.writer = open(path, 'ab')
            self.start = len(before)
        elif kind == 'BytesIO':
            self.writer = io.BytesIO(before)
            self.writer.seek(position)
        else:
            read, write = os.pipe()
            self.writer = os.fdopen(write, 'wb')
            self._thread = threading.Thread(target=self._drain, args=(read,))
            self._thread.start()
        self.before = before
        self.extra = extra

    def _drain(self, fileno):
        with os.fdopen(fileno, 'rb') as file:
            while piece := file.read(1 << 16):
                self._drained.write(piece)

    def position(self):
        return None if self.kind == 'pipe' else self.writer.tell()

    def content(self) -> bytes:
        if self.kind == 'BytesIO':
            return self.writer.getvalue()
        self.writer.close()
        if self._thread:
            self._thread.join()
            return self._drained.getvalue()
        with open(self.path, 'rb') as file:
            return file.read()

    def expected(self, image: bytes) -> tuple[bytes, int | None]:
        if self.kind == 'pipe':
            return image, None
        start = self.start + len(self.extra)
        head = (self.before[: self.start] + self.extra)[:start]
        tail = self.before[start + len(image) :]
        if start == 0 and self.kind != 'BytesIO':
            tail = b''  # at offset 0 the image is the file
        return head + image + tail, start + len(image)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    layout=layouts,
    kind=kinds,
    position=positions,
    before=befores,
    buffer=st.sampled_from([64 * KiB, 96 * KiB, 1 << 20]),
    needs=st.sampled_from([{}, {'verify': 'always'}]),
)
def test_same_bytes_position_and_result_by_every_strategy(
    monkeypatch, layout, kind, position, before, buffer, needs
):
    monkeypatch.setattr(parallel, '_BUFFER', buffer)
    monkeypatch.setattr(parallel, '_BATCH', 2 * buffer)
    monkeypatch.setattr(stream, 'MiB', buffer)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'source')
        image = make_source(path, layout)
        mover = move.Mover(uri_for(path))
        old = hashlib.shake_128(b'old').digest(before)
        target = os.path.join(directory, 'target')
        with contextlib.closing(io.BytesIO()) as probe:
            names = {offer.strategy for offer in mover.plan(probe).offers}
        assert names == {'stream'}
        ran = set()
        while True:
            end = Destination(kind, target, old, position)
            result = mover.copy(end.writer, disabled=ran, **needs)
            if not result.success:
                end.content()
                break
            ran.add(result.strategy)
            expected, at = end.expected(image)
            assert end.position() == at
            assert end.content() == expected
            moved = 0 if result.zero_copy else len(image)
            assert tuple(result) == (True, moved)
            assert result.size == len(image)
            if needs:
                assert result.digests == {
                    'sha512': hashlib.sha512(image).hexdigest()
                }
        assert 'stream' in ran


@settings(max_examples=40)
@given(
    layout=layouts,
    if_exists=st.sampled_from(['fail', 'replace', 'in_place']),
    before=befores,
)
def test_a_stores_writer_ends_as_the_image(layout, if_exists, before):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'source')
        image = make_source(path, layout)
        mover = move.Mover(uri_for(path))
        target = os.path.join(directory, 'target')
        ran = set()
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
        assert {'kernel_copy', 'parallel', 'stream'} <= ran
