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

"""What a copy shows while it runs, for people: a bar, or a line at times.

All of it goes to stderr. What shows it is called in the main thread only.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from oslo_image import exception
from oslo_image.cli.command import say
from oslo_image.cli.sizes import show_duration, show_size
from oslo_image.move import CopyResult, Offer, Plan, Refusal

#: How long a copy may take before a bar appears, in seconds: the moving, and
#: all of it.
_SHORT = 0.3
_SHORT_IN_ALL = 1.5


class Quiet:
    """Shows nothing but a refusal; the base of what shows more."""

    def start(self, source: str, destination: str) -> None:
        """Before anything was looked at."""

    def notice(self, notice: Plan | Offer | Refusal) -> None:
        """The plan, an offer that is tried, a refusal in the doing."""

    def progress(self, done: int, total: int | None) -> None:
        """Every tenth of a second or so."""

    def close(self) -> None:
        """Before the last word; harmless when repeated."""

    def done(self, result: CopyResult) -> None:
        """The copy is done."""

    def refused(self, result: CopyResult, code: int) -> None:
        """No allowed strategy could move it."""
        reasons = '; '.join(map(str, result.refusals)) or 'no strategy'
        say(f'refused, and nothing was changed: {reasons}')

    def failed(self, error: exception.ImageError, code: int) -> None:
        """The copy failed; the line on stderr is printed elsewhere."""


class Lines(Quiet):
    """A line an interval, and one at the end.

    :param interval: in seconds.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._began = self._last = time.monotonic()
        self._then = 0
        self._strategy = ''

    def notice(self, notice: Plan | Offer | Refusal) -> None:
        if isinstance(notice, Offer):
            self._strategy = notice.strategy

    def progress(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        elapsed = now - self._last
        if elapsed < self._interval:
            return
        speed = (done - self._then) / elapsed
        self._last, self._then = now, done
        words = [show_size(done)]
        if total:
            words[0] += f' of {show_size(total)} ({100 * done // total} %)'
        words.append(f'{show_size(max(speed, 0))}/s')
        average = done / (now - self._began)
        if total and average:
            words.append(f'{show_duration((total - done) / average)} left')
        words.append(f'by {self._strategy}' if self._strategy else 'planning')
        say(', '.join(words))

    def done(self, result: CopyResult) -> None:
        say(summary(result))


class Bar(Quiet):
    """A progress bar with rate, time left and strategy."""

    def __init__(self) -> None:
        self._due = time.monotonic() + _SHORT_IN_ALL
        self._bar: Any = None
        self._task: Any = None
        self._strategy = 'planning'

    def notice(self, notice: Plan | Offer | Refusal) -> None:
        if isinstance(notice, Offer):
            self._strategy = notice.strategy
            self._due = min(self._due, time.monotonic() + _SHORT)

    def progress(self, done: int, total: int | None) -> None:
        if self._bar is None:
            if time.monotonic() < self._due:
                return
            self._bar = _make_bar()
            self._task = self._bar.add_task(self._strategy, total=total)
            self._bar.start()
        self._bar.update(
            self._task,
            completed=done,
            total=total,
            description=self._strategy,
        )
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = None
        self._due = float('inf')

    def done(self, result: CopyResult) -> None:
        say(summary(result))


def choose(loudness: int, interval: float) -> Quiet:
    """Return what fits stderr and the wish of the user."""
    if not loudness:
        return Quiet()
    return Bar() if sys.stderr.isatty() else Lines(interval)


def summary(result: CopyResult) -> str:
    """Return one line on a copy that is done."""
    size = result.size or 0
    words = [f'copied {show_size(size)} by {result.strategy}']
    if result.zero_copy:
        words[0] += ', zero-copy,'
    words[0] += f' in {result.seconds:.2f} s'
    if not result.zero_copy and result.seconds:
        words.append(f'{show_size(size / result.seconds)}/s')
    if result.verified:
        words.append(f'{", ".join(result.digests)} verified')
    return '; '.join(words)


def _make_bar() -> Any:
    from rich import console, progress

    return progress.Progress(
        progress.TextColumn('{task.description}'),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=console.Console(stderr=True),
        auto_refresh=False,
        transient=True,
    )
