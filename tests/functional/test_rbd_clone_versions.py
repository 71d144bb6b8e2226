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


"""The two versions of clones in Ceph, and the protection that one wants."""

import json
import uuid

import pytest

from oslo_image import move, stores
from oslo_image.move.strategies import rbd_clone
from oslo_image.stores.rbd import RbdAuth
from tests.functional import images
from tests.functional.images import MiB

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

    def test_by_another_copy_meanwhile(self, pools, bare, monkeypatch):
        """Both have seen that it was not protected."""
        run = rbd_clone.RbdClone.run

        def late(self, *arguments):
            with pools.images.open('golden') as image:
                image.protect_snap('snap')
            return run(self, *arguments)

        monkeypatch.setattr(rbd_clone.RbdClone, 'run', late)

        result = pools.copy(
            bare,
            pools.vms.uri('disk'),
            {'zero_copy': 'require'},
            protect=True,
        )

        assert result.zero_copy
        assert pools.vms.parent('disk') == result.parent
