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

"""What the limits over a network share."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from oslo_image.bench.cell import Job
from oslo_image.bench.peers.programs import call

_SECONDS = 60
#: struct timeval; socket(7).
_TIMEVAL = struct.pack('ll', _SECONDS, 0)


def connect(host: str | None, port: int) -> socket.socket:
    """Return a connection that blocks, for a minute at most."""
    sock = socket.create_connection((host, port), _SECONDS)
    bound(sock)
    return sock


def bound(sock: socket.socket) -> None:
    """Let a connection block, which splice and sendfile need; not for ever."""
    sock.settimeout(None)
    for one in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, one, _TIMEVAL)


def some(count: int) -> int:
    """Return a count of bytes.

    :raises EOFError: when it is 0, which would never end.
    """
    if not count:
        raise EOFError('it ended early')
    return count


def send(sock: socket.socket, file: int, start: int, length: int) -> None:
    """Have the kernel send a range of a file."""
    end = start + length
    while start < end:
        start += some(os.sendfile(sock.fileno(), file, start, end - start))


def in_threads(
    count: int, work: Callable[[int], object], tasks: Iterable[int]
) -> None:
    """Work on all tasks; what the first that fails has raised is raised."""
    with ThreadPoolExecutor(count) as pool:
        for _ in pool.map(work, tasks):
            pass


def discarded(told: Callable[[Job], str]) -> Callable[[Job], None]:
    """Return what fetches with curl, and throws away.

    :param told: returns what it reads: an argument could be read by others.
    """

    def run(job: Job) -> None:
        call(
            *('curl', '--fail', '--silent', '--show-error'),
            *('--output', os.devnull, '--config', '-'),
            told=told(job),
        )

    return run
