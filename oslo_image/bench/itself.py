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

"""Measure our own process from outside: memory and imports."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from oslo_image.bench.cell import Job, Way
from oslo_image.bench.shape import sha512

MiB = 1 << 20
#: VmHWM and not ru_maxrss, which a child inherits from its parent (exec(2)).
_PEAK = """
def peak():
    for line in open('/proc/self/status'):
        if line.startswith('VmHWM'):
            return int(line.split()[1]) / 1024
"""
_COPY = (
    _PEAK
    + """
import functools
import json, sys
uri, path, image, needs = json.loads(sys.argv[1])
from oslo_image import move
with open(path, 'wb') as file:
    result = move.Mover(uri, image=image).copy(file, **needs)
assert result.success and result.strategy not in needs['disabled'], result
print(peak())
"""
)
_BARE = _PEAK + 'print(peak())'
_IMPORT = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
import sys
heavy = {{'boto3', 'swiftclient', 'rbd', 'rados', 'fs'}} & set(sys.modules)
assert not heavy, heavy
"""


def _python(code: str, *arguments: str) -> float:
    done = subprocess.run(
        [sys.executable, '-c', code, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


@functools.cache
def _bare() -> float:
    return _python(_BARE)


def memory(strategy: str, others: Sequence[str], *, verified: bool) -> Way:
    """Return a way that counts the peak of a copy above a bare Python."""

    def run(job: Job) -> float:
        image: dict[str, Any] | None = None
        if verified:
            image = {
                'os_hash_algo': 'sha512',
                'os_hash_value': sha512(job.shape),
            }
        needs = {'disabled': sorted(others), 'zero_copy': 'prefer'}
        words = json.dumps([job.uri, job.path, image, needs])
        return _python(_COPY, words) - _bare()

    return Way(f'{strategy}{", sha512" * verified}', 'ours', run)


def starting(*arguments: str) -> Way:
    """Return a way that times a command that does nothing but start."""

    def run(job: Job) -> None:
        subprocess.run(
            [sys.executable, '-m', 'oslo_image.cli.main', *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    name = ' '.join(('oslo-image', *arguments))
    return Way(name, 'ours', run, writes=False)


def importing(module: str) -> Way:
    """Return a way that times an import in a new process."""
    code = _IMPORT.format(module=module)
    role: Any = 'ours' if module.startswith('oslo_image') else 'limit'
    return Way(
        f'import {module}', role, lambda job: _python(code), writes=False
    )
