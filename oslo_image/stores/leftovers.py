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

"""Temporary files of writers that were killed, and how to know them.

No call replaces a file by one without a name, so a file that replaces
another has a temporary name for a moment; where there are no nameless files,
for as long as it is written. SIGKILL in that moment leaves it. Every writer
therefore holds a lock on its file, which the kernel lets go of when the writer
dies, and the next writer of the same name removes what nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re

_RANDOM = re.compile('[0-9a-f]{16}')
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def hold(fileno: int) -> bool:
    """Lock an open file of one's own, as long as it is open.

    :returns: False when it has lost its name to a :func:`sweep` before.
    """
    with contextlib.suppress(OSError):  # then nobody else can lock it either
        fcntl.flock(fileno, fcntl.LOCK_EX)
    return os.fstat(fileno).st_nlink > 0


def sweep(directory: int, prefix: str) -> None:
    """Remove the files of this prefix that nobody holds; never raises."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        if name.startswith(prefix) and _RANDOM.fullmatch(name, len(prefix)):
            with contextlib.suppress(OSError):
                _remove(directory, name)


def _remove(directory: int, name: str) -> None:
    fd = os.open(name, _OPEN, dir_fd=directory)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=directory)
    finally:
        os.close(fd)
