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

"""Run a copy in a thread, and stay free to hear signals.

A signal that raised an exception in the midst of a copy could come at a moment
when nobody is prepared for it. So the main thread only waits, and shows how
far the copy is:

* the first signal cancels the copy, which cleans up after itself;
* when that takes too long, or upon a second signal, the destination is taken
  back from here and the process ends at once;
* a third signal ends the process as it stands.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, NoReturn, TypeVar

from oslo_image import exception
from oslo_image.cli import codes

T = TypeVar('T')
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal ended the copy.

    :param error: what the copy raised, which tells how it left things.
    """

    def __init__(self, signum: int, error: exception.ImageError) -> None:
        super().__init__(signum)
        self.signum = signum
        self.error = error


class Supervisor(Generic[T]):
    """Runs one piece of work to its end.

    :param work: called with nothing; must end soon after ``cancel`` is set.
    :param cancel: set by the first signal.
    :param undo: called with the exit code; takes the destination back, while
        the work is stuck, and tells so.
    :param patience: seconds that the work may take to end.
    """

    def __init__(
        self,
        work: Callable[[], T],
        cancel: threading.Event,
        *,
        undo: Callable[[int], object],
        patience: float,
    ) -> None:
        self._work = work
        self._cancel = cancel
        self._undo = undo
        self._patience = patience
        self._signals: list[int] = []
        self._deadline = 0.0
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._ended = False
        self._wakes, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def run(self, tick: Callable[[], object], interval: float) -> T:
        """Return what the work returns, or raise what it raises.

        :param tick: called in this thread every ``interval`` seconds.
        :raises Interrupted: when it ended on account of a signal.
        """
        thread = threading.Thread(target=self._run, name='copy', daemon=True)
        with self._listening():
            thread.start()
            try:
                while not self._ended:
                    self._wait(interval)
                    tick()
            finally:
                # After an error in a tick (stdout is gone) too.
                self._cancel.set()
                while not self._ended:
                    self._wait(interval)
        thread.join()
        os.close(self._wakes)
        os.close(self._wake)
        if self._error is None:
            return self._result[0]
        if self._signals and isinstance(self._error, exception.ImageError):
            raise Interrupted(self._signals[0], self._error)
        raise self._error

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised by run()
            self._error = error
        self._ended = True
        os.write(self._wake, b'.')

    def _wait(self, interval: float) -> None:
        if select.select([self._wakes], [], [], interval)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakes, 512)
        late = self._signals and time.monotonic() > self._deadline
        if late or len(self._signals) > 1:
            self._end_now()

    def _end_now(self) -> NoReturn:
        code = codes.code_of_signal(self._signals[0])
        try:
            self._undo(code)
        finally:
            os._exit(code)

    def _hear(self, signum: int, frame: object) -> None:
        """Note a signal.

        Only the worker waits for ``cancel``, so that its lock is never held
        by the thread that this interrupts.
        """
        self._signals.append(signum)
        if len(self._signals) == 1:
            self._deadline = time.monotonic() + self._patience
            self._cancel.set()
        if len(self._signals) > 2:
            os._exit(codes.code_of_signal(signum))
        with contextlib.suppress(OSError):
            os.write(self._wake, b'.')

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Hear signals, but for those that are ignored (nohup)."""
        before = {}
        try:
            for one in _SIGNALS:
                if signal.getsignal(one) is not signal.SIG_IGN:
                    before[one] = signal.signal(one, self._hear)
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
