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

"""What our own process costs: memory and imports."""

from __future__ import annotations

from oslo_image.bench import itself
from oslo_image.bench.cell import Cell, Target, Way
from oslo_image.bench.shape import GiB, MiB, dense

_STRATEGIES = ('reflink', 'kernel_copy', 'parallel', 'stream')
_MOST = 64.0


def _memory(source: str, place: str, *ways: Way) -> Cell:
    return Cell(
        name=f'memory-{source}',
        title=f'peak memory above a bare interpreter, from {source}',
        source=source,
        destination=place,
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=ways,
        targets=[
            Target('below 64 MiB', _MOST, 'value', ours=way.name)
            for way in ways
        ],
        unit='MiB',
    )


def _way(strategy: str, *, verified: bool = False) -> Way:
    others = [one for one in _STRATEGIES if one != strategy]
    return itself.memory(strategy, others, verified=verified)


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
        ways=(
            itself.starting('copy', '--help'),
            itself.importing('cliff.app'),
        ),
        targets=(
            Target(
                'below 300 ms', 0.3, 'value', ours='oslo-image copy --help'
            ),
        ),
    ),
    _memory(
        'xfs',
        'xfs',
        *(_way(one) for one in _STRATEGIES),
        _way('parallel', verified=True),
        _way('stream', verified=True),
    ),
    _memory(
        'nginx',
        'here',
        _way('parallel'),
        _way('stream'),
        _way('parallel', verified=True),
        _way('stream', verified=True),
    ),
)
