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

"""What every moved byte passes, whichever strategy moves it.

Counting, caps, pace, progress and cancelling see lengths; digest, inspection
and the caller's verifier see the bytes, in order. One pipe serves one attempt.
All methods are called by the caller's own thread, except ``compare``, and
``observe``, for which a strategy may use one thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oslo_image import exception
from oslo_image.move.digest import Digest
from oslo_image.move.inspection import Inspection
from oslo_image.move.needs import Needs
from oslo_image.move.pacer import Pacer
from oslo_image.stores.base import ZEROS

__all__ = [
    'Pipe',
    'Progress',
]

Progress = Callable[[int, int | None], Any]


class Pipe:
    """What one attempt's bytes pass.

    :param needs: what the caller demands.
    :param digest: None when the strategy does not see the bytes.
    :param inspection: fed with the bytes; None when there is nothing (more)
        to inspect.
    :param looked: an inspection that has looked ahead, to be held against.
    :param size: the bytes that are to come; None when unknown.
    :param max_size: the most bytes that may come.
    :param workers: how many requests a parallel engine keeps in flight.
    """

    def __init__(
        self,
        needs: Needs,
        pacer: Pacer,
        *,
        digest: Digest | None = None,
        inspection: Inspection | None = None,
        looked: Inspection | None = None,
        size: int | None = None,
        max_size: int | None = None,
        workers: int = 4,
        progress: Progress | None = None,
    ) -> None:
        self.size = size
        self.workers = workers
        #: Whether the result must stand on its own.
        self.independent = needs.independent
        self._digest = digest if digest and digest.active else None
        self._verifier = needs.verifier
        self._inspection = inspection
        self._looked = looked
        self._max_size = max_size
        self._pacer = pacer
        self._progress = progress
        self.done = 0

    @property
    def observing(self) -> bool:
        """Whether anything wants the bytes themselves, in order."""
        return (
            self._digest is not None
            or self._verifier is not None
            or self._inspection is not None
        )

    def piece(self, wanted: int) -> int:
        """Return how many bytes to move at once, under the rate limit."""
        return self._pacer.piece(wanted)

    def admit(self, length: int) -> None:
        """Ask to move the next bytes; waits as the rate limit asks.

        :raises Cancelled:
        :raises TooLarge: when they would be more than allowed.
        :raises SizeMismatch: when they would be more than declared.
        """
        self._pacer.pace(length)
        self._bound(self.done + length)

    def check(self) -> None:
        """:raises Cancelled: when the caller's event is set."""
        self._pacer.check()

    def compare(self, offset: int, view: memoryview) -> None:
        """Hold bytes, before they are put, against those inspected.

        Called by any thread.

        :raises UnsafeImage:
        """
        if self._looked is not None:
            self._looked.compare(offset, view)

    def observe(self, view: memoryview) -> None:
        """Show the next bytes to whatever wants to see them."""
        if self._inspection is not None:
            self._inspection.feed(view)
        if self._digest is not None:
            self._digest.feed(view)
        if self._verifier is not None:
            self._verifier.update(bytes(view))

    def observe_zeros(self, length: int) -> None:
        """Show zeros."""
        if self._inspection is not None:
            self._inspection.feed_zeros(length)
        if self._digest is not None:
            self._digest.feed_zeros(length)
        while length and self._verifier is not None:
            step = min(length, len(ZEROS))
            self._verifier.update(bytes(ZEROS[:step]))
            length -= step

    def advance(self, length: int) -> None:
        """Count bytes that the destination now has."""
        self.done += length
        self._bound(self.done)
        if self._progress is not None and length:
            self._progress(self.done, self.size)

    def finish(self, size: int) -> bool:
        """Check the whole; return whether a declared digest was right.

        :param size: the bytes that the strategy moved.
        :raises SizeMismatch, DigestMismatch, UnsafeImage, TooLarge:
        """
        if self.size is not None and size != self.size:
            kind = (
                exception.Truncated
                if size < self.size
                else exception.SizeMismatch
            )
            raise kind(
                f'{size} bytes came, {self.size} were declared', side='source'
            )
        self._bound(size)
        if self._inspection is not None:
            self._inspection.finish()
        if self.done < size:
            self.advance(size - self.done)
        elif self._progress is not None and not size:
            self._progress(0, 0)
        return self._digest.check() if self._digest else False

    def _bound(self, size: int) -> None:
        if self._max_size is not None and size > self._max_size:
            raise exception.TooLarge(
                f'the image is larger than the allowed {self._max_size} bytes'
            )
        if self.size is not None and size > self.size:
            raise exception.SizeMismatch(
                f'more than the declared {self.size} bytes came',
                side='source',
            )
