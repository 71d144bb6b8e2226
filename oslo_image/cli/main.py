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

"""Where ``oslo-image`` begins; imports as little as it can."""

from __future__ import annotations

import io
import os
import sys

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit code."""
    _occupy()
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.errors == 'strict':
            # A file's name need not be text.
            sys.stdout.reconfigure(errors='backslashreplace')
    try:
        try:
            from oslo_image.cli.app import App
        except ModuleNotFoundError as error:
            name = (error.name or '').partition('.')[0]
            if name not in ('cliff', 'rich'):
                raise
            print(
                f'oslo-image: there is no {name}: install oslo.image[cli]',
                file=sys.stderr,
            )
            return 1
        code = App().run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Else Python complains once more at the end, when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _BROKEN_PIPE


def _occupy() -> None:
    """Let no file of ours become standard input, output or error.

    A stream that the caller closed is one that cannot be used: opened for
    writing where reading is wanted, and the other way round.
    """
    for fileno in range(3):
        try:
            os.fstat(fileno)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if fileno else os.O_WRONLY)


if __name__ == '__main__':
    sys.exit(main())
