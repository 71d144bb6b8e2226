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

"""How much memory a copy takes, above a bare interpreter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from oslo_image.bench import glance
from oslo_image.bench.cell import Cell, Job, Target, Way
from oslo_image.bench.memory import library, strategy
from oslo_image.bench.shape import GiB, MiB, Shape, dense

_MOST = 64
#: What S3's and Swift's writers hold besides: four parts in flight, and one
#: that is filled.
_S3_WINDOW = 5 * 10
_SWIFT_WINDOW = 5 * 16
_BOTO3 = library('boto3')
_SWIFTCLIENT = library('swiftclient', 'keystoneauth1.session')
_RBD = library('rados', 'rbd')


def _cell(
    source: str,
    destination: str,
    *ways: Way,
    limit: Way | None = None,
    window: int = 0,
    name: str = '',
    shapes: Sequence[Shape] = (dense(64 * MiB), dense(256 * MiB)),
) -> Cell:
    text = f'below {_MOST} MiB'
    if window:
        text += f' and the window of {window} MiB'
    return Cell(
        name=f'memory-{name or f"{source}-{destination}"}',
        title=f'peak memory above a bare interpreter, {source} to '
        f'{destination}',
        source=source,
        destination=destination,
        shapes=shapes,
        ways=(*ways, *((limit,) if limit else ())),
        targets=[
            Target(
                f'{way.name}: {text}', _MOST + window, 'value', ours=way.name
            )
            for way in ways
        ],
        rounds=3,
        unit='MiB',
    )


def _by_api(way: Way) -> Way:
    """Return a way for whom Glance's stores are out of reach."""

    def run(job: Job) -> float | None:
        origin = glance.at(job.origin).by_api()
        return way.run(dataclasses.replace(job, origin=origin))

    return dataclasses.replace(way, name=f'{way.name}, by the API', run=run)


def _upload(way: Way) -> Way:
    """Return a way from a file beside Glance's images into Glance."""

    def run(job: Job) -> float | None:
        place = glance.at(job.place)
        source = place.targets.put(job.shape)
        target = place.image()
        try:
            return way.run(
                dataclasses.replace(
                    job, uri=source, target=f'glance://{target}'
                )
            )
        finally:
            place.forget(target)

    name = f'{way.name}, upload'
    return dataclasses.replace(way, name=name, run=run, writes=False)


_LARGE = (dense(64 * MiB), dense(GiB))

CELLS = (
    _cell(
        'xfs',
        'xfs',
        *map(strategy, ('reflink', 'kernel_copy', 'parallel', 'stream')),
        strategy('parallel', verified=True),
        strategy('stream', verified=True),
        name='xfs',
        shapes=_LARGE,
    ),
    _cell(
        'nginx',
        'here',
        *map(strategy, ('parallel', 'stream')),
        strategy('parallel', verified=True),
        strategy('stream', verified=True),
        name='nginx',
        shapes=_LARGE,
    ),
    _cell(
        'rbd',
        'here',
        *map(strategy, ('parallel', 'stream')),
        strategy('parallel', verified=True),
        limit=_RBD,
    ),
    _cell(
        'here',
        'rbd',
        strategy('parallel', writer='store'),
        strategy('stream', writer='store'),
        limit=_RBD,
    ),
    _cell('rbd', 'rbd', strategy('rbd_clone', writer='store'), limit=_RBD),
    _cell('s3', 'here', *map(strategy, ('parallel', 'stream')), limit=_BOTO3),
    _cell(
        'here',
        's3',
        strategy('parallel', writer='store'),
        strategy('stream', writer='store'),
        limit=_BOTO3,
        window=_S3_WINDOW,
    ),
    _cell('s3', 's3', strategy('s3_copy', writer='store'), limit=_BOTO3),
    _cell(
        'swift',
        'here',
        *map(strategy, ('parallel', 'stream')),
        limit=_SWIFTCLIENT,
    ),
    _cell(
        'here',
        'swift',
        strategy('parallel', writer='store'),
        strategy('stream', writer='store'),
        limit=_SWIFTCLIENT,
        window=_SWIFT_WINDOW,
    ),
    _cell(
        'swift',
        'swift',
        strategy('swift_copy', writer='store'),
        limit=_SWIFTCLIENT,
    ),
    _cell(
        'glance-file',
        'glance-file',
        strategy('reflink'),
        _by_api(strategy('parallel')),
        _by_api(strategy('stream')),
        _upload(strategy('stream', writer='store')),
        name='glance',
    ),
)
