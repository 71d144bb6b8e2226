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

"""Write to any object that has ``write()``."""

from __future__ import annotations

import io
import os
from typing import Any

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange, Writer
from oslo_image.stores.kernel import wait_writable

#: Python's own, which keep no reference to what they are given.
_COPIES = (io.BytesIO, io.BufferedWriter, io.BufferedRandom, io.FileIO)


class AnyWriter(Writer):
    """An object with ``write(bytes)``, and perhaps seek and truncate.

    ``write`` may take fewer bytes than it is given and say so; None means all
    of them, but for a raw non-blocking stream, where it means none (io).
    """

    positioned = False

    def __init__(self, target: Any) -> None:
        super().__init__(None)
        self._target = target
        self._keeps = type(target) not in _COPIES
        self._sent = False
        self._start: int | None = None

    def __str__(self) -> str:
        return f'a {type(self._target).__name__}'

    def begin(self, size: int | None) -> None:
        """Remember where to go back to."""
        self._sent = False
        self._start = self._end()
        self._state = 'begun'

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Write the bytes, which are the next ones."""
        if isinstance(data, DescriptorRange):
            raise TypeError('this writer takes no descriptors')
        idle = 0
        while data:
            # Who keeps what it is given must not find the buffer used again.
            piece = bytes(data) if self._keeps else data
            self._sent = True
            try:
                count = self._write(piece)
            except OSError as error:
                raise exception.from_os_error(
                    error, 'destination', offset=offset
                ) from error
            idle = 0 if count else idle + 1
            if idle > 1:
                raise exception.DestinationError(
                    'write() takes no more bytes',
                    side='destination',
                    offset=offset,
                )
            data, offset = data[count:], offset + count

    def _write(self, piece: bytes | memoryview) -> int:
        try:
            count = self._target.write(piece)
        except BlockingIOError as error:
            self._wait()
            return error.characters_written if _has_count(error) else 0
        if count is None:
            if isinstance(self._target, io.RawIOBase):
                self._wait()
                return 0
            return len(piece)
        if not isinstance(count, int) or not 0 <= count <= len(piece):
            raise exception.InvalidWriter(
                f'write() of {len(piece)} bytes answered {count!r}',
                side='destination',
            )
        return count

    def _wait(self) -> None:
        try:
            fileno = self._target.fileno()
        except (AttributeError, OSError) as error:
            raise exception.DestinationError(
                'write() would block, and there is nothing to wait for',
                side='destination',
            ) from error
        wait_writable(fileno)

    def commit(self, size: int | None = None) -> None:
        """Flush: bytes in a buffer are not delivered yet."""
        flush = getattr(self._target, 'flush', None)
        while self._sent and callable(flush):
            try:
                flush()
                break
            except BlockingIOError:
                self._wait()
            except OSError as error:
                raise exception.from_os_error(
                    error, 'destination', offset=size
                ) from error
        self._state = 'committed'

    def rollback(self) -> exception.DestinationState:
        """Cut an object that only grew back to its length."""
        self._state = 'new'
        if not self._sent:
            return 'untouched'
        if self._start is None:
            return 'modified'
        try:
            self._target.seek(self._start)
            self._target.truncate()
        except Exception:  # noqa: BLE001 - a foreign object's
            return 'modified'
        self._sent = False
        return 'restored'

    def _end(self) -> int | None:
        """Return the position if it is the end of a seekable object."""
        target = self._target
        try:
            if not (target.seekable() and callable(target.truncate)):
                return None
            start: int = target.tell()
            end = target.seek(0, os.SEEK_END)
            target.seek(start)
        except Exception:  # noqa: BLE001 - a foreign object's
            return None
        return start if end == start else None


def _has_count(error: BlockingIOError) -> bool:
    try:
        return error.characters_written >= 0
    except AttributeError:
        return False
