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

"""What one end can do beyond bytes; each fast path bridges two of these.

A third party adds a fast path with a facet of its own at each end and one
strategy: ``source.facet(Kind)`` and ``writer.facet(Kind)`` take any class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

__all__ = [
    'FileDescriptor',
]


@dataclasses.dataclass(frozen=True, slots=True)
class FileDescriptor:
    """Bits behind a descriptor of this process.

    :param kind: "regular", "block", or "stream" for a pipe, socket or tty.
    :param device: ``st_dev`` of the file, or of its directory to be; of a
        block device ``st_rdev``.
    :param inode: ``st_ino``; None as long as there is no file.
    :param start: the offset in the file at which the image begins, in bytes.
    :param length: the file's size in bytes as it was found; 0 for a stream.
    :param append: whether the file is open with O_APPEND.
    :param fileno: returns the descriptor. It stays the owner's. A writer has
        one only after ``begin``.
    :param written: to be called by a strategy before it writes through the
        descriptor past ``put``, so that a rollback knows of it whatever comes
        between; and with False when the kernel refused.
    """

    kind: Literal['regular', 'block', 'stream']
    device: int
    inode: int | None
    start: int
    length: int
    append: bool
    fileno: Callable[[], int] = dataclasses.field(compare=False, repr=False)
    written: Callable[[bool], None] = dataclasses.field(
        default=lambda written: None, compare=False, repr=False
    )
