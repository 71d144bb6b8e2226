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

"""The images that are copied: how large, and where their data lies."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import random
from collections.abc import Iterator
from typing import BinaryIO

from oslo_image.stores.base import Source, Writer, is_zero

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30
TiB = 1 << 40

_NOISE = random.Random(0).randbytes(MiB)


class Differs(Exception):
    """A copy is not what its source is; the message says where."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """An image whose content is known without keeping it.

    :param size: apparent bytes.
    :param data: bytes in runs, evenly spread; all else is a hole.
    :param runs: how many runs.
    """

    size: int
    data: int
    runs: int = 1

    @property
    def name(self) -> str:
        """The size in words, and the share of data unless that is all."""
        text = amount(self.size)
        if self.data == self.size:
            return text
        return f'{text} sparse, {amount(self.data)} data in {self.runs} runs'

    def extents(self) -> Iterator[tuple[int, int]]:
        """Yield (offset, length) of each run of data."""
        length = self.data // self.runs
        step = self.size // self.runs // MiB * MiB
        for index in range(self.runs):
            yield index * step, length

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Yield the data by at most a MiB, with its offset."""
        for start, length in self.extents():
            for offset in range(start, start + length, MiB):
                yield (
                    offset,
                    content(offset, min(MiB, start + length - offset)),
                )

    def write(self, file: BinaryIO) -> None:
        """Write the image into an empty file."""
        file.truncate(self.size)
        for offset, data in self.pieces():
            file.seek(offset)
            file.write(data)

    def send(self, stream: BinaryIO | Writer) -> None:
        """Write the image in order, its holes as zeros."""
        at = 0
        for offset, data in self.pieces():
            stream.write(bytes(offset - at))
            stream.write(data)
            at = offset + len(data)
        stream.write(bytes(self.size - at))

    def compare(self, source: Source) -> None:
        """Compare every byte of a copy; what it says is a hole is zeros.

        :raises Differs:
        """
        if source.size != self.size:
            raise Differs(f'it has {source.size} bytes, not {self.size}')
        buffer = memoryview(bytearray(MiB))
        runs = list(self.extents())
        for offset, length, zero in source.extents(0, self.size):
            if zero and any(
                start < offset + length and offset < start + count
                for start, count in runs
            ):
                raise Differs(f'data is missing after byte {offset}')
            at, end = offset, offset if zero else offset + length
            while at < end:
                # No piece crosses a MiB, which is how the content is made.
                view = buffer[: min(MiB - at % MiB, end - at)]
                if source.read_into(at, view) != len(view):
                    raise Differs(f'it ends after byte {at}')
                self._compare(at, view, runs)
                at += len(view)

    def _compare(
        self, at: int, view: memoryview, runs: list[tuple[int, int]]
    ) -> None:
        for start, length in runs:
            if start <= at < start + length:
                count = min(len(view), start + length - at)
                if view[:count] != content(at, count):
                    raise Differs(f'it differs after byte {at}')
                view = view[count:]
                break
        if view and not is_zero(view):
            raise Differs(f'there is data where none is, after byte {at}')

    def small(self) -> Shape:
        """Return the shape that a quick run takes instead."""
        if self.data == self.size:
            return dense(min(self.size, 2 * MiB))
        runs = min(self.runs, 8)
        data = min(self.data // self.runs, MiB) * runs
        return Shape(min(self.size, GiB), data, runs)


def content(offset: int, length: int) -> bytes:
    """Return noise of which no two MiBs are alike; within one MiB."""
    at = offset % MiB
    head = (offset // MiB).to_bytes(8, 'big')
    whole = head + _NOISE[8:]
    return whole[at : at + length]


@functools.cache
def sha512(shape: Shape) -> str:
    """Return the digest of a dense image: holes are not in it."""
    found = hashlib.sha512()
    for _, data in shape.pieces():
        found.update(data)
    return found.hexdigest()


def dense(size: int) -> Shape:
    """Return an image without holes."""
    return Shape(size, size)


def sparse(size: int, percent: int) -> Shape:
    """Return an image with data here and there, a MiB each."""
    runs = size * percent // 100 // MiB
    return Shape(size, runs * MiB, runs)


def apparent(size: int) -> Shape:
    """Return an image of any size that takes next to no space."""
    runs = 4 if size > 4 * MiB else 1
    return Shape(size, runs * 64 * KiB, runs)


def amount(count: int) -> str:
    """Return bytes in words, in the largest unit that is exact."""
    for unit, name in ((TiB, 'TiB'), (GiB, 'GiB'), (MiB, 'MiB'), (KiB, 'KiB')):
        if count and count % unit == 0:
            return f'{count // unit} {name}'
    return f'{count} B'
