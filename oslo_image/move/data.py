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

"""The caller's ``data=``: bytes from a callable, as the last location."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Reader, Source

_END = object()
LOCATION = Location('data://caller', trusted=True)


class DataSource(Source):
    """A source of which only a first byte and the next ones can be had.

    :param data: called once an attempt; returns a reader with ``read(n)``, or
        an iterator of bytes.
    :param size: the declared size in bytes, if any.
    """

    ranged = False

    def __init__(self, data: Callable[[], Any], size: int | None) -> None:
        super().__init__(LOCATION)
        self._data = data
        self.size = size

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Call for the data."""
        with _mapped():
            data = self._data()
        if isinstance(data, (bytes, bytearray, memoryview)):
            data = (data,)
        if not hasattr(data, 'read') and not hasattr(data, '__iter__'):
            raise exception.InvalidSource(
                f'data() gives a {type(data).__name__}, neither a reader nor '
                'an iterator of bytes',
                side='source',
            )
        return _DataReader(data)


@contextlib.contextmanager
def _mapped() -> Iterator[None]:
    """Map what the caller's own code raises, so that the side is known."""
    try:
        yield
    except OSError as error:
        raise exception.from_os_error(error, 'source') from error


class _DataReader:
    def __init__(self, data: Any) -> None:
        self._data = data
        self._read = getattr(data, 'read', None)
        self._chunks: Iterator[Any] = iter(()) if self._read else iter(data)
        self._rest = memoryview(b'')

    def readinto(self, buffer: memoryview) -> int:
        while not self._rest:
            chunk = self._next(len(buffer))
            if chunk is _END:
                return 0
            try:
                self._rest = memoryview(chunk).cast('B')
            except TypeError as error:
                raise exception.InvalidSource(
                    f'data() gives {type(chunk).__name__}, not bytes',
                    side='source',
                ) from error
        count = min(len(self._rest), len(buffer))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self, length: int) -> Any:
        with _mapped():
            if self._read is None:
                return next(self._chunks, _END)
            chunk = self._read(length)
        # Of None, a non-blocking reader's "not yet", no end may be made.
        return _END if chunk == b'' else chunk

    def close(self) -> None:
        close = getattr(self._data, 'close', None)
        if callable(close):
            close()
