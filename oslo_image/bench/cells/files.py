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

"""From a file to a file."""

from __future__ import annotations

from oslo_image.bench.cell import Cell, Target, Trend, only, ours
from oslo_image.bench.limits import files as limits
from oslo_image.bench.peers import chunks, programs
from oslo_image.bench.shape import GiB, MiB, TiB, apparent, dense, sparse

_NAMES = ('reflink', 'kernel_copy', 'parallel', 'stream')
#: Our own paths against each other.
STRATEGIES = tuple(
    only(name, *(one for one in _NAMES if one != name))
    for name in ('kernel_copy', 'parallel', 'stream')
)
_PEERS = (
    programs.CP,
    programs.QEMU_IMG,
    programs.RCLONE_FILE,
    chunks.COPYFILE,
    chunks.GLANCE_STORE,
    chunks.SMALL_LOOP,
    chunks.LARGE_LOOP,
)
_ALL_PEERS = tuple(way.name for way in _PEERS)


def _reflink(place: str) -> Cell:
    return Cell(
        name=f'reflink-{place}',
        title=f'reflink within {place}',
        source=place,
        destination=place,
        shapes=(
            dense(MiB),
            dense(64 * MiB),
            dense(GiB),
            sparse(10 * GiB, 1),
            apparent(GiB),
            apparent(TiB),
        ),
        ways=(
            ours(strategy='reflink'),
            programs.CP_REFLINK,
            limits.FICLONE,
            ours('published', strategy='reflink', writer='store'),
            limits.FICLONE_DURABLE,
        ),
        targets=(
            Target(
                'at most 1 ms more than the ioctl',
                0.001,
                'difference',
                (limits.FICLONE.name,),
            ),
            Target(
                'faster than cp as a process',
                1,
                against=(programs.CP_REFLINK.name,),
            ),
            Target(
                'published: at most 1 ms more than the same calls',
                0.001,
                'difference',
                (limits.FICLONE_DURABLE.name,),
                ours='published',
            ),
        ),
        trends=(Trend('flat', 1.25),),
    )


def _copy(source: str, place: str) -> Cell:
    return Cell(
        name=f'file-{place}',
        title=f'file to file, {place}, without reflink',
        source=source,
        destination=place,
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(
            ours(),
            *STRATEGIES,
            *_PEERS,
            limits.KERNEL,
            limits.ONE_THREAD,
            limits.TWO_THREADS,
            limits.READ,
        ),
        targets=(
            Target('not slower than any peer', 1, against=_ALL_PEERS),
            Target(
                'within 1.1x of the best raw loop', 1.1, against=('raw *',)
            ),
        ),
    )


def _sparse(place: str) -> Cell:
    return Cell(
        name=f'sparse-{place}',
        title=f'sparse file to file, {place}',
        source='here',
        destination=place,
        shapes=(sparse(GiB, 10), sparse(10 * GiB, 1)),
        ways=(
            ours(),
            *STRATEGIES[:2],
            programs.CP,
            programs.CP_SPARSE,
            programs.QEMU_IMG,
            limits.KERNEL,
            limits.TWO_THREADS,
        ),
        targets=(
            Target(
                'faster than cp --sparse=always and qemu-img',
                1,
                against=(programs.CP_SPARSE.name, programs.QEMU_IMG.name),
            ),
            Target(
                'within 1.1x of the best raw loop', 1.1, against=('raw *',)
            ),
        ),
        trends=(Trend('the time follows the data', 1.25, 'data'),),
    )


CELLS = (
    _reflink('here'),
    _reflink('xfs'),
    _reflink('btrfs'),
    _copy('here', 'here'),
    _copy('here', 'xfs'),
    _copy('ext4', 'ext4'),
    _copy('tmpfs', 'tmpfs'),
    _sparse('here'),
    _sparse('xfs'),
)
