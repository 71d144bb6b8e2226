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

"""The buffers of one copy, used again and again.

They are anonymous mappings: page-aligned, of huge pages where the system
gives them, and given back to it at once. The engine bounds how many are out,
and so the memory of a copy, whatever the image's size.
"""

from __future__ import annotations

import contextlib
import mmap

#: Of the processors that matter; smaller mappings gain nothing.
_HUGE_PAGE = 2 << 20


class Buffers:
    """Buffers that were given back are taken again; for one thread."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self, length: int) -> memoryview:
        """Return a buffer of exactly ``length`` bytes, its content stale."""
        while self._free:
            buffer = self._free.pop()
            if len(buffer) == length:
                return buffer
        return memoryview(_mapping(length))

    def give_back(self, buffer: memoryview) -> None:
        """Let the whole buffer be taken again."""
        self._free.append(buffer)


def _mapping(length: int) -> mmap.mmap:
    # Shared memory, which is the default, has no huge pages.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    mapping = mmap.mmap(-1, length, flags=flags)
    if length >= _HUGE_PAGE:
        with contextlib.suppress(OSError):  # a kernel without them
            mapping.madvise(mmap.MADV_HUGEPAGE)
    return mapping
