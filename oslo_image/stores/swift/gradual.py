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
"""Bodies that are larger than memory should hold, and come in pieces."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from oslo_image import exception
from oslo_image.stores.base import ZEROS, DescriptorRange
from oslo_image.stores.pieces import Piece, length_of
from oslo_image.stores.swift.doubt import Doubt
from oslo_image.stores.wire import Response, Sending, Watch


class Gradual:
    """The body of one PUT; its pieces wait for their turn.

    Nothing is sent for zeros that nothing has come before.

    :param begin: sends the head of the request.
    :param judge: returns the ETag of an answer; raises when it is that
        nothing is stored.
    :param watch: by which the request is watched.
    """

    def __init__(
        self,
        begin: Callable[[Watch], Sending],
        judge: Callable[[Response], str],
        watch: Watch,
    ) -> None:
        self._begin = begin
        self._judge = judge
        self._watch = watch
        self._sending: Sending | None = None
        self._turn = threading.Condition()
        self._zeros = 0
        self._ended = False
        #: The bytes that have come.
        self.size = 0

    def put(self, offset: int, piece: Piece) -> None:
        """Send a piece when those before it were sent.

        Whoever has the next one must not wait behind the others.
        """
        with self._turn:
            self._turn.wait_for(lambda: self._ended or offset == self.size)
            if self._ended:
                raise exception.DestinationError(
                    'the request has ended', side='destination', offset=offset
                )
            try:
                self._take(piece)
                self.size += length_of(piece)
            except BaseException:
                self._ended = True
                raise
            finally:
                self._turn.notify_all()

    def _take(self, piece: Piece) -> None:
        if isinstance(piece, int):
            self._zeros += piece
            if self._sending is not None:
                self._send_zeros()
            return
        self._send_zeros()
        self._send(piece)

    def _send_zeros(self) -> None:
        while self._zeros:
            step = min(self._zeros, len(ZEROS))
            self._send(ZEROS[:step])
            self._zeros -= step

    def _send(self, data: memoryview | DescriptorRange) -> None:
        if self._sending is None:
            self._sending = self._begin(self._watch)
        self._sending.put(data)
        if self._sending.refused:
            self._judge(self._sending.finish())

    def finish(self) -> str:
        """End the body; return the ETag, or '' when there were only zeros."""
        if self._sending is None:
            return ''
        self._send_zeros()
        return self._judge(self._sending.finish())

    def interrupt(self) -> None:
        """Wake who waits for the server, or for a turn."""
        self._ended = True
        # Whoever sends has the turn.
        self._watch.interrupt()
        with self._turn:
            self._turn.notify_all()

    def abort(self) -> None:
        """Break the request off; harmless when repeated."""
        self.interrupt()
        if self._sending is not None:
            self._sending.abort()


class Whole(Gradual):
    """An object in one PUT.

    The last byte is kept back: a server that has all of them publishes. So
    :meth:`publish` does, and until then nothing is there.

    :param size: of the object, in bytes; more than one piece.
    """

    def __init__(
        self,
        size: int,
        begin: Callable[[Watch], Sending],
        judge: Callable[[Response], str],
        watch: Watch,
    ) -> None:
        super().__init__(begin, judge, watch)
        self._whole = size
        self._last = b''

    def _take(self, piece: Piece) -> None:
        length = length_of(piece)
        if self.size + length < self._whole:
            super()._take(piece)
            return
        if isinstance(piece, int):
            self._last, piece = b'\0', length - 1
        elif isinstance(piece, DescriptorRange):
            self._last = os.pread(piece.fileno, 1, piece.offset + length - 1)
            piece = piece._replace(length=length - 1)
        else:
            self._last, piece = bytes(piece[-1:]), piece[:-1]
        super()._take(piece)
        self._send_zeros()

    def publish(self, doubt: Doubt) -> None:
        """Send the last byte, and see that the object is stored.

        :param doubt: told when that failed.
        """
        try:
            self._send(memoryview(self._last))
            self.finish()
        except exception.ImageError as error:
            doubt.note(error, self._ended)
            raise
