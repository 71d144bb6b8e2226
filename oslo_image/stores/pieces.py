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

"""What of an image is kept until it is sent as one body."""

from __future__ import annotations

import os
from collections.abc import Iterator

from oslo_image.stores.base import ZEROS, DescriptorRange, is_zero

#: Bytes, a range of a file, or so many zeros.
Piece = memoryview | DescriptorRange | int


def length_of(piece: Piece) -> int:
    """Return the bytes that a piece stands for."""
    if isinstance(piece, int):
        return piece
    return piece.length if isinstance(piece, DescriptorRange) else len(piece)


#: What of a range is looked at first, in bytes.
_LOOK = 4096


def is_zeros(piece: Piece) -> bool:
    """Return whether a piece is zeros; little is read of what is not."""
    if isinstance(piece, int):
        return True
    if not isinstance(piece, DescriptorRange):
        return is_zero(piece)
    fileno, start, length = piece

    def zeros(at: int, most: int) -> bool:
        found = os.pread(fileno, min(most, length - at), start + at)
        return bool(found) and is_zero(memoryview(found))

    return all(
        zeros(at, _LOOK) for at in (0, length // 2, max(0, length - _LOOK))
    ) and all(zeros(at, len(ZEROS)) for at in range(0, length, len(ZEROS)))


class Pieces:
    """Pieces by their offset; ranges of files and zeros take no memory.

    :param most: the bytes that are kept in memory.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[int, Piece] = {}
        self._held = 0

    def add(self, offset: int, piece: Piece) -> bool:
        """Keep a piece; return False where it would be too much.

        What lies in a buffer is copied: it is used again.
        """
        if isinstance(piece, memoryview):
            if self._held + len(piece) > self._most:
                return False
            self._held += len(piece)
            piece = memoryview(bytes(piece))
        self._kept[offset] = piece
        return True

    def all(self) -> list[tuple[int, Piece]]:
        """Return the offsets and pieces, in order."""
        return sorted(self._kept.items())

    def body(self) -> Iterator[memoryview | DescriptorRange]:
        """Yield what is to be sent."""
        for _, piece in self.all():
            if isinstance(piece, int):
                for start in range(0, piece, len(ZEROS)):
                    yield ZEROS[: piece - start]
            else:
                yield piece
