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

"""Cut an image into the spans that are moved one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from oslo_image.stores.base import Extent, MiB, SpanRule, Writer, is_zero

#: How much of a hole goes at once: progress shows, and a cancellation is
#: seen, between two.
HOLE = 256 * MiB


class Span(NamedTuple):
    """A run of the image that moves as one; ``zero`` when it need not move."""

    offset: int
    length: int
    zero: bool


def put(writer: Writer, offset: int, view: memoryview) -> None:
    """Put what was read; a whole span of zeros as such.

    A writer that takes anything looks for finer holes by itself.
    """
    if not writer.spans.anything and is_zero(view):
        writer.put_zeros(offset, len(view))
    else:
        writer.put(offset, view)


def cut(
    extents: Iterable[Extent], rule: SpanRule, wanted: int, size: int
) -> Iterator[Span]:
    """Yield spans that cover the extents, in order.

    Where the writer takes any length, spans follow the extents; where it wants
    parts, every span but the last has the same length, and is zero only if all
    of its extents are.
    """
    length = rule.length(wanted, size)
    if rule.anything:
        yield from _follow(extents, length)
    else:
        yield from _parts(extents, length)


def _follow(extents: Iterable[Extent], length: int) -> Iterator[Span]:
    for extent in extents:
        end = extent.offset + extent.length
        step = HOLE if extent.zero else length
        for at in range(extent.offset, end, step):
            yield Span(at, min(step, end - at), extent.zero)


def _parts(extents: Iterable[Extent], length: int) -> Iterator[Span]:
    start = at = 0
    zero = True
    for extent in extents:
        end = extent.offset + extent.length
        at = extent.offset
        while at < end:
            step = min(end, start + length) - at
            zero = zero and extent.zero
            at += step
            if at == start + length:
                yield Span(start, length, zero)
                start, zero = at, True
    if at > start:
        yield Span(start, at - start, zero)
