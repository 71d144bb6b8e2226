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

"""What our own process costs: imports, and the command on a small image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oslo_image.bench import itself
from oslo_image.bench.cell import Cell, Job, Target
from oslo_image.bench.shape import MiB, dense

#: As after sourcing a cloud's openrc.
_CLOUD = {
    'OS_AUTH_URL': 'http://127.0.0.1:9/v3',
    'OS_USERNAME': 'user',
    'OS_PASSWORD': 'password',
    'OS_PROJECT_NAME': 'project',
    'OS_USER_DOMAIN_NAME': 'Default',
    'OS_PROJECT_DOMAIN_NAME': 'Default',
}


def _ends(command: str) -> Callable[[Job], Sequence[str]]:
    return lambda job: (command, job.source, job.path)


_COMMANDS = (
    itself.starting('copy', _ends('copy')),
    itself.starting(
        'copy, a cloud in OS_*', _ends('copy'), environment=_CLOUD
    ),
    itself.starting('copy --help', lambda job: ('copy', '--help')),
    itself.starting('plan', _ends('plan')),
    itself.starting('strategies', lambda job: ('strategies',)),
    itself.starting('image list', lambda job: ('image', 'list')),
)

CELLS = (
    Cell(
        name='import',
        title='import, in a new process',
        source='here',
        destination='here',
        shapes=(dense(MiB),),
        ways=(
            itself.importing('oslo_image.move'),
            itself.importing('oslo_config.cfg'),
            itself.importing('stevedore'),
        ),
        targets=(
            Target(
                'below 150 ms, and no client library with it',
                0.15,
                'value',
                ours='import oslo_image.move',
            ),
        ),
    ),
    Cell(
        name='start',
        title='the command, from its start to its end',
        source='here',
        destination='here',
        shapes=(dense(MiB),),
        ways=(*_COMMANDS, itself.importing('cliff.app')),
        targets=[
            Target(f'{way.name}: below 300 ms', 0.3, 'value', ours=way.name)
            for way in _COMMANDS
        ],
    ),
)
