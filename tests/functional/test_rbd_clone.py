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


"""Clones within a Ceph cluster, and their plans."""

import pytest

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
        pools.vms.make('disk', MiB, {0: b'old'})

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

    def test_digest_is_carried(self, pools, golden):
        """What the image declares is not computed, and is said to be so."""
        value = 'ab' * 64
        facts = {'os_hash_algo': 'sha512', 'os_hash_value': value}

        result = pools.copy(golden, pools.vms.uri('disk'), image=facts)

        assert result.strategy == 'rbd_clone'
        assert result.digest_state == 'carried'
        assert not result.verified


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
