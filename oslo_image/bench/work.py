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

"""The directory that a run works in, and those that killed runs left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

_PREFIX = 'oslo-image-bench-'
#: Seconds in which a directory that was made is locked.
_SOON = 60
_SIGNALS = (signal.SIGHUP, signal.SIGTERM)


def end_in_order() -> None:
    """Let the signals that end a run raise, so that all is taken away.

    Those that are ignored (nohup) are ignored still; while all is taken away,
    no other is heard.
    """

    def end(signum: int, frame: object) -> None:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        sys.exit(128 + signum)

    for one in _SIGNALS:
        if signal.getsignal(one) is not signal.SIG_IGN:
            signal.signal(one, end)


@contextlib.contextmanager
def directory(
    parent: pathlib.Path, say: Callable[[str], object]
) -> Iterator[pathlib.Path]:
    """Make a directory, locked while it is used, and removed afterwards.

    Those that nobody uses any more are removed too, with what is mounted
    there.
    """
    for old in parent.glob(f'{_PREFIX}*'):
        try:
            _remove_left(old)
        except (OSError, subprocess.SubprocessError) as error:
            say(f'{old}, which a killed run left, stays: {error}')
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as made,
        _locked(made),
    ):
        yield pathlib.Path(made)


def _remove_left(old: pathlib.Path) -> None:
    about = old.lstat()
    if (
        about.st_uid == os.geteuid()
        and stat.S_ISDIR(about.st_mode)
        and about.st_mtime < time.time() - _SOON
    ):
        with contextlib.suppress(BlockingIOError), _locked(old):
            for mounted in _mounts(old):
                _unmount(mounted)
            shutil.rmtree(old)


@contextlib.contextmanager
def _locked(path: str | pathlib.Path) -> Iterator[None]:
    """Lock it.

    :raises BlockingIOError: when somebody else has.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _unmount(path: str) -> None:
    as_root = ('sudo', '--non-interactive') if os.geteuid() else ()
    subprocess.run([*as_root, 'umount', path], check=True, timeout=60)


def _mounts(below: pathlib.Path) -> list[str]:
    """Return what is mounted there, the last mounted first."""
    with open('/proc/self/mountinfo', encoding='utf-8') as lines:
        points = [line.split()[4] for line in lines]
    root = f'{below.resolve()}/'
    return [one for one in reversed(points) if one.startswith(root)]
