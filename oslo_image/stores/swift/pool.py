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
#: How many may wait, so that memory does not grow with their number.
_WAITING = 64


class Pool:
    """Threads for requests; the first error ends them all.

    A context manager, which waits for the requests.
    """

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(_AT_ONCE)
        self._futures: list[concurrent.futures.Future[Any]] = []

    def run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a thread call a function.

        :raises: what an earlier one raised.
        """
        if len(self._futures) >= _WAITING:
            self._wait()
        self._futures.append(self._threads.submit(function, *arguments))

    def _wait(self) -> None:
        futures, self._futures = self._futures, []
        for future in futures:
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
                self._wait()
        finally:
            self._threads.shutdown(cancel_futures=True)
