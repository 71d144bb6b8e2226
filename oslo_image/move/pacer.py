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

"""Hold a copy back to a rate, and let the caller cancel it."""

from __future__ import annotations

import threading
import time

from oslo_image import exception

_QUANTUM = 64 * 1024


class Pacer:
    """Counts bytes against a rate limit and looks at the cancel event.

    :param rate_limit: bytes a second; None is unlimited.
    :param cancel: set by another thread to end the copy.
    """

    def __init__(
        self, rate_limit: int | None, cancel: threading.Event | None
    ) -> None:
        self._rate = rate_limit
        self._cancel = cancel
        self._due = 0.0

    def piece(self, wanted: int) -> int:
        """Return how many bytes to move at once: a quarter second's worth."""
        if self._rate is None:
            return wanted
        return max(1, min(wanted, max(self._rate // 4, min(_QUANTUM, wanted))))

    def pace(self, length: int) -> None:
        """Wait until ``length`` more bytes may go.

        :raises Cancelled:
        """
        self.check()
        if self._rate is None:
            return
        now = time.monotonic()
        wait = self._due - now
        self._due = max(self._due, now) + length / self._rate
        if wait > 0:
            self.wait(wait)

    def check(self) -> None:
        """:raises Cancelled: when the caller's event is set."""
        if self._cancel is not None and self._cancel.is_set():
            raise exception.Cancelled('the copy was cancelled')

    def wait(self, seconds: float) -> None:
        """Sleep, but not past a cancellation.

        :raises Cancelled:
        """
        if self._cancel is None:
            time.sleep(seconds)
        else:
            self._cancel.wait(seconds)
        self.check()
