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


"""Clones within a Ceph cluster, and what stands against one."""

import os

import pytest

from oslo_image import exception, move, stores
from oslo_image.move.strategies import rbd_clone
from oslo_image.stores.rbd import RbdAuth
from tests.functional import images
from tests.functional.images import MiB

SIZE = 8 * MiB
PIECES = {0: images.noise(MiB, 1), 5 * MiB: images.noise(1000, 2)}
CONTENT = PIECES[0] + bytes(4 * MiB) + PIECES[5 * MiB] + bytes(3 * MiB - 1000)
AVOID = {'zero_copy': 'avoid'}
REQUIRE = {'zero_copy': 'require'}


@pytest.fixture
def golden(pools):
    """The URI of a protected snapshot."""
    return pools.images.make('golden', SIZE, PIECES, 'snap')


def refusal(found, strategy='rbd_clone'):
    """Return why a plan or a result has not a strategy."""
    return next(one for one in found.refusals if one.strategy == strategy)


class TestClone:
    def test_from_another_pool(self, pools, golden):
        target = pools.vms.uri('disk')

        result = pools.copy(golden, target)

        assert tuple(result) == (True, 0)
        assert result.zero_copy
        assert result.strategy == 'rbd_clone'
        assert result.size == SIZE
        assert result.bytes_moved == 0
        assert result.parent == ('images', 'golden', 'snap')
        assert result.destination.reveal() == target
        assert pools.vms.parent('disk') == result.parent
        assert pools.vms.read('disk') == CONTENT
        assert pools.vms.state() == ['disk']

    def test_within_a_pool(self, pools, golden):
        result = pools.copy(golden, pools.images.uri('disk'))

        assert tuple(result) == (True, 0)
        assert pools.images.parent('disk') == result.parent

    def test_without_the_fsid(self, pools, golden):
        result = pools.copy(golden, 'rbd:///vms/disk')

        assert result.strategy == 'rbd_clone'
        assert result.destination.reveal() == pools.vms.uri('disk')
        assert pools.vms.parent('disk') == result.parent

    def test_of_a_clone(self, pools, golden):
        pools.copy(golden, pools.vms.uri('disk', 'snap'))

        result = pools.copy(
            pools.vms.uri('disk', 'snap'), pools.volumes.uri('disk')
        )

        assert result.parent == ('vms', 'disk', 'snap')
        assert pools.volumes.parent('disk') == result.parent
        assert pools.volumes.read('disk') == CONTENT

    def test_to_a_glance_image(self, pools, golden):
        """The clone is a Glance image itself."""
        result = pools.copy(golden, pools.volumes.uri('image', 'snap'))

        assert result.strategy == 'rbd_clone'
        assert pools.volumes.state() == ['image', 'image@snap']
        with pools.volumes.open('image') as image:
            assert image.is_protected_snap('snap')

    def test_in_place_of_another(self, pools, golden):
        """The old image stays until the clone is there, and is gone then."""
        pools.vms.make('disk', MiB, {0: b'old'}, 'kept')

        result = pools.copy(golden, pools.vms.uri('disk'), if_exists='replace')

        assert result.strategy == 'rbd_clone'
        assert pools.vms.state() == ['disk']
        assert pools.vms.parent('disk') == result.parent

    def test_iso_is_raw_bytes(self, pools):
        header = {0x8000: b'\x01CD001\x01', 0x8800: b'\xffCD001\x01'}
        golden = pools.images.make('golden', SIZE, header, 'snap')
        facts = {'disk_format': 'iso', 'container_format': 'bare'}

        result = pools.copy(golden, pools.vms.uri('disk'), image=facts)

        assert result.strategy == 'rbd_clone'


class TestPlan:
    def test_is_a_clone_that_depends(self, pools, golden):
        plan = pools.plan(golden, pools.vms.uri('disk'))

        assert [one.strategy for one in plan.offers] == [
            'rbd_clone',
            'parallel',
            'stream',
        ]
        assert 'depends on images/golden@snap' in str(plan.offers[0])

    @pytest.mark.parametrize(
        'options',
        [
            {},
            {'flatten': True},
            {'protect': True},
            {'if_exists': 'replace'},
            {'if_exists': 'in_place'},
        ],
    )
    @pytest.mark.parametrize('snapshot', ['snap', 'bare', ''])
    def test_changes_nothing(self, pools, options, snapshot):
        pools.images.make('golden', SIZE, PIECES, 'snap')
        with pools.images.open('golden') as image:
            image.create_snap('bare')
        if 'if_exists' in options:
            pools.vms.make('disk', SIZE, {0: b'old'})
        before = pools.state()

        plan = pools.plan(
            pools.images.uri('golden', snapshot),
            pools.vms.uri('disk'),
            **options,
        )

        assert plan.offers
        assert pools.state() == before
        with pools.images.open('golden') as image:
            assert not image.is_protected_snap('bare')


class TestRefusals:
    """Each is told, and the copy goes on by parallel; or not at all."""

    def check(self, pools, source, target, reason, remedy='', **more):
        """Copy: with zero-copy required nothing happens, else by parallel."""
        before = pools.state()

        result = pools.copy(source, target, REQUIRE, **more)

        assert tuple(result) == (False, 0)
        assert reason in refusal(result).reason
        assert remedy in refusal(result).remedy
        assert pools.state() == before

        result = pools.copy(source, target, **more)

        assert tuple(result) == (True, SIZE)
        assert not result.zero_copy
        assert result.strategy == 'parallel'
        assert result.parent is None
        assert reason in refusal(result).reason
        pool = pools.get(target.split('/')[3])
        assert pool.read(target.split('/')[4]) == CONTENT
        assert pool.parent(target.split('/')[4]) is None

    @pytest.mark.parametrize(
        ('facts', 'said'),
        [
            (
                {'disk_format': 'qcow2', 'container_format': 'bare'},
                'the image is qcow2; a clone would carry qcow2 bytes',
            ),
            (
                {'disk_format': 'raw', 'container_format': 'ovf'},
                'the image is ovf; a clone would carry ovf bytes',
            ),
        ],
    )
    def test_what_is_no_disk(self, pools, golden, facts, said):
        target = pools.vms.uri('disk')

        result = pools.copy(golden, target, REQUIRE, image=facts)

        assert tuple(result) == (False, 0)
        assert refusal(result).reason == said
        assert pools.vms.state() == []

        unseen = {'inspect': 'never'}
        result = pools.copy(golden, target, unseen, image=facts)

        assert (result.strategy, result.parent) == ('parallel', None)
        assert refusal(result).reason == said
        assert pools.vms.read('disk') == CONTENT

    def test_unprotected(self, pools):
        source = pools.images.make('i', SIZE, PIECES, 'snap', protect=False)

        self.check(
            pools,
            source,
            pools.vms.uri('disk'),
            "the snapshot 'snap' is not protected",
            'protect the snapshot, and this is a clone',
        )
        assert pools.images.state() == ['i', 'i@snap']

    def test_no_snapshot(self, pools):
        source = pools.images.make('i', SIZE, PIECES)

        self.check(
            pools,
            source,
            pools.vms.uri('disk'),
            'the location names no snapshot',
            'make a protected snapshot',
        )
        assert pools.images.state() == ['i']

    def test_zero_copy_avoided(self, pools, golden):
        result = pools.copy(golden, pools.vms.uri('disk'), AVOID)

        assert (result.strategy, result.zero_copy) == ('parallel', False)
        assert refusal(result).reason == (
            'it is zero-copy, and zero_copy is "avoid"'
        )
        assert pools.vms.parent('disk') is None
        assert pools.vms.read('disk') == CONTENT

    def test_in_place(self, pools, golden):
        """What exists cannot become a clone; its bytes can be written."""
        pools.vms.make('disk', SIZE, {0: images.noise(SIZE)})
        pools.vms.keep()
        try:
            self.check(
                pools,
                golden,
                pools.vms.uri('disk'),
                'the destination exists',
                'a clone is always a new image',
                if_exists='in_place',
            )
        finally:
            pools.vms.rbd.RBD().remove(pools.vms.ioctx, 'disk')

    @pytest.mark.parametrize('needs', [{}, REQUIRE])
    def test_destination_exists(self, pools, golden, needs):
        pools.vms.make('disk', MiB, {0: b'old'})
        before = pools.state()

        with pytest.raises(exception.DestinationExists) as caught:
            pools.copy(golden, pools.vms.uri('disk'), needs)

        assert 'vms/disk' in str(caught.value)
        assert caught.value.destination_state == 'untouched'
        assert pools.state() == before

    @pytest.mark.parametrize('protected', [True, False])
    def test_snapshot_deleted_after_the_plan(
        self, pools, monkeypatch, protected
    ):
        """The cluster refuses then; nor is there anything to be read."""
        source = pools.images.make('i', SIZE, PIECES, 'snap', protected)
        run = rbd_clone.RbdClone.run

        def late(self, *arguments):
            with pools.images.open('i') as image:
                if protected:
                    image.unprotect_snap('snap')
                image.remove_snap('snap')
            return run(self, *arguments)

        monkeypatch.setattr(rbd_clone.RbdClone, 'run', late)

        with pytest.raises(exception.SourceChanged) as caught:
            pools.copy(source, pools.vms.uri('disk'), protect=True)

        assert caught.value.side == 'source'
        assert caught.value.destination_state == 'untouched'
        assert pools.vms.state() == []
        assert pools.images.state() == ['i']


class TestTwoClusters:
    def check(self, pools, other_pools, result):
        assert tuple(result) == (True, SIZE)
        assert result.strategy == 'parallel'
        said = refusal(result).reason
        assert said == (
            'they are in different clusters, '
            f'{pools.cluster.fsid} and {other_pools.cluster.fsid}'
        )
        assert other_pools.vms.read('disk') == CONTENT
        assert other_pools.vms.parent('disk') is None

    @pytest.mark.parametrize('by', ['default', 'location'])
    def test_by_two_backends(self, pools, other_pools, golden, by):
        config = {
            'enabled_backends': 'here:rbd, there:rbd',
            'here': pools.config,
            'there': other_pools.config,
        }
        here = {**config, 'default_backend': 'here'}
        there = {**config, 'default_backend': 'there'}
        if by == 'default':
            mover = move.Mover(golden, here)
        else:
            one = {'url': golden, 'metadata': {'store': 'here'}}
            mover = move.Mover('an-id', there, image={'locations': [one]})
        target = other_pools.vms.uri('disk')

        with stores.open_writer(target, there) as writer:
            result = mover.copy(writer)

        self.check(pools, other_pools, result)

    def test_by_credentials_of_ones_own(self, pools, other_pools, golden):
        own = RbdAuth(conf=os.fspath(other_pools.cluster.conf))
        target = other_pools.vms.uri('disk')

        with stores.open_writer(target, pools.config, auth=own) as writer:
            result = move.Mover(golden, pools.config).copy(writer)

        self.check(pools, other_pools, result)

    def test_wrong_fsid_of_the_source(self, pools, golden, other_ceph):
        wrong = pools.images.uri('golden', 'snap', fsid=other_ceph.fsid)

        with pytest.raises(exception.SourceUnavailable, match='lead to'):
            pools.copy(wrong, pools.vms.uri('disk'))

        assert pools.vms.state() == []

    def test_wrong_fsid_of_the_destination(self, pools, golden, other_ceph):
        wrong = pools.vms.uri('disk', fsid=other_ceph.fsid)

        with pytest.raises(exception.DestinationError, match='lead to'):
            pools.copy(golden, wrong)

        assert pools.vms.state() == []
