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

"""Measure our own process from outside: what it takes to start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_image.bench.cell import Job, Way
from oslo_image.bench.peers.programs import call

_IMPORT = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
import sys
heavy = {{'boto3', 'swiftclient', 'rbd', 'rados', 'fs'}} & set(sys.modules)
assert not heavy, heavy
"""


def starting(
    name: str,
    arguments: Callable[[Job], Sequence[str]],
    *,
    environment: Mapping[str, str] | None = None,
) -> Way:
    """Return a way that times a command from its start to its end.

    Its catalogue is an empty one, and it knows of no cloud.

    :param environment: what it is told besides.
    """

    def run(job: Job) -> None:
        own = {k: v for k, v in os.environ.items() if not k.startswith('OS_')}
        call(
            *(sys.executable, '-m', 'oslo_image.cli.main', *arguments(job)),
            env={**own, 'XDG_DATA_HOME': f'{job.path}.d', **more},
        )

    more = environment or {}
    return Way(f'oslo-image {name}', 'ours', run, writes=False)


def importing(module: str) -> Way:
    """Return a way that times an import in a new process."""
    code = _IMPORT.format(module=module)
    role: Any = 'ours' if module.startswith('oslo_image') else 'limit'
    return Way(
        f'import {module}', role, lambda job: _seconds(code), writes=False
    )


def _seconds(code: str) -> float:
    done = subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)
