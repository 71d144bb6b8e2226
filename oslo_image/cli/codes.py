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

"""The exit codes: what an error means to a shell."""

from __future__ import annotations

import enum

from oslo_image import exception


class Code(enum.IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DESTINATION = 4
    TEMPORARY = 5
    REFUSED = 6
    INTEGRITY = 7
    UNSAFE = 8
    TOO_LARGE = 9
    DENIED = 11
    NO_SPACE = 12
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANINGS = {
    Code.DONE: 'done',
    Code.FAILED: 'anything else',
    Code.USAGE: 'usage',
    Code.NOT_FOUND: 'source not found',
    Code.DESTINATION: 'destination exists or changed',
    Code.TEMPORARY: 'temporary, try again',
    Code.REFUSED: 'refused: no allowed way to move it',
    Code.INTEGRITY: 'integrity: not the right bits',
    Code.UNSAFE: 'unsafe image, or denied by policy',
    Code.TOO_LARGE: 'too large',
    Code.DENIED: 'authentication or permission',
    Code.NO_SPACE: 'no space',
    Code.HUNG_UP: 'hung up',
    Code.INTERRUPTED: 'interrupted',
    Code.BROKEN_PIPE: 'standard output is closed',
    Code.TERMINATED: 'terminated',
}

#: For the end of every --help.
HELP = 'Exit codes: ' + '; '.join(
    f'{code:d} {meaning}' for code, meaning in MEANINGS.items()
)

#: The first class that fits counts.
_BY_CLASS = (
    (exception.ImageNotFound, Code.NOT_FOUND),
    (exception.InvalidLocation, Code.USAGE),
    (exception.InvalidOption, Code.USAGE),
    (exception.DestinationExists, Code.DESTINATION),
    (exception.IntegrityError, Code.INTEGRITY),
    (exception.UnsafeImage, Code.UNSAFE),
    (exception.LocationDenied, Code.UNSAFE),
    (exception.TooLarge, Code.TOO_LARGE),
    (exception.PermissionDenied, Code.DENIED),
    (exception.NoSpace, Code.NO_SPACE),
)


def code_of(error: exception.ImageError) -> int:
    """Return the exit code of an error.

    What may go well a little later is temporary, whatever its class.
    """
    if error.temporary or error.retry_after is not None:
        return Code.TEMPORARY
    for kind, code in _BY_CLASS:
        if isinstance(error, kind):
            return code
    return Code.FAILED


def code_of_signal(signum: int) -> int:
    """Return the exit code that a shell gives to a signal."""
    return 128 + signum
