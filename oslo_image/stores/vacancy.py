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

"""Whether a destination's name is free: asked ahead, and not twice a moment.

Of a small copy that a server makes by itself, each request is a tenth.
"""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable

#: How long a name counts as free that was found to be, in seconds.
LASTS = 1.0


class Vacancy:
    """What is known of a name.

    :param ask: asks the server whether there is something of the name.
    """

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._thread: concurrent.futures.Executor | None = None
        self._asked: concurrent.futures.Future[bool] | None = None
        self._when = self._until = 0.0

    def look_ahead(self) -> None:
        """Ask in a thread, for a :meth:`look` soon."""
        if self._asked is None:
            self._when = time.monotonic()
            self._thread = concurrent.futures.ThreadPoolExecutor(1)
            self._asked = self._thread.submit(self._ask)

    def look(self) -> bool:
        """Tell whether the name is free.

        :raises: what asking raises.
        """
        if asked := self._answered():
            free = not asked.result()
        else:
            self._when = time.monotonic()
            free = not self._ask()
        self._until = self._when + LASTS if free else 0.0
        return free

    def look_lately(self) -> bool:
        """As :meth:`look`, which may have been a moment ago."""
        return time.monotonic() < self._until or self.look()

    def forget(self) -> None:
        """Know nothing, and have no thread left."""
        self._answered()
        self._until = 0.0

    def _answered(self) -> concurrent.futures.Future[bool] | None:
        """Return what was asked ahead, its thread having ended."""
        asked, self._asked = self._asked, None
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        return asked
