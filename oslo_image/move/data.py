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

from collections.abc import Callable, Iterator
from typing import Any

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Reader, Source

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
        return _DataReader(self._data())


class _DataReader:
    def __init__(self, data: Any) -> None:
        self._data = data
        self._read = getattr(data, 'read', None)
        self._chunks: Iterator[Any] = iter(()) if self._read else iter(data)
        self._rest = memoryview(b'')

    def readinto(self, buffer: memoryview) -> int:
        while not self._rest:
            chunk = (
                self._read(len(buffer))
                if self._read
                else next(self._chunks, None)
            )
            if chunk is None or (self._read and not chunk):
                return 0
            if isinstance(chunk, str):
                raise exception.InvalidSource(
                    'data() gives text, not bytes', side='source'
                )
            self._rest = memoryview(chunk).cast('B')
        count = min(len(self._rest), len(buffer))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        close = getattr(self._data, 'close', None)
        if callable(close):
            close()
