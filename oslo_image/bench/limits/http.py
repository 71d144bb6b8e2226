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

"""The least that a transfer from a plain web server can cost."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import socket
import urllib.parse
from collections.abc import Callable

from oslo_image.bench.cell import Job, Way
from oslo_image.bench.limits import net

MiB = 1 << 20
_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC
#: Takes a socket, a file, the offset and length of what is to come, and what
#: of it came with the head.
Body = Callable[[socket.socket, int, int, int], None]


def _ask(uri: str, start: int, length: int) -> tuple[socket.socket, bytes]:
    """Send a request; return the socket, and what came after the head."""
    url = urllib.parse.urlsplit(uri)
    query = f'?{url.query}' if url.query else ''
    sock = net.connect(url.hostname, url.port or 80)
    with contextlib.ExitStack() as stack:
        stack.enter_context(sock)
        sock.sendall(
            f'GET {url.path}{query} HTTP/1.1\r\nHost: {url.netloc}\r\n'
            f'Range: bytes={start}-{start + length - 1}\r\n\r\n'.encode()
        )
        head = b''
        while b'\r\n\r\n' not in head:
            more = sock.recv(4096)
            net.some(len(more))
            head += more
        head, _, body = head.partition(b'\r\n\r\n')
        if not head.startswith(b'HTTP/1.1 206'):
            raise RuntimeError(head.partition(b'\r\n')[0].decode())
        stack.pop_all()
    return sock, body


def fetch(body: Body, ranges: int = 1) -> Callable[[Job], None]:
    def run(job: Job) -> None:
        target = os.open(job.path, _NEW, 0o600)
        size = job.shape.size
        step = -(-size // ranges)

        def one(start: int) -> None:
            length = min(step, size - start)
            sock, ahead = _ask(job.uri, start, length)
            with sock:
                os.pwrite(target, ahead, start)
                body(sock, target, start + len(ahead), length - len(ahead))

        try:
            net.in_threads(ranges, one, range(0, size, step))
        finally:
            os.close(target)

    return run


def discard(sock: socket.socket, target: int, at: int, length: int) -> None:
    buffer = memoryview(mmap.mmap(-1, MiB))
    while length:
        length -= net.some(sock.recv_into(buffer[:length]))


def write(sock: socket.socket, target: int, at: int, length: int) -> None:
    buffer = memoryview(mmap.mmap(-1, MiB))
    while length:
        wanted = min(length, MiB)
        count = sock.recv_into(buffer[:wanted], wanted, socket.MSG_WAITALL)
        os.pwrite(target, buffer[: net.some(count)], at)
        at, length = at + count, length - count


def _splice(sock: socket.socket, target: int, at: int, length: int) -> None:
    """Through a pipe, so that no byte enters this process."""
    out, into = os.pipe()
    flags = os.SPLICE_F_MOVE | os.SPLICE_F_MORE
    try:
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, MiB)
        while length:
            count = os.splice(
                sock.fileno(), into, min(length, MiB), flags=flags
            )
            length -= net.some(count)
            while count:
                done = os.splice(
                    out, target, count, offset_dst=at, flags=flags
                )
                at, count = at + done, count - done
    finally:
        os.close(out)
        os.close(into)


DISCARD = Way('raw recv, discarded', 'limit', fetch(discard), writes=False)
WRITE = Way('raw recv/pwrite', 'limit', fetch(write))
WRITE_TWO = Way('raw recv/pwrite, 2 ranges', 'limit', fetch(write, 2))
SPLICE = Way('raw splice', 'limit', fetch(_splice))
SPLICE_TWO = Way('raw splice, 2 ranges', 'limit', fetch(_splice, 2))
