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

"""What a copy answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from oslo_image.exception import ImageError
from oslo_image.image import Location
from oslo_image.move.plan import Refusal


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """The outcome of a copy; unpacks to exactly ``(success, bytes_written)``.

    :param success: False means that no allowed strategy could move the image
        and the destination is as it was.
    :param bytes_written: 0 for zero-copy, else the image's bytes delivered,
        holes counted. An empty image is 0 too: ``zero_copy`` tells.
    :param size: the image's bytes; None when nothing was moved.
    :param bytes_moved: the payload that went through this process or a
        copying kernel call; holes that were skipped are not in it.
    :param strategy: the name of the one that ran.
    :param source: the location that the (last) bytes came from.
    :param destination: where the bits now lie, if that has a name.
    :param digests: hex values by hashlib name, as far as computed here.
    :param digest_state: "computed" here; "carried": declared, and the bits
        came on a path that does not see them; or "absent".
    :param verified: whether a declared digest was compared and is right.
    :param format: what the content was found to be, where it was inspected.
    :param refusals: what was not used, and why.
    :param parent: what the result depends on, for a clone.
    :param seconds: the time that it took.
    :param error: the last error that another location made good, if any.
    """

    success: bool
    bytes_written: int = 0
    zero_copy: bool = False
    size: int | None = None
    bytes_moved: int = 0
    strategy: str | None = None
    source: Location | None = None
    destination: Location | None = None
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)
    digest_state: Literal['computed', 'carried', 'absent'] = 'absent'
    verified: bool = False
    format: str | None = None
    refusals: tuple[Refusal, ...] = ()
    parent: Any = None
    seconds: float = 0.0
    error: ImageError | None = None

    def __iter__(self) -> Iterator[Any]:
        yield self.success
        yield self.bytes_written
