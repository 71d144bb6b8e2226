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

"""Keep reading when a source breaks: resume it, or go on at another.

What a store raises with ``temporary`` set is tried again at the byte that was
delivered last, from the same pinned version. When that is no use, another
location may take over in the middle, but only while a strong digest that the
image declares is being computed over the whole.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from oslo_image import backoff, exception
from oslo_image.move.pacer import Pacer
from oslo_image.move.plan import Refusal
from oslo_image.stores.base import Extent, MiB, Reader, Source

LOG = logging.getLogger(__name__)
F = TypeVar('F')
_TICK = 0.2
#: Seconds that a server may ask us to wait while another location is at hand.
_PATIENCE = 5.0


class Relay(Source):
    """A source that goes on after faults; strategies see nothing of them.

    :param sources: the source of the plan, and then those that may take over
        in the middle.
    :param retries: how often to try again without a MiB of progress.
    :param pause: seconds before the first new try; it doubles from there.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        pacer: Pacer,
        *,
        retries: int,
        pause: float,
    ) -> None:
        first = sources[0]
        super().__init__(first.location)
        self.size = first.size
        self.version = first.version
        self.realm = first.realm
        self.ranged = first.ranged
        self.restartable = first.restartable
        self.chunk = first.chunk
        self._sources = list(sources)
        self._pacer = pacer
        self._retries = retries
        self._pause = pause
        self._lock = threading.Lock()
        self._at = 0
        self._ended = threading.Event()
        #: Locations that were given up in the middle, and why.
        self.given_up: list[Refusal] = []
        #: The error that made the last one be given up.
        self.error: exception.ImageError | None = None

    @property
    def ended(self) -> bool:
        """Whether the copy was ended early."""
        return self._ended.is_set()

    @property
    def current(self) -> Source:
        """The source that is read now."""
        return self._sources[self._at]

    @property
    def _replaceable(self) -> bool:
        return self._at + 1 < len(self._sources)

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Yield those of the first source: the bits are the same in all."""
        return self._sources[0].extents(start, length)

    def facet(self, kind: type[F]) -> F | None:
        """Return the first source's facet."""
        return self._sources[0].facet(kind)

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream that resumes by itself."""
        return _ResumingReader(self, offset, length)

    def check_unchanged(self) -> None:
        """Ask the source that was read last.

        For what one before it gave, the strong digest stands.
        """
        self.current.check_unchanged()

    def interrupt(self) -> None:
        """Wake whoever reads or waits; nothing is tried again."""
        self._ended.set()
        for source in self._sources[: self._at + 1]:
            source.interrupt()

    def wait(self, error: exception.ImageError, tries: int) -> None:
        """Wait before try number ``tries`` (from 1).

        :raises ImageError: the error itself when there is no use in waiting,
            or another location has the bits sooner.
        """
        if (error.retry_after or 0) > _PATIENCE and self._replaceable:
            raise error
        delay = backoff.delay(error, tries, self._pause)
        if self.ended or tries > self._retries or delay is None:
            raise error
        until = time.monotonic() + delay
        while (left := until - time.monotonic()) > 0:
            if self._ended.wait(min(left, _TICK)):
                raise error
            self._pacer.check()

    def give_up(self, source: Source, error: exception.ImageError) -> None:
        """Go over from a source to the next.

        :raises ImageError: the error itself when there is no next one.
        """
        with self._lock:
            if source is not self.current:
                return
            if self.ended or not self._replaceable:
                raise error
            self._at += 1
            self.current.pin()
            self.error = error
            self.given_up.append(
                Refusal(
                    None,
                    source.location,
                    f'{error.message}; went on at {self.current.location}',
                )
            )
        LOG.warning('%s; going on at %s', error, self.current.location)


class _ResumingReader:
    """One stream of a relay; opens its connection at the first read."""

    def __init__(self, relay: Relay, offset: int, length: int | None) -> None:
        self._relay = relay
        self._offset = offset
        self._end = None if length is None else offset + length
        self._source: Source | None = None
        self._reader: Reader | None = None
        self._tries = 0
        self._progress = 0
        self._failed: exception.ImageError | None = None

    def readinto(self, buffer: memoryview) -> int:
        if self._failed is not None:
            raise self._failed
        while True:
            source = self._relay.current
            try:
                if self._relay.ended:
                    raise exception.SourceError('the copy has ended')
                if self._reader is None or self._source is not source:
                    self.close()
                    self._reader = self._open(source)
                    self._source = source
                count = self._reader.readinto(buffer)
            except exception.ImageError as error:
                self.close()
                error.annotate(
                    source=source.location, offset=self._offset, side='source'
                )
                self._recover(source, error)
            else:
                self._offset += count
                self._progress += count
                if self._progress >= MiB:
                    self._tries = 0
                return count

    def _open(self, source: Source) -> Reader:
        length = None if self._end is None else self._end - self._offset
        if source.ranged or not self._offset:
            return source.open_stream(self._offset, length)
        if not source.restartable or source.version is None:
            raise exception.SourceError(
                'it cannot be resumed: it serves no ranges, or no version '
                'that could be pinned'
            )
        reader = source.open_stream(0)
        skip = memoryview(bytearray(min(MiB, self._offset)))
        left = self._offset
        while left:
            count = reader.readinto(skip[: min(left, len(skip))])
            if not count:
                reader.close()
                raise exception.SourceChanged('it is shorter than before')
            left -= count
        return reader

    def _recover(self, source: Source, error: exception.ImageError) -> None:
        if error.temporary and self._resumable(source):
            self._tries += 1
            self._progress = 0
            try:
                self._relay.wait(error, self._tries)
                LOG.info('%s; trying again (%d)', error, self._tries)
                return
            except exception.Cancelled:
                raise
            except exception.ImageError:
                pass
        try:
            self._relay.give_up(source, error)
        except exception.ImageError as final:
            self._failed = final
            raise
        self._tries = 0

    def _resumable(self, source: Source) -> bool:
        if source.ranged:
            return True
        return source.restartable and (
            source.version is not None or not self._offset
        )

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None
