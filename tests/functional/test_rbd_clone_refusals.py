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


"""What stands against a clone in Ceph, and what happens instead."""

import os
import uuid

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

    @pytest.mark.parametrize('needs', [{}, REQUIRE])
    def test_parent_that_the_writer_may_not_read(self, pools, golden, needs):
        """Who reads the image is another than who makes the disk."""
        name = f'w{uuid.uuid4().hex[:8]}'
        pools.cluster.user(name, mon='profile rbd', osd='profile rbd pool=vms')
        before = pools.state()
        with stores.open_writer(
            pools.vms.uri('disk'), pools.config, auth=RbdAuth(user=name)
        ) as writer:
            result = move.Mover(golden, pools.config).copy(writer, **needs)

        assert 'the cluster would not clone it' in str(result.refusals[-1])
        if needs:
            assert tuple(result) == (False, 0)
            assert pools.state() == before
        else:
            assert (result.strategy, result.bytes_written) == (
                'parallel',
                SIZE,
            )
            assert pools.vms.read('disk') == CONTENT

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
