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

"""Worker threads for one copy: bounded, awaited, and stopped on an error."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.thread  # else imported late, in the midst of a copy
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec('P')
T = TypeVar('T')
#: How often a wait looks whether the caller cancelled, in seconds.
_TICK = 0.2


class Flight:
    """Runs tasks in threads; leaving it, all have ended, come what may.

    :param workers: how many threads; 0 runs each task where it is submitted.
    :param check: called while waiting; raises to end the copy.
    :param interrupt: called when an error ends the flight, to wake tasks that
        wait for the other side.
    """

    def __init__(
        self,
        workers: int,
        check: Callable[[], None],
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool: concurrent.futures.Executor = (
            concurrent.futures.ThreadPoolExecutor(
                workers, thread_name_prefix='oslo-image'
            )
            if workers
            else _Inline()
        )
        self._check = check
        self._interrupt = interrupt
        #: Set when the copy ends early; long tasks look at it.
        self.stopped = threading.Event()

    def submit(
        self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Run a task as soon as a thread is free."""
        return self._pool.submit(task, *args, **kwargs)

    def here(
        self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Run a task at once, in the thread that calls."""
        return _Inline().submit(task, *args, **kwargs)

    def wait(self, future: concurrent.futures.Future[T]) -> T:
        """Return a task's result, or raise what it raised."""
        while True:
            self._check()
            try:
                return future.result(timeout=_TICK)
            except concurrent.futures.TimeoutError:
                if future.done():
                    return future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self.stopped.set()
        to_wake = kind is not None
        interrupted: BaseException | None = None
        while True:
            try:
                if to_wake:
                    to_wake = False
                    self._interrupt()
                self._pool.shutdown(wait=True, cancel_futures=True)
            except BaseException as another:  # noqa: BLE001 - raised below
                # A second Ctrl-C must not leave threads that still write.
                interrupted = another
            else:
                break
        if interrupted is not None:
            raise interrupted


class _Inline(concurrent.futures.Executor):
    """Runs a task in the thread that submits it, which gets its errors."""

    def submit(
        self, task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        future.set_result(task(*args, **kwargs))
        return future
