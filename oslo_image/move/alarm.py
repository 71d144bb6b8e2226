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

"""A cancellation wakes whoever waits for the other side, in any thread."""

from __future__ import annotations

import threading
from typing import Any, Protocol, Self

from oslo_image import exception

#: How often the caller's event is looked at, in seconds.
_TICK = 0.1


class End(Protocol):
    """A source or a writer."""

    def interrupt(self) -> None:
        """Wake calls that wait in other threads."""


class Alarm:
    """Interrupts the ends of a copy when the caller cancels it.

    A flight looks at the event while its tasks wait in other threads; this
    does it for the calls that the caller's own thread waits in. The error
    that they raise then leaves it as Cancelled.

    :param cancel: set by another thread; None: nobody cancels.
    """

    def __init__(self, cancel: threading.Event | None, *ends: End) -> None:
        self._cancel = cancel
        self._ends = ends
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._rung = False

    def _watch(self, cancel: threading.Event) -> None:
        while not cancel.is_set():
            if self._over.wait(_TICK):
                return
        self._rung = True
        for end in self._ends:
            end.interrupt()

    def __enter__(self) -> Self:
        if self._cancel is not None:
            self._thread = threading.Thread(
                target=self._watch,
                args=(self._cancel,),
                name='oslo-image-cancel',
                daemon=True,
            )
            self._thread.start()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if (
            self._rung
            and isinstance(error, (exception.ImageError, exception.Refused))
            and not isinstance(error, exception.Cancelled)
        ):
            raise exception.Cancelled('the copy was cancelled') from error
