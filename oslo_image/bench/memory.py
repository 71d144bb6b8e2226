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

"""Measure the peak memory of a copy, in a process of its own."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from typing import Any, Literal

from oslo_image.bench.cell import Cannot, Job, Way
from oslo_image.bench.shape import sha512

#: Every strategy that there is.
_STRATEGIES = frozenset(
    (
        *('reflink', 'rbd_clone', 's3_copy', 'swift_copy'),
        *('kernel_copy', 'parallel', 'stream'),
    )
)
#: VmHWM and not ru_maxrss, which a child inherits from its parent (exec(2)).
_PEAK = """
import json, sys
def peak():
    for line in open('/proc/self/status'):
        if line.startswith('VmHWM'):
            return int(line.split()[1]) / 1024
def tell(refused=''):
    print(json.dumps([peak(), refused]))
"""
_COPY = (
    _PEAK
    + """
told = json.load(sys.stdin)
def config(found):
    if not isinstance(found, list):
        return found
    from oslo_config import cfg
    conf = cfg.ConfigOpts()
    conf(args=[], project='oslo.image', default_config_files=found,
         default_config_dirs=[])
    return conf
from oslo_image import move, stores
mover = move.Mover(told['uri'], config(told['origin']), image=told['image'])
if told['path']:
    with open(told['path'], 'wb') as file:
        result = mover.copy(file, **told['needs'])
else:
    place = config(told['place'])
    with stores.open_writer(told['target'], place) as writer:
        result = mover.copy(writer, **told['needs'])
tell('' if result.success else '; '.join(map(str, result.refusals)))
"""
)
_BARE = f'{_PEAK}\ntell()'


def strategy(
    name: str,
    *,
    writer: Literal['file', 'store'] = 'file',
    verified: bool = False,
) -> Way:
    """Return a way that counts the peak of a copy above a bare Python."""

    def run(job: Job) -> float:
        image = None
        if verified:
            image = {
                'os_hash_algo': 'sha512',
                'os_hash_value': sha512(job.shape),
            }
        told = {
            'uri': job.uri,
            'origin': _plain(job.origin.config),
            'target': job.target,
            'place': _plain(job.place.config),
            'path': job.path if writer == 'file' else '',
            'image': image,
            'needs': {'disabled': sorted(_STRATEGIES - {name})},
        }
        return _above(_COPY, json.dumps(told))

    return Way(f'{name}{", sha512" * verified}', 'ours', run)


def library(*modules: str, then: str = '') -> Way:
    """Return a limit: what only to import a client's library takes.

    :param then: what is run with it.
    """
    code = f'import {", ".join(modules)}\n{then}\ntell()'

    def run(job: Job) -> float:
        return _above(f'{_PEAK}\n{code}')

    name = f'only import {", ".join(modules)}'
    return Way(name, 'limit', run, writes=False)


def _plain(config: Any) -> Any:
    """Return a configuration as JSON takes it: options, or the files."""
    if config is None or isinstance(config, dict):
        return config
    return list(config.config_file or ())


@functools.cache
def _bare() -> float:
    return _peak(_BARE)


def _above(code: str, told: str = '') -> float:
    return _peak(code, told) - _bare()


def _peak(code: str, told: str = '') -> float:
    """Run a process; the configuration is not in its arguments."""
    done = subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        input=told,
        capture_output=True,
        text=True,
    )
    peak, refused = json.loads(done.stdout)
    if refused:
        raise Cannot(refused)
    return float(peak)
