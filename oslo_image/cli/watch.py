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

"""Watch what moves bits: run it where a signal can stop it, and show it."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import TypeVar

from oslo_image.cli.display import Quiet
from oslo_image.cli.supervise import Supervisor
from oslo_image.move import Offer, Plan, Refusal

T = TypeVar('T')
_TICK = 0.1
#: Seconds that a cancelled copy may take to clean up.
PATIENCE = 30.0


def watch(
    show: Quiet,
    work: Callable[..., T],
    cancel: threading.Event,
    *,
    undo: Callable[[int], object],
    patience: float = PATIENCE,
) -> T:
    """Return what the work returns, or raise what it raises.

    :param work: called in a thread, with the keywords ``progress``,
        ``cancel`` and ``notify`` of Mover.copy.
    :param undo: as for :class:`~oslo_image.cli.supervise.Supervisor`.
    :raises Interrupted: when a signal ended it.
    """
    watched = _Watched(show)
    supervisor = Supervisor(
        lambda: work(
            progress=watched.progress,
            cancel=cancel,
            notify=watched.notices.append,
        ),
        cancel,
        undo=undo,
        patience=patience,
    )
    try:
        return supervisor.run(watched.tick, _TICK)
    finally:
        watched.tell()


class _Watched:
    """Carries what the copy's thread tells to the one that shows it."""

    def __init__(self, show: Quiet) -> None:
        self._show = show
        self._at: tuple[int, int | None] = (0, None)
        #: What was told and is not shown yet.
        self.notices: collections.deque[Plan | Offer | Refusal] = (
            collections.deque()
        )

    def progress(self, done: int, total: int | None) -> None:
        """Note how far the copy is."""
        self._at = done, total

    def tell(self) -> None:
        """Show what was told."""
        while self.notices:
            self._show.notice(self.notices.popleft())

    def tick(self) -> None:
        """Show what was told, and how far the copy is."""
        self.tell()
        self._show.progress(*self._at)
