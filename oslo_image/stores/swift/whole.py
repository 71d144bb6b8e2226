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

"""An object in one PUT that is larger than memory should hold."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange
from oslo_image.stores.swift.doubt import Doubt
from oslo_image.stores.wire import Response, Sending, Watch


class Whole:
    """The body of one PUT; its pieces wait for their turn.

    The last byte is kept back: a server that has all of them publishes. So
    :meth:`finish` does, and until then nothing is there.

    :param sending: the request, of which nothing but the head is sent.
    :param judge: raises when an answer is that nothing is stored.
    :param watch: by which the request is watched.
    """

    def __init__(
        self,
        sending: Sending,
        size: int,
        judge: Callable[[Response], object],
        watch: Watch,
    ) -> None:
        self._sending = sending
        self._watch = watch
        self._size = size
        self._judge = judge
        self._turn = threading.Condition()
        self._next = 0
        self._ended = False
        self._last = b''

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Send a piece when those before it were sent.

        Whoever has the next one must not wait behind the others.
        """
        with self._turn:
            self._turn.wait_for(lambda: self._ended or offset == self._next)
            if self._ended:
                raise exception.DestinationError(
                    'the request has ended', side='destination', offset=offset
                )
            try:
                self._next += self._send(offset, data)
            except BaseException:
                self._ended = True
                raise
            finally:
                self._turn.notify_all()

    def _send(self, offset: int, data: memoryview | DescriptorRange) -> int:
        if isinstance(data, DescriptorRange):
            length = data.length
            if offset + length == self._size:
                end = data.offset + length - 1
                self._last = os.pread(data.fileno, 1, end)
                data = data._replace(length=length - 1)
        else:
            length = len(data)
            if offset + length == self._size:
                self._last = bytes(data[-1:])
                data = data[:-1]
        self._sending.put(data)
        if self._sending.refused:
            self._judge(self._sending.finish())
        return length

    def finish(self, doubt: Doubt) -> None:
        """Send the last byte, and see that the object is stored.

        :param doubt: told when that failed.
        """
        try:
            self._sending.put(memoryview(self._last))
            self._judge(self._sending.finish())
        except exception.ImageError as error:
            doubt.note(error, self._ended)
            raise

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
        self._sending.abort()
