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

"""An image of Glance, by its id."""

from __future__ import annotations

import dataclasses

from oslo_image.bench.cell import Cell, Job, Target, Way, ours
from oslo_image.bench.glance import at
from oslo_image.bench.limits import glance as limits
from oslo_image.bench.limits import hashes
from oslo_image.bench.peers import glance as peers
from oslo_image.bench.shape import GiB, MiB, dense

_CLIENTS = (peers.DATA, peers.DATA_LARGE, peers.NOVA, peers.SAVE)
_CLIENT_NAMES = tuple(way.name for way in _CLIENTS)


def _by_api(way: Way) -> Way:
    """Return a way for whom Glance's stores are out of reach."""

    def run(job: Job) -> float | None:
        origin = at(job.origin).by_api()
        return way.run(dataclasses.replace(job, origin=origin))

    return dataclasses.replace(way, run=run)


CELLS = (
    Cell(
        name='glance-file',
        title='image of Glance, by its id, to file on the same filesystem',
        source='glance-file',
        destination='glance-file',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(
            ours(strategy='reflink'),
            *_CLIENTS,
            peers.CURL,
            limits.REFLINK,
            limits.ROUND_TRIPS,
        ),
        targets=(
            Target(
                'at most 1.1x of a bare reflink and two requests',
                1.1,
                against=(limits.REFLINK.name,),
            ),
            Target('faster than any client', 1, against=_CLIENT_NAMES),
        ),
    ),
    Cell(
        name='glance-rbd',
        title='image of Glance, by its id, to disk in the same Ceph cluster',
        source='glance-rbd',
        destination='glance-rbd',
        shapes=(dense(64 * MiB),),
        ways=(
            ours(strategy='rbd_clone', writer='store'),
            peers.NOVA_IMPORT,
            limits.CLONE,
            limits.ROUND_TRIPS,
        ),
        targets=(
            Target(
                'at most 1.3x of a bare clone and two requests',
                1.3,
                against=(limits.CLONE.name,),
            ),
            Target(
                'faster than to fetch and import it',
                1,
                against=(peers.NOVA_IMPORT.name,),
            ),
        ),
    ),
    Cell(
        name='glance-api',
        title="image of Glance, by its API's download, to file",
        source='glance-file',
        destination='glance-file',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(_by_api(ours(verify='never')), peers.CURL, limits.DISCARD),
        targets=(
            Target('not slower than curl', 1, against=(peers.CURL.name,)),
        ),
    ),
    Cell(
        name='glance-api-sha512',
        title="image of Glance, by its API's download, sha512 checked",
        source='glance-file',
        destination='glance-file',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(_by_api(ours()), *_CLIENTS, limits.DISCARD, hashes.SHA512),
        targets=(
            Target(
                'within 1.1x of a bare sha512',
                1.1,
                against=(hashes.SHA512.name,),
                least=GiB,
            ),
            Target('not slower than any client', 1, against=_CLIENT_NAMES),
        ),
    ),
)
