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

"""What a caller may hand over as a writer, one function a kind.

Each opens a writer on a directory and says what must become of it, whichever
strategy runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import io
import os
import pathlib
import socket
import ssl
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from tests.functional import images

BLOCK = images.BLOCK
OLD = images.noise(3 * BLOCK + 10, 99)


@dataclasses.dataclass
class Target:
    """A writer, and what is known of it.

    :param content: returns all that the writer's side now holds; may close
        the writer.
    :param before: what stands before the image.
    :param behind: what stands behind the writer's position, to begin with.
    :param state: the destination_state of a copy that failed at its end.
    :param overwrites: how much of ``behind`` the image replaces; None is its
        own length.
    :param position: whether it has one.
    """

    writer: Any
    content: Callable[[], bytes]
    before: bytes = b''
    behind: bytes = b''
    state: str = 'restored'
    overwrites: int | None = None
    position: bool = True


@contextlib.contextmanager
def _file(
    directory: pathlib.Path, mode: str, old: bytes = b'', **options: Any
) -> Iterator[tuple[Any, Callable[[], bytes]]]:
    path = directory / 'target'
    path.write_bytes(old)
    with path.open(mode, **options) as writer:

        def content() -> bytes:
            writer.flush()
            return path.read_bytes()

        yield writer, content


@contextlib.contextmanager
def new_file(directory):
    with _file(directory, 'wb') as (writer, content):
        yield Target(writer, content)


@contextlib.contextmanager
def unbuffered(directory):
    with _file(directory, 'wb', buffering=0) as (writer, content):
        yield Target(writer, content)


@contextlib.contextmanager
def unbuffered_behind_a_head(directory):
    with _file(directory, 'wb', buffering=0) as (writer, content):
        writer.write(OLD)
        yield Target(writer, content, before=OLD)


@contextlib.contextmanager
def buffer_not_empty(directory):
    with _file(directory, 'wb') as (writer, content):
        writer.write(b'still in the buffer')
        assert (directory / 'target').stat().st_size == 0
        yield Target(writer, content, before=b'still in the buffer')


@contextlib.contextmanager
def to_read_and_write(directory):
    with _file(directory, 'w+b') as (writer, content):
        writer.write(OLD[: 2 * BLOCK])
        writer.seek(0)
        assert writer.read(7) == OLD[:7]
        writer.seek(0, os.SEEK_END)
        yield Target(writer, content, before=OLD[: 2 * BLOCK])


@contextlib.contextmanager
def read_ahead_in_the_buffer(directory):
    with _file(directory, 'r+b', OLD) as (writer, content):
        assert writer.read(5) == OLD[:5]
        yield Target(
            writer,
            content,
            before=OLD[:5],
            behind=OLD[5:],
            state='modified',
        )


@contextlib.contextmanager
def start_of_an_old_file(directory):
    """An image at offset 0 is the file: it is cut to the image's length."""
    old = images.noise(images.KiB * 8192, 98)
    with _file(directory, 'r+b', old) as (writer, content):
        yield Target(
            writer,
            content,
            behind=old,
            state='modified',
            overwrites=len(old),
        )


@contextlib.contextmanager
def middle_at_a_block(directory):
    old = images.noise(images.KiB * 8192, 98)
    with _file(directory, 'r+b', old) as (writer, content):
        writer.seek(BLOCK)
        yield Target(
            writer,
            content,
            before=old[:BLOCK],
            behind=old[BLOCK:],
            state='modified',
        )


@contextlib.contextmanager
def end_of_an_old_file(directory):
    with _file(directory, 'r+b', OLD) as (writer, content):
        writer.seek(0, os.SEEK_END)
        yield Target(writer, content, before=OLD)


@contextlib.contextmanager
def past_the_end(directory):
    with _file(directory, 'r+b', OLD[:10]) as (writer, content):
        writer.seek(2 * BLOCK)
        yield Target(writer, content, before=OLD[:10] + bytes(2 * BLOCK - 10))


@contextlib.contextmanager
def append(directory):
    with _file(directory, 'ab', OLD) as (writer, content):
        yield Target(writer, content, before=OLD)


@contextlib.contextmanager
def append_and_read(directory):
    with _file(directory, 'a+b', OLD) as (writer, content):
        writer.seek(3)  # writes go to the end all the same
        yield Target(writer, content, before=OLD, position=False)


@contextlib.contextmanager
def append_by_flag_only(directory):
    path = directory / 'target'
    path.write_bytes(OLD)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    with open(fd, 'wb') as writer:

        def content():
            writer.flush()
            return path.read_bytes()

        yield Target(writer, content, before=OLD, position=False)


@contextlib.contextmanager
def named_temporary_file(directory):
    with tempfile.NamedTemporaryFile(dir=directory) as writer:
        writer.write(b'head')

        def content():
            writer.flush()
            return pathlib.Path(writer.name).read_bytes()

        yield Target(writer, content, before=b'head')


@contextlib.contextmanager
def temporary_file(directory):
    with tempfile.TemporaryFile(dir=directory) as writer:

        def content():
            writer.seek(0)
            return writer.read()

        yield Target(writer, content)


@contextlib.contextmanager
def spooled(directory):
    with tempfile.SpooledTemporaryFile(
        max_size=images.MiB, dir=directory
    ) as writer:

        def content():
            writer.seek(0)
            return writer.read()

        yield Target(writer, content)


class Proxy:
    """Hands every attribute on, as eventlet.tpool.Proxy does.

    That one itself is tried in a process of its own, by test_eventlet.py.
    """

    def __init__(self, file: Any) -> None:
        self._obj = file

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._obj, name)
        if not callable(found):
            return found
        return lambda *arguments: found(*arguments)


@contextlib.contextmanager
def proxy(directory):
    with _file(directory, 'wb') as (writer, content):
        writer.write(OLD[:BLOCK])
        yield Target(Proxy(writer), content, before=OLD[:BLOCK])


@contextlib.contextmanager
def bytes_io(directory):
    writer = io.BytesIO()
    yield Target(writer, writer.getvalue)


@contextlib.contextmanager
def bytes_io_at_its_end(directory):
    writer = io.BytesIO(OLD)
    writer.seek(0, os.SEEK_END)
    yield Target(writer, writer.getvalue, before=OLD)


@contextlib.contextmanager
def bytes_io_in_its_middle(directory):
    writer = io.BytesIO(OLD)
    writer.seek(BLOCK)
    yield Target(
        writer,
        writer.getvalue,
        before=OLD[:BLOCK],
        behind=OLD[BLOCK:],
        state='modified',
    )


@contextlib.contextmanager
def gzip_file(directory):
    path = directory / 'target.gz'
    with gzip.open(path, 'wb', compresslevel=1) as writer:

        def content():
            writer.close()
            with gzip.open(path) as file:
                return file.read()

        yield Target(writer, content, state='modified')


@contextlib.contextmanager
def zip_entry(directory):
    path = directory / 'target.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        with archive.open('entry', 'w') as writer:

            def content():
                writer.close()
                return archive.read('entry')

            yield Target(writer, content, state='modified', position=False)


class Hashing:
    """A wrapper that hands every attribute on, but must see the bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.seen = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.seen.update(data)
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Forwarding:
    """A wrapper whose write() is set from outside, as by tqdm.wrapattr()."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.seen = hashlib.sha256()

        def write(data: Any) -> int:
            self.seen.update(data)
            return file.write(data)

        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class HashingFile(io.FileIO):
    """Python's own file with a write() that does more."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen = hashlib.sha256()

    def write(self, data: Any) -> Any:
        self.seen.update(data)
        return super().write(data)


@contextlib.contextmanager
def _seen(path, writer, hashing):
    """Check that what arrived has passed the hash too."""
    with writer:

        def content():
            writer.flush()
            data = path.read_bytes()
            if data:
                digest = hashlib.sha256(data).hexdigest()
                assert hashing.seen.hexdigest() == digest
            return data

        yield content


@contextlib.contextmanager
def _wrapper(directory, kind):
    path = directory / 'target'
    with path.open('wb', buffering=0) as file:
        writer = kind(file)
        with _seen(path, file, writer) as content:
            yield Target(writer, content)


def hashing_wrapper(directory):
    return _wrapper(directory, Hashing)


def write_set_on_the_object(directory):
    return _wrapper(directory, Forwarding)


@contextlib.contextmanager
def subclass_of_a_file(directory):
    path = directory / 'target'
    writer = HashingFile(path, 'wb')
    with _seen(path, writer, writer) as content:
        yield Target(writer, content)


@contextlib.contextmanager
def buffer_over_a_subclass(directory):
    path = directory / 'target'
    raw = HashingFile(path, 'wb')
    writer = io.BufferedWriter(raw)
    with _seen(path, writer, raw) as content:
        yield Target(writer, content)


class Collector:
    """The least of a writer: it keeps the very objects that it is given."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.pieces: list[Any] = []
        self._answer = answer

    def write(self, data: Any) -> Any:
        answer = self._answer(len(data))
        self.pieces.append(data if answer is None else data[:answer])
        return answer

    def content(self) -> bytes:
        return b''.join(self.pieces)


@contextlib.contextmanager
def _collector(answer):
    writer = Collector(answer)
    yield Target(writer, writer.content, state='modified', position=False)


def says_none(directory):
    return _collector(lambda length: None)


def says_all(directory):
    return _collector(lambda length: length)


def takes_less(directory):
    return _collector(lambda length: min(length, 100_003))


def takes_nothing_at_times(directory):
    turns = iter(range(1 << 30))
    return _collector(
        lambda length: min(length, 300_007) if next(turns) % 2 else 0
    )


@contextlib.contextmanager
def _drained(read, close):
    """Read in a thread what is written at the other end."""
    received = []

    def drain():
        while chunk := read(1 << 16):
            received.append(chunk)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()

    def content():
        close()
        thread.join(30)
        assert not thread.is_alive()
        return b''.join(received)

    try:
        yield content
    finally:
        close()
        thread.join(30)


@contextlib.contextmanager
def _pipe(blocking, **options):
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, blocking)
    writer = open(write_end, 'wb', **options)
    with open(read_end, 'rb', buffering=0) as reader:
        with _drained(reader.read, writer.close) as content:
            yield Target(writer, content, state='modified', position=False)


def pipe(directory):
    return _pipe(True)


def unbuffered_pipe(directory):
    return _pipe(True, buffering=0)


def non_blocking_pipe(directory):
    return _pipe(False, buffering=0)


@contextlib.contextmanager
def non_blocking_pipe_of_a_high_number(directory):
    """select(2) knows descriptors below 1024 only."""
    read_end, write_end = os.pipe()
    high = 1030
    os.dup2(write_end, high)
    os.close(write_end)
    os.set_blocking(high, False)
    writer = open(high, 'wb', buffering=0)
    with open(read_end, 'rb', buffering=0) as reader:
        with _drained(reader.read, writer.close) as content:
            yield Target(writer, content, state='modified', position=False)


@contextlib.contextmanager
def makefile_of_a_socket(directory):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = ours.makefile('wb')

        def close():
            writer.close()
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_WR)

        with _drained(theirs.recv, close) as content:
            yield Target(writer, content, state='modified', position=False)


@contextlib.contextmanager
def makefile_over_tls(directory):
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert('example.org').configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    ours, theirs = socket.socketpair()
    accepted = []

    def read(length):
        if not accepted:
            accepted.append(server.wrap_socket(theirs, server_side=True))
        try:
            return accepted[0].recv(length)
        except ssl.SSLEOFError:
            return b''

    tls = None

    def close():
        if tls is not None:
            writer.close()
            with contextlib.suppress(OSError):
                tls.shutdown(socket.SHUT_WR)

    with ours, theirs, _drained(read, close) as content:
        tls = client.wrap_socket(ours, server_hostname='example.org')
        writer = tls.makefile('wb')
        try:
            yield Target(writer, content, state='modified', position=False)
        finally:
            content()
            tls.close()
            accepted[0].close()


ANY_FILE = images.STRATEGIES
AT_NO_BLOCK = images.COPYING
STREAM = ('stream',)
PIPE = ('kernel_copy', 'stream')

#: Every kind of writer, and what may serve it on a filesystem with reflink.
KINDS = {
    new_file: ANY_FILE,
    unbuffered: ANY_FILE,
    unbuffered_behind_a_head: AT_NO_BLOCK,
    buffer_not_empty: AT_NO_BLOCK,
    to_read_and_write: ANY_FILE,
    read_ahead_in_the_buffer: AT_NO_BLOCK,
    start_of_an_old_file: ANY_FILE,
    middle_at_a_block: AT_NO_BLOCK,
    end_of_an_old_file: AT_NO_BLOCK,
    past_the_end: ANY_FILE,
    append: STREAM,
    append_and_read: STREAM,
    append_by_flag_only: STREAM,
    named_temporary_file: AT_NO_BLOCK,
    temporary_file: ANY_FILE,
    spooled: STREAM,
    proxy: ANY_FILE,
    bytes_io: STREAM,
    bytes_io_at_its_end: STREAM,
    bytes_io_in_its_middle: STREAM,
    gzip_file: STREAM,
    zip_entry: STREAM,
    hashing_wrapper: STREAM,
    write_set_on_the_object: STREAM,
    subclass_of_a_file: STREAM,
    buffer_over_a_subclass: STREAM,
    says_none: STREAM,
    says_all: STREAM,
    takes_less: STREAM,
    takes_nothing_at_times: STREAM,
    pipe: PIPE,
    unbuffered_pipe: PIPE,
    non_blocking_pipe: PIPE,
    non_blocking_pipe_of_a_high_number: PIPE,
    makefile_of_a_socket: STREAM,
    makefile_over_tls: STREAM,
}


def by(strategies, kinds=KINDS):
    """Parametrize by every kind of writer and each of some strategies."""
    return pytest.mark.parametrize(
        ('kind', 'strategy'),
        [
            pytest.param(kind, strategy, id=f'{kind.__name__}-{strategy}')
            for kind, offered in kinds.items()
            for strategy in offered
            if strategy in strategies
        ],
    )
