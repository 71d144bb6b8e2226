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

"""From, to and within Swift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oslo_image.bench.cell import Cell, Target, Way, ours, unread
from oslo_image.bench.limits import swift as limits
from oslo_image.bench.peers import swift as peers
from oslo_image.bench.shape import GiB, MiB, Shape, dense

_COPIES = (peers.CLIENT_COPY, peers.COMMAND_COPY)


def _within(
    name: str, shapes: Sequence[Shape], others: Sequence[Way], **more: Any
) -> Cell:
    return Cell(
        name=name,
        title='copy within a Swift cluster',
        source='swift',
        destination='swift',
        shapes=shapes,
        ways=(ours(strategy='swift_copy', writer='store'), *others),
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
    _within(
        'swift-swift',
        (dense(8 * MiB), dense(256 * MiB)),
        (*_COPIES, limits.COPY),
    ),
    # The cluster moves every byte, so that 5 GiB would take minutes.
    _within(
        'swift-swift-large',
        (dense(GiB),),
        [unread(way) for way in (peers.COMMAND_COPY, limits.COPY)],
        rounds=3,
    ),
    Cell(
        name='swift-file',
        title='Swift to file',
        source='swift',
        destination='here',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(
            ours(),
            peers.COMMAND_READ,
            peers.GLANCE_READ,
            limits.READ,
            limits.DISCARD,
        ),
        targets=(
            Target(
                'within 1.1x of the raw loop',
                1.1,
                against=(limits.READ.name,),
                least=GiB,
            ),
            Target(
                '3 times as fast as the swift command',
                1 / 3,
                against=(peers.COMMAND_READ.name,),
            ),
        ),
    ),
    Cell(
        name='file-swift',
        title='file to Swift',
        source='here',
        destination='swift',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(
            ours(writer='store'),
            peers.COMMAND_WRITE,
            peers.GLANCE_WRITE,
            limits.SEND,
        ),
        targets=(
            Target(
                'within 1.1x of the raw loop',
                1.1,
                against=(limits.SEND.name,),
                least=GiB,
            ),
            Target(
                "faster than glance_store's serial segments",
                1,
                against=(peers.GLANCE_WRITE.name,),
                least=GiB,
            ),
            Target(
                '3 times as fast as the swift command',
                1 / 3,
                against=(peers.COMMAND_WRITE.name,),
            ),
        ),
    ),
)
