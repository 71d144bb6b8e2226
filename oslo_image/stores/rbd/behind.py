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

"""Writes that are on their way while who asked for them has gone on."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from oslo_image import exception
from oslo_image.stores.rbd import library

#: The bytes on their way at most, and those of one request. More are no
#: faster and take memory several times, in librbd and librados.
WINDOW = 16 << 20
PIECE = 1 << 20


class _Write(NamedTuple):
    completion: Any
    #: librbd reads from here until it is done.
    data: bytes
    offset: int


class Behind:
    """The writes to one open image that nobody has waited for; shared.

    An error shows in a later call, and at the latest in :meth:`drain`.

    :param mapped: maps errors; called with the offset in the image.
    """

    def __init__(self, mapped: Callable[[int | None], Any]) -> None:
        self._mapped = mapped
        self._lock = threading.Lock()
        self._writes: collections.deque[_Write] = collections.deque()
        self._bytes = 0
        library.land_at_exit(self)

    def write(self, image: Any, data: memoryview, offset: int) -> None:
        """Begin to write; waits while too much is on its way."""
        for start in range(0, len(data), PIECE):
            piece = bytes(data[start : start + PIECE])
            self._begin(image, piece, offset + start)

    def _begin(self, image: Any, data: bytes, offset: int) -> None:
        with self._lock:
            while self._writes and self._bytes + len(data) > WINDOW:
                self._land()
            with self._mapped(offset):
                completion = image.aio_write(
                    data, offset, _nobody, library.advice()
                )
            self._writes.append(_Write(completion, data, offset))
            self._bytes += len(data)

    def drain(self) -> None:
        """Wait for all of it.

        :raises ImageError: when one of the writes failed.
        """
        with self._lock:
            while self._writes:
                self._land()

    def finish(self) -> None:
        """Wait for all of it, whatever comes of it."""
        while self._writes:
            with contextlib.suppress(exception.ImageError):
                self.drain()

    def abandon(self) -> None:
        """Forget all of it, which a parent process has asked for."""
        library.forsake(self._writes)
        self._lock = threading.Lock()
        self._writes = collections.deque()
        self._bytes = 0

    def _land(self) -> None:
        write = self._writes.popleft()
        self._bytes -= len(write.data)
        write.completion.wait_for_complete_and_cb()
        result = write.completion.get_return_value()
        if result < 0:
            with self._mapped(write.offset):
                raise library.error_of(
                    -result, 'destination', offset=write.offset
                )


def _nobody(completion: Any) -> None:
    """Called by a thread of librbd's, where nothing may wait."""
