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

"""What a forked child must have of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


class PerProcess(Generic[T]):
    """One thing for each process, made when it is first asked for.

    A child does not get its parent's: there a lock may be held by a thread
    that the child does not have, and a connection serves one of both.

    :param make: makes one. Of two threads that ask at once, one gets what
        the other made, and its own is forgotten unused.
    :param drop: called in a child with what was its parent's.
    """

    def __init__(
        self, make: Callable[[], T], drop: Callable[[T], object] | None = None
    ) -> None:
        self._make = make
        self._drop = drop
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Return this process's own; thread safe, without a lock."""
        process = os.getpid()
        found = self._made.get(process)
        if found is None:
            found = self._made.setdefault(process, self._make())
            self._forget(but=process)
        return found

    def clear(self) -> None:
        """Drop what there is; a further use makes a new one."""
        self._forget()

    def _forget(self, but: int | None = None) -> None:
        for process in list(self._made):
            if process != but:
                thing = self._made.pop(process, None)
                if thing is not None and self._drop is not None:
                    self._drop(thing)
