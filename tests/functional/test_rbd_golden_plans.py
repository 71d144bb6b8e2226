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

"""The golden plans of Ceph, of real images and to real ones."""

import io
import os

import pytest

from oslo_image import move, stores
from tests.functional import images
from tests.functional.images import MiB
from tests.unit.move.test_golden_plans_rbd import PLANS

SIZE = 8 * MiB
DATA = {0: images.noise(MiB)}
#: Of the writers that are a new image: what they are opened with.
OPTIONS = {
    'new image': {},
    'larger image': {'disk_size': 2 * SIZE},
    'clone v2': {'clone_format': 2},
    'may protect': {'protect': True},
    'flattened': {'flatten': True},
}
#: A stream is nothing that Ceph has.
ROWS = [row for row in PLANS if row[0] != 'one stream']


def source_of(name, pools, tmp_path):
    if name == 'file':
        path = images.make(tmp_path / 'source', SIZE, DATA)
        return images.uri(path)
    space = 'golden' if name == 'snapshot in a namespace' else ''
    pool = pools.get('images', space)
    snapshot = '' if name == 'rbd image' else 'snap'
    protect = name != 'unprotected snapshot'
    return pool.make('golden', SIZE, DATA, snapshot, protect)


def writer_of(name, pools, others, tmp_path):
    if name == 'any write()':
        return io.BytesIO()
    if name == 'file':
        return stores.open_writer(images.uri(tmp_path / 'target'))
    if name == 'other cluster':
        return stores.open_writer(others.vms.uri('disk'), others.config)
    options = OPTIONS.get(name)
    if name == 'image in place':
        pools.vms.make('disk', SIZE)
        options = {'if_exists': 'in_place'}
    return stores.open_writer(pools.vms.uri('disk'), pools.config, **options)


@pytest.mark.parametrize(('source', 'writer', 'needs', 'facts', 'plan'), ROWS)
def test_golden(
    pools, other_pools, tmp_path, source, writer, needs, facts, plan
):
    uri = source_of(source, pools, tmp_path)
    target = writer_of(writer, pools, other_pools, tmp_path)
    before = pools.state(), other_pools.state(), os.listdir(tmp_path)

    found = move.Mover(uri, pools.config, image=facts or None).plan(
        target, **needs
    )

    assert [one.strategy for one in found.offers] == plan
    refused = {one.strategy for one in found.refusals}
    assert refused >= {'rbd_clone', 'parallel', 'stream'} - set(plan)
    target.close()
    after = pools.state(), other_pools.state(), os.listdir(tmp_path)
    assert after == before
