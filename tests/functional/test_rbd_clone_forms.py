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


"""What a clone in Ceph is to be: its size, objects and features."""

import os
import threading

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.rbd import RbdAuth
from tests.functional import images
from tests.functional.images import MiB
from tests.servers import policy

SIZE = 8 * MiB
DATA = images.noise(SIZE)


@pytest.fixture
def golden(pools):
    return pools.images.make('golden', SIZE, {0: DATA}, 'snap')


class TestSize:
    def test_grows(self, pools, golden):
        result = pools.copy(golden, pools.vms.uri('disk'), disk_size=3 * SIZE)

        assert (result.strategy, result.size) == ('rbd_clone', SIZE)
        assert pools.vms.read('disk') == DATA + bytes(2 * SIZE)
        assert pools.vms.parent('disk') == result.parent
        assert pools.vms.state() == ['disk']

    def test_same(self, pools, golden):
        result = pools.copy(golden, pools.vms.uri('disk'), disk_size=SIZE)

        assert result.strategy == 'rbd_clone'
        assert pools.vms.info('disk')['size'] == SIZE

    @pytest.mark.parametrize('needs', [{}, {'zero_copy': 'require'}])
    def test_too_small(self, pools, golden, needs):
        before = pools.state()
        with pytest.raises(exception.NoSpace) as caught:
            pools.copy(
                golden, pools.vms.uri('disk'), needs, disk_size=SIZE - 1
            )

        assert f'holds {SIZE - 1} bytes and the image has {SIZE}' in str(
            caught.value
        )
        assert caught.value.destination_state == 'untouched'
        assert pools.state() == before


class TestObjects:
    @pytest.mark.parametrize(
        ('parent', 'floor', 'found'),
        [
            ({'order': 24}, 22, 24),
            ({'order': 22}, 24, 24),
            ({'order': 20}, None, 20),
            # Objects of 16 MiB in stripes of 64 KiB: the stripe's is least.
            (
                {'order': 24, 'stripe_unit': 1 << 16, 'stripe_count': 4},
                22,
                22,
            ),
            (
                {'order': 24, 'stripe_unit': 1 << 23, 'stripe_count': 2},
                22,
                23,
            ),
        ],
    )
    def test_order(self, pools, parent, floor, found):
        source = pools.images.make('i', SIZE, {0: DATA}, 'snap', **parent)

        result = pools.copy(source, pools.vms.uri('disk'), order=floor)

        assert result.strategy == 'rbd_clone'
        assert pools.vms.info('disk')['order'] >= found
        if floor is not None:
            assert pools.vms.info('disk')['order'] == found
        assert pools.vms.read('disk') == DATA

    def test_features_are_the_parents(self, pools):
        rbd = policy.imported('rbd')
        wanted = rbd.RBD_FEATURE_LAYERING | rbd.RBD_FEATURE_EXCLUSIVE_LOCK
        source = pools.images.make(
            'i', SIZE, {0: DATA}, 'snap', features=wanted
        )

        pools.copy(source, pools.vms.uri('disk'))

        assert pools.vms.info('disk')['features'] == [
            'layering',
            'exclusive-lock',
        ]

    def test_features_are_those_asked_for(self, pools, golden):
        rbd = policy.imported('rbd')

        pools.copy(
            golden, pools.vms.uri('disk'), features=rbd.RBD_FEATURE_LAYERING
        )

        assert pools.vms.info('disk')['features'] == ['layering']

    def test_data_pool(self, pools, golden):
        pools.copy(golden, pools.vms.uri('disk'), data_pool='volumes')

        assert pools.vms.info('disk')['data_pool'] == 'volumes'
        assert pools.vms.parent('disk') == ('images', 'golden', 'snap')

    def test_data_pool_is_not_the_parents(self, pools):
        source = pools.images.make(
            'i', SIZE, {0: DATA}, 'snap', data_pool='volumes'
        )

        result = pools.copy(source, pools.vms.uri('disk'))

        assert result.strategy == 'rbd_clone'
        assert 'data_pool' not in pools.vms.info('disk')

    def test_pool_that_is_not_there(self, pools, golden):
        """The cluster will not clone, nor take the bytes."""
        with pytest.raises(exception.DestinationError):
            pools.copy(golden, pools.vms.uri('disk'), data_pool='absent')

        assert pools.vms.state() == []


class TestIndependent:
    @pytest.mark.parametrize('by', ['option', 'need'])
    def test_has_no_parent(self, pools, golden, by):
        seen = []
        needs = {'progress': lambda done, total: seen.append((done, total))}
        options = {'flatten': True} if by == 'option' else {}
        if by == 'need':
            needs['independent'] = True
        target = pools.vms.uri('disk')

        result = pools.copy(golden, target, needs, **options)

        assert tuple(result) == (True, 0)
        assert result.strategy == 'rbd_clone'
        assert result.parent is None
        assert pools.vms.parent('disk') is None
        assert pools.vms.state() == ['disk']
        assert pools.vms.read('disk') == DATA
        assert len(seen) > 1
        assert seen == sorted(seen)
        assert seen[-1] == (SIZE, SIZE)

    def test_is_server_side(self, pools, golden):
        target = pools.vms.uri('disk')

        plan = pools.plan(golden, target, {'independent': True})

        assert str(plan.offers[0].cost) == 'server side'
        assert 'flattened' in str(plan.offers[0])

    def test_cancelled(self, pools):
        """Nothing is left of a clone that was flattened in part."""
        size = 96 * MiB
        some = {at: images.noise(4096) for at in range(0, size, 4 * MiB)}
        source = pools.images.make('i', size, some, 'snap')
        cancel = threading.Event()

        def progress(done, total):
            if 0 < done < total:
                cancel.set()

        with pytest.raises(exception.Cancelled) as caught:
            pools.copy(
                source,
                pools.vms.uri('disk'),
                {'progress': progress, 'cancel': cancel},
                flatten=True,
            )

        assert cancel.is_set()
        assert caught.value.destination_state == 'untouched'
        assert pools.vms.state() == []
        assert children_of(pools) == []


def children_of(pools):
    with pools.images.open('i', 'snap') as image:
        return list(image.list_children2())


def test_credentials_by_conf(pools, golden):
    """A ceph.conf of the call's own, where the options have none."""
    auth = RbdAuth(conf=os.fspath(pools.cluster.conf), user='admin')
    target = pools.vms.uri('disk')
    with stores.open_writer(target, auth=auth) as writer:
        result = move.Mover(golden, auth=auth).copy(writer)

    assert result.strategy == 'rbd_clone'
