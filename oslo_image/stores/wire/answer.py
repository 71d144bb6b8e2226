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

"""An answer being received, under deadlines and limits."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING

from oslo_image.stores.wire import failures

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes of status lines and header fields, interim answers included.
_HEAD_LIMIT = 1 << 20


class Clock:
    """Deadlines and limits over all that one connection receives.

    :param idle: seconds without a byte.
    :param window: seconds over which the rate is looked at. Only waiting
        counts: a slow consumer is not the server's fault.
    :param rate: bytes a second that must arrive on average; 0: any.
    """

    def __init__(self, idle: float, window: float, rate: int) -> None:
        self.idle = idle
        self._window = window
        self._rate = rate
        self._deadline: float | None = None
        self._quota = _HEAD_LIMIT
        self._waited = 0.0
        self._received = 0

    def expect_head(self, sock: socket.socket, seconds: float) -> None:
        """Give the whole head of the answer that many seconds."""
        self._deadline = time.monotonic() + seconds
        self._quota = _HEAD_LIMIT
        sock.settimeout(seconds)

    def expect_body(self, sock: socket.socket) -> None:
        """Go over from the head to the body."""
        self._deadline = None
        self._waited, self._received = 0.0, 0
        sock.settimeout(self.idle)

    def allow(self, size: int) -> None:
        """Allow what a body of that many bytes may be wrapped in."""
        self._quota = 16 * size + _HEAD_LIMIT

    def before(self, sock: socket.socket) -> None:
        """Called before each receive."""
        if self._quota <= 0:
            raise failures.Overlong
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)

    def after(self, count: int, seconds: float) -> None:
        """Called after each receive."""
        self._quota -= count
        if self._deadline is not None:
            return
        self._received += count
        self._waited += seconds
        if self._waited < self._window:
            return
        if self._received < self._rate * self._waited:
            raise failures.Stalled(
                f'stalled: {self._received} bytes in {self._waited:.0f} '
                f'seconds, less than {self._rate} a second'
            )
        self._waited, self._received = 0.0, 0


class _Receiver(io.RawIOBase):
    """A socket's raw stream under a clock.

    :ivar hold: True says that nothing has arrived, without looking.
    """

    hold = False

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, clock: Clock
    ) -> None:
        self._raw = raw
        self._sock = sock
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self.hold:
            return None
        self._clock.before(self._sock)
        start = time.monotonic()
        count = self._raw.readinto(buffer)
        self._clock.after(count or 0, time.monotonic() - start)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class Answer(http.client.HTTPResponse):
    """An http.client response whose every receive is under a clock."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
        *,
        clock: Clock,
    ) -> None:
        super().__init__(sock, 0, method, url)
        raw = self.fp.detach()
        self.clock = clock
        self.sock = sock
        self._receiver = _Receiver(raw, sock, clock)
        self.fp = io.BufferedReader(self._receiver)
        self._ahead = 0

    def expect_body(self) -> None:
        """Called when the head was read: how much came along with it?"""
        self.clock.expect_body(self.sock)
        if not self.isclosed():
            self._receiver.hold = True
            self._ahead = len(self.fp.peek())
            self._receiver.hold = False

    def receive(self, view: memoryview) -> int:
        """Put what one receive gives into the view; 0 is the end.

        Bytes go straight into the view, and none is lost when the connection
        breaks. For a body that is not chunked.
        """
        if self.isclosed():
            return 0
        if self._ahead:
            count = self.fp.readinto1(view[: self._ahead])
            self._ahead -= count
            return count
        return self._receiver.readinto(view) or 0

    def has_surplus(self) -> bool:
        """Return whether bytes beyond the body have arrived; never waits.

        For a body that is not chunked.
        """
        if self._ahead or self.isclosed():
            return self._ahead > 0
        self.sock.settimeout(0)
        try:
            return bool(self._receiver.readinto(bytearray(1)))
        except OSError:
            return False
        finally:
            self.sock.settimeout(self.clock.idle)
