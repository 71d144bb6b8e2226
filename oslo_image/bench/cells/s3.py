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

"""From, to and within S3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oslo_image.bench.cell import Cell, Target, Way, ours, unread
from oslo_image.bench.limits import s3 as limits
from oslo_image.bench.peers import s3 as peers
from oslo_image.bench.shape import GiB, MiB, Shape, apparent, dense

#: Of these the first two move every byte, in parts.
_COPIES = (
    peers.BOTO3_COPY,
    peers.RCLONE_COPY,
    peers.S5CMD_COPY,
    peers.OBSTORE_COPY,
)
_READS = (
    peers.BOTO3_READ,
    peers.S5CMD_READ,
    peers.OBSTORE_READ,
    peers.CRT_READ,
    peers.RCLONE_READ,
    peers.GLANCE_READ,
)
_WRITES = (
    peers.BOTO3_WRITE,
    peers.S5CMD_WRITE,
    peers.OBSTORE_WRITE,
    peers.CRT_WRITE,
    peers.RCLONE_WRITE,
    peers.GLANCE_WRITE,
)


def _within(
    name: str, shapes: Sequence[Shape], others: Sequence[Way], **more: Any
) -> Cell:
    return Cell(
        name=name,
        title='copy within an S3 server',
        source='s3',
        destination='s3',
        shapes=shapes,
        ways=(ours(strategy='s3_copy', writer='store'), *others),
        targets=(
            Target(
                'within 1.1x of the bare request',
                1.1,
                against=(limits.COPY.name,),
            ),
            Target(
                'faster than any peer',
                1,
                against=tuple(way.name for way in _COPIES),
            ),
        ),
        **more,
    )


CELLS = (
    _within('s3-s3', (dense(64 * MiB), dense(GiB)), (*_COPIES, limits.COPY)),
    _within(
        's3-s3-large',
        (apparent(5 * GiB),),
        [unread(way) for way in (*_COPIES[2:], limits.COPY)],
        rounds=3,
    ),
    Cell(
        name='s3-file',
        title='S3 to file',
        source='s3',
        destination='here',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(ours(), *_READS, limits.READ, limits.DISCARD),
        targets=(
            Target(
                'not slower than any peer',
                1,
                against=tuple(way.name for way in _READS),
                least=GiB,
            ),
            Target(
                "half of s5cmd's processor time",
                0.5,
                against=(peers.S5CMD_READ.name,),
                least=GiB,
                of='processor',
            ),
        ),
    ),
    Cell(
        name='file-s3',
        title='file to S3',
        source='here',
        destination='s3',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(ours(writer='store'), *_WRITES, limits.SEND),
        targets=(
            Target(
                'not slower than awscrt',
                1,
                against=(peers.CRT_WRITE.name,),
                least=GiB,
            ),
            Target(
                "a third of awscrt's processor time",
                1 / 3,
                against=(peers.CRT_WRITE.name,),
                least=GiB,
                of='processor',
            ),
        ),
    ),
)
