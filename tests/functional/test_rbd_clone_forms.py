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


"""What a clone in Ceph is to be: its version, size, objects and features."""

import json
import os
import threading
import uuid

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


def children(pool, image):
    """Return what ``rbd children`` knows of a snapshot."""
    found = pool.cluster.rbd(
        'children', '--format', 'json', f'{pool.path}/{image}@snap'
    )
    return {(one['pool'], one['image']) for one in json.loads(found)}


def version(pool, image, parent):
    """Return which version of clone an image is, by ``rbd info``."""
    operating = 'clone-child' in pool.info(image).get('op_features', [])
    counted = 'clone-parent' in parent.info('golden').get('op_features', [])
    assert operating == counted
    return 2 if operating else 1


class TestVersion:
    @pytest.fixture(params=['auto', '1', '2'])
    def clusters_own(self, request, pools):
        """The version that the cluster has as its default."""
        option = ('global', 'rbd_default_clone_format')
        pools.cluster.ceph('config', 'set', *option, request.param)
        pools.cluster.ceph('osd', 'set-require-min-compat-client', 'mimic')
        yield request.param
        pools.cluster.ceph('config', 'rm', *option)

    def fresh(self, pools):
        """Return credentials of a connection that nobody has opened yet."""
        name = f'v{uuid.uuid4().hex[:8]}'
        pools.cluster.user(name, mon='profile rbd', osd='profile rbd')
        return RbdAuth(user=name)

    def clone(self, pools, golden, **options):
        auth = self.fresh(pools)
        target = pools.vms.uri('disk')
        with stores.open_writer(
            target, pools.config, auth=auth, **options
        ) as writer:
            return move.Mover(golden, pools.config, auth=auth).copy(writer)

    def test_is_1(self, pools, golden, clusters_own):
        result = self.clone(pools, golden)

        assert result.zero_copy
        assert version(pools.vms, 'disk', pools.images) == 1
        assert children(pools.images, 'golden') == {('vms', 'disk')}

    def test_is_2_where_asked(self, pools, golden, clusters_own):
        result = self.clone(pools, golden, clone_format=2)

        assert result.zero_copy
        assert version(pools.vms, 'disk', pools.images) == 2
        assert children(pools.images, 'golden') == {('vms', 'disk')}

    def test_2_takes_unprotected_snapshots(self, pools):
        source = pools.images.make(
            'golden', SIZE, {0: DATA}, 'snap', protect=False
        )
        config = {**pools.config, 'rbd_clone_format': 2}

        with stores.open_writer(pools.vms.uri('disk'), config) as writer:
            result = move.Mover(source, config).copy(writer)

        assert result.zero_copy
        assert version(pools.vms, 'disk', pools.images) == 2
        with pools.images.open('golden') as image:
            assert not image.is_protected_snap('snap')
        assert pools.vms.read('disk') == DATA

    def test_both_in_one_process(self, pools, golden):
        one, two = pools.vms.uri('one'), pools.vms.uri('two')

        for _ in range(2):
            pools.copy(golden, two, clone_format=2)
            pools.copy(golden, one)
            assert version(pools.vms, 'two', pools.images) == 2
            assert 'clone-child' not in pools.vms.info('one')['op_features']
            pools.vms.empty()


class TestProtecting:
    @pytest.fixture
    def bare(self, pools):
        """The URI of a snapshot that is not protected."""
        return pools.images.make(
            'golden', SIZE, {0: DATA}, 'snap', protect=False
        )

    @pytest.mark.parametrize('by', ['writer', 'configuration'])
    def test_where_it_may(self, pools, bare, by):
        config = dict(pools.config)
        options = {}
        if by == 'writer':
            options['protect'] = True
        else:
            config['rbd_protect_snapshots'] = True
        with stores.open_writer(
            pools.vms.uri('disk'), config, **options
        ) as writer:
            mover = move.Mover(bare, pools.config)
            assert 'will be protected' in str(mover.plan(writer).offers[0])
            result = mover.copy(writer)

        assert result.zero_copy
        assert pools.vms.parent('disk') == result.parent
        with pools.images.open('golden') as image:
            assert image.is_protected_snap('snap')

    def test_where_the_user_may_not(self, pools, bare):
        """Then it is a refusal that says so, and the bytes are copied."""
        name = f'r{uuid.uuid4().hex[:8]}'
        pools.cluster.user(
            name,
            mon='profile rbd',
            osd='profile rbd-read-only pool=images, profile rbd pool=vms',
        )
        auth = RbdAuth(user=name)
        target = pools.vms.uri('disk')
        with stores.open_writer(
            target, pools.config, auth=auth, protect=True
        ) as writer:
            result = move.Mover(bare, pools.config, auth=auth).copy(writer)

        assert tuple(result) == (True, SIZE)
        assert result.strategy == 'parallel'
        assert 'could not be protected' in str(result.refusals[-1])
        assert pools.vms.read('disk') == DATA


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
