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

"""Peers that are programs: the time to start them is part of their price."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from oslo_image.bench.cell import Job, Way

_RAW = ('-f', 'raw', '-O', 'raw')
_NO_CONFIG = ('--config', '/dev/null')
Command = Callable[[Job], Sequence[str]]


def call(
    *command: str, env: Mapping[str, str] | None = None, told: str = ''
) -> None:
    """Run a program to its end; what it complains of is in the error.

    :param told: what it reads.
    :raises subprocess.CalledProcessError:
    """
    subprocess.run(
        command,
        check=True,
        env=env,
        input=told.encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def program(name: str, command: Command) -> Way:
    """Return the way of a program; the first word of ``name`` is its own.

    :param command: returns the arguments, without the program itself.
    """
    own = name.split()[0]

    def run(job: Job) -> None:
        call(own, *command(job))

    return Way(name, 'peer', run, functools.partial(_missing, own))


def found(name: str) -> str | None:
    """Return a program; pip puts some beside the interpreter."""
    own = os.path.dirname(sys.executable)
    return shutil.which(name, path=f'{own}:{os.environ.get("PATH", "")}')


def _missing(name: str) -> str:
    return '' if shutil.which(name) else f'{name} is not installed'


CP = program('cp', lambda job: (job.source, job.path))
CP_REFLINK = program(
    'cp --reflink=always',
    lambda job: ('--reflink=always', job.source, job.path),
)
CP_SPARSE = program(
    'cp --sparse=always',
    lambda job: ('--sparse=always', job.source, job.path),
)
QEMU_IMG = program(
    'qemu-img convert',
    lambda job: ('convert', *_RAW, job.source, job.path),
)
RCLONE_FILE = program(
    'rclone copyto',
    lambda job: ('copyto', *_NO_CONFIG, job.source, job.path),
)
CURL = program(
    'curl',
    lambda job: ('--fail', '--silent', '--output', job.path, job.uri),
)
ARIA2 = program(
    'aria2c -x4',
    lambda job: (
        *('-x4', '-s4', '--no-conf', '--allow-overwrite', '-q'),
        *('--dir', job.path.rpartition('/')[0]),
        *('--out', job.path.rpartition('/')[2]),
        job.uri,
    ),
)
RCLONE_URL = program(
    'rclone copyurl',
    lambda job: ('copyurl', *_NO_CONFIG, job.uri, job.path),
)
