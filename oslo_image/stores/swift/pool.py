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

"""Some small requests at once."""

from __future__ import annotations

import concurrent.futures
import types
from collections.abc import Callable
from typing import Any, Self

_AT_ONCE = 4
#: How often a wait looks whether the caller cancelled, in seconds.
_TICK = 0.2
#: How long those under way may take to end when the others are given up, in
#: seconds: what a server is cut off from it may do all the same, later.
_GRACE = 5.0


class Pool:
    """Threads for requests; the first error ends them all.

    A context manager, which waits for the requests.

    :param check: called while waiting; raises to end them.
    :param interrupt: called when they end early and some still wait.
    """

    def __init__(
        self,
        check: Callable[[], None] = lambda: None,
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self._check = check
        self._interrupt = interrupt
        self._threads = concurrent.futures.ThreadPoolExecutor(_AT_ONCE)
        self._running: set[concurrent.futures.Future[Any]] = set()

    def run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a thread call a function.

        :raises: what an earlier one raised.
        """
        self._wait(_AT_ONCE - 1)
        self._running.add(self._threads.submit(function, *arguments))

    def _wait(self, most: int) -> None:
        """Wait until no more than so many run."""
        while True:
            self._check()
            if len(self._running) <= most:
                return
            done, self._running = concurrent.futures.wait(
                self._running, _TICK, concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._wait(0)
        finally:
            self._end()

    def _end(self) -> None:
        left = concurrent.futures.wait(self._running, _GRACE).not_done
        if left:
            self._interrupt()
        self._threads.shutdown(cancel_futures=True)
