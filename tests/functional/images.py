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

"""Images for the tests: made, looked at, and moved by one strategy only."""

from __future__ import annotations

import fcntl
import os
import pathlib
import random
import struct
from collections.abc import Mapping
from typing import Any

from oslo_image import move
from oslo_image.move import strategies

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30
#: Of every filesystem here.
BLOCK = 4096

#: All that can move a file; and those that move its payload.
STRATEGIES = ('reflink', 'kernel_copy', 'parallel', 'stream')
COPYING = ('kernel_copy', 'parallel', 'stream')

_FIEMAP = 0xC020660B
_SYNC = 0x1
_UNWRITTEN = 0x800
_SHARED = 0x2000
_MOST = 4096


def noise(length: int, seed: int = 0) -> bytes:
    """Return bytes of which no block is like another."""
    return random.Random(seed).randbytes(length)


def make(
    path: pathlib.Path, size: int, pieces: Mapping[int, bytes]
) -> pathlib.Path:
    """Write an image with data at these offsets and holes elsewhere."""
    with path.open('wb') as image:
        for offset, data in pieces.items():
            image.seek(offset)
            image.write(data)
        image.truncate(size)
    return path


#: Of an image with holes, where the test says nothing else.
SIZE = 8 * MiB


def holey(path: pathlib.Path, size: int = SIZE) -> pathlib.Path:
    """Write an image whose middle and end are holes, and its start too.

    At least 4 MiB; a size that is no multiple of a block is welcome.
    """
    return make(
        path,
        size,
        {
            64 * KiB: noise(MiB + 4096, 1),
            2 * MiB: noise(100, 2),
            3 * MiB: noise(MiB - 64 * KiB, 3),
            size - 256 * KiB: noise(128 * KiB, 4),
        },
    )


def uri(path: pathlib.Path) -> str:
    """Return the URI of a path of plain characters."""
    return f'file://{path}'


def mover(source: pathlib.Path, config: Any = None, **more: Any) -> move.Mover:
    """Return a mover of a file."""
    return move.Mover(uri(source), config, **more)


def all_but(*names: str) -> list[str]:
    """Return what to switch off, so that only these strategies are left."""
    return [name for name in installed() if name not in names]


def installed() -> list[str]:
    """Return the names of all strategies, those for other stores too."""
    return sorted(one.name for one in strategies.plugins()[0])


def blocks(path: pathlib.Path) -> dict[int, tuple[int, bool]]:
    """Ask the filesystem where a file's blocks lie (FIEMAP).

    :returns: by the offset in the file, the offset in the filesystem and
        whether another file has the same block. Reserved blocks without
        content are not in it.
    """
    head = struct.pack('=QQLLLL', 0, 2**64 - 1, _SYNC, 0, _MOST, 0)
    buffer = bytearray(head) + bytearray(56 * _MOST)
    with path.open('rb') as file:
        fcntl.ioctl(file, _FIEMAP, buffer)
    count = struct.unpack_from('=QQLLLL', buffer)[3]
    found = {}
    for index in range(count):
        offset, physical, length, _, _, flags = struct.unpack_from(
            '=QQQQQL', buffer, 32 + 56 * index
        )
        if flags & _UNWRITTEN:
            continue
        for at in range(0, length, BLOCK):
            found[offset + at] = physical + at, bool(flags & _SHARED)
    return found


def data_ranges(path: pathlib.Path) -> list[tuple[int, int]]:
    """Return the (start, end) of what is no hole, by lseek(2)."""
    found = []
    fd = os.open(path, os.O_RDONLY)
    try:
        end = 0
        while True:
            try:
                start = os.lseek(fd, end, os.SEEK_DATA)
            except OSError:
                return found
            end = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, end))
    finally:
        os.close(fd)


def allocated(path: pathlib.Path) -> int:
    """Return the bytes that a file occupies."""
    return path.stat().st_blocks * 512


def reasons(result: move.CopyResult) -> dict[str | None, str]:
    """Return why each strategy was not used."""
    return {one.strategy: one.reason for one in result.refusals}
