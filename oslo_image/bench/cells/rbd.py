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

"""From and to images in Ceph."""

from __future__ import annotations

import dataclasses

from oslo_image.bench import rbd
from oslo_image.bench.cell import Cell, Job, Target, Trend, Way, ours
from oslo_image.bench.limits import rbd as limits
from oslo_image.bench.peers import rbd as peers
from oslo_image.bench.shape import GiB, MiB, TiB, apparent, dense, sparse

_EXPORTS = (peers.EXPORT.name,)
_IMPORTS = (peers.IMPORT.name,)
_QEMU = (peers.QEMU_READ.name,)


def _of_disk(way: Way) -> Way:
    """Return the way with a source that names no snapshot."""

    def run(job: Job) -> float | None:
        return way.run(dataclasses.replace(job, uri=rbd.disk_of(job.uri)))

    return dataclasses.replace(way, run=run)


def _from(shapes: bool) -> Cell:
    return Cell(
        name='sparse-rbd-file' if shapes else 'rbd-file',
        title='image in Ceph to file' + ', sparse' * shapes,
        source='rbd',
        destination='here',
        shapes=(
            (sparse(10 * GiB, 1),)
            if shapes
            else (dense(256 * MiB), dense(GiB))
        ),
        ways=(
            ours(),
            peers.QEMU_READ,
            peers.EXPORT,
            *(() if shapes else (peers.NOVA, peers.GLANCE_STORE)),
            limits.DISCARD,
            limits.READ,
            limits.READ_LARGE,
        ),
        targets=(
            Target('sparse: not slower than qemu-img', 1, against=_QEMU),
            Target(
                "sparse: 0.15 of rbd export's time", 0.15, against=_EXPORTS
            ),
        )
        if shapes
        else (
            Target(
                'within 1.1x of the best aio loop to a file',
                1.1,
                against=('raw aio_read/pwrite*',),
            ),
            Target("0.6 of qemu-img's time", 0.6, against=_QEMU),
            Target("0.4 of rbd export's time", 0.4, against=_EXPORTS),
        ),
    )


def _to(shapes: bool) -> Cell:
    return Cell(
        name='sparse-file-rbd' if shapes else 'file-rbd',
        title='file to image in Ceph' + ', sparse' * shapes,
        source='here',
        destination='rbd',
        shapes=(
            (sparse(10 * GiB, 1),)
            if shapes
            else (dense(256 * MiB), dense(GiB))
        ),
        ways=(
            ours(writer='store'),
            peers.QEMU_WRITE,
            peers.IMPORT,
            *(() if shapes else (peers.CINDER,)),
            limits.WRITE,
            limits.WRITE_SMALL,
        ),
        targets=(
            Target('sparse: not slower than qemu-img', 1, against=_QEMU),
            Target(
                "sparse: 0.15 of rbd import's time", 0.15, against=_IMPORTS
            ),
        )
        if shapes
        else (
            Target("0.8 of rbd import's time", 0.8, against=_IMPORTS),
            Target("0.6 of qemu-img's time", 0.6, against=_QEMU),
        ),
    )


CELLS = (
    Cell(
        name='rbd-clone',
        title='clone within a Ceph cluster',
        source='rbd',
        destination='rbd',
        shapes=(dense(64 * MiB), dense(GiB), apparent(TiB)),
        ways=(
            ours(strategy='rbd_clone', writer='store'),
            peers.CLONE,
            limits.CLONE,
        ),
        targets=(
            Target(
                'at most 1.3x of the bare clone and one open of the parent',
                1.3,
                against=(limits.CLONE.name,),
            ),
            Target(
                "0.6 of rbd clone's time", 0.6, against=(peers.CLONE.name,)
            ),
        ),
        trends=(Trend('flat', 1.25),),
    ),
    _from(shapes=False),
    _from(shapes=True),
    _to(shapes=False),
    _to(shapes=True),
    Cell(
        name='rbd-rbd',
        title='copy within a Ceph cluster, of an image without a snapshot',
        source='rbd',
        destination='rbd',
        shapes=(dense(256 * MiB),),
        ways=tuple(
            _of_disk(way)
            for way in (
                ours(strategy='parallel', writer='store'),
                peers.CP,
                peers.DEEP_CP,
                peers.QEMU_BETWEEN,
                limits.COPY,
                limits.BETWEEN,
            )
        ),
        targets=(
            Target("0.85 of rbd cp's time", 0.85, against=(peers.CP.name,)),
        ),
    ),
    Cell(
        name='rbd-rbd-other',
        title='copy from one Ceph cluster to another',
        source='rbd',
        destination='rbd-other',
        shapes=(dense(256 * MiB),),
        ways=(
            ours(strategy='parallel', writer='store'),
            peers.PIPE,
            peers.CP_WITHIN,
            peers.QEMU_BETWEEN,
            limits.BETWEEN,
        ),
        targets=(
            Target(
                '0.85 of the time of rbd cp, within one cluster',
                0.85,
                against=(peers.CP_WITHIN.name,),
            ),
            Target('faster than any peer', 1, against=('rbd export*', *_QEMU)),
        ),
    ),
)
