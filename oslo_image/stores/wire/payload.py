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

"""What a request carries, its length known before the first byte is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange

Piece = memoryview | DescriptorRange
Bytes = bytes | bytearray | memoryview
Content = Bytes | DescriptorRange | Iterable[Bytes | DescriptorRange]


class Payload:
    """A request's body.

    :param body: bytes, a range of an open file, or an iterable of such pieces.
    :param length: bytes; needed for an iterable, checked for the others.
    :raises ValueError: when it is missing, or is not that of ``body``.
    """

    def __init__(
        self,
        body: Content | None,
        length: int | None = None,
    ) -> None:
        #: Whether the body can be sent a second time.
        self.again = True
        self._body: Iterable[Bytes | DescriptorRange]
        known: int | None
        if body is None:
            self._body, known = (), None
        elif isinstance(body, DescriptorRange):
            self._body, known = (body,), body.length
        elif isinstance(body, (bytes, bytearray, memoryview)):
            self._body, known = (body,), memoryview(body).nbytes
        else:
            self._body, known = body, length
            self.again = isinstance(body, (list, tuple))
            if length is None:
                raise ValueError('an iterable body needs a length')
        if length is not None and known != length:
            raise ValueError(f'the body has {known} bytes, not {length}')
        #: Bytes; None: the request has no body.
        self.length = known

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces; never more bytes than were announced.

        :raises SizeMismatch: when the iterable gives more or fewer.
        """
        left = self.length or 0
        rest = iter(self._body)
        for piece in rest:
            if not isinstance(piece, DescriptorRange):
                piece = memoryview(piece).cast('B')
            size = _size(piece)
            if size > left:
                raise _wrong(f'more than the announced {self.length} bytes')
            left -= size
            if not left and any(map(_size, rest)):
                # Found out before the server takes the body for complete.
                raise _wrong(f'more than the announced {self.length} bytes')
            if size:
                yield piece
        if left:
            raise _wrong(f'{left} of the {self.length} bytes are missing')


def _size(piece: Bytes | DescriptorRange) -> int:
    if isinstance(piece, DescriptorRange):
        return piece.length
    return memoryview(piece).nbytes


def _wrong(reason: str) -> exception.SizeMismatch:
    return exception.SizeMismatch(f'the body to be sent: {reason}')
