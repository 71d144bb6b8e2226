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


"""Holes and old data: what is not data reads as zeros, and takes no room."""

import pytest

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.images import KiB, MiB

GiB = 1 << 30
NOISE = images.noise(8 * MiB + 1)
AVOID = {'zero_copy': 'avoid'}


class TestHoles:
    SIZE = 10 * GiB
    #: One percent: a mebibyte in each hundred.
    PIECES = {at * MiB: NOISE[: MiB + at] for at in range(7, 10240, 100)}
    AMOUNT = sum(map(len, PIECES.values()))

    def check(self, pool, image):
        """Data lie where they ought to, and take no more than their room."""
        with pool.open(image) as opened:
            runs = []
            opened.diff_iterate(
                0, self.SIZE, None, lambda at, n, _: runs.append((at, n))
            )
            assert opened.size() == self.SIZE
            for at, piece in self.PIECES.items():
                assert opened.read(at, len(piece)) == piece
                assert not any(opened.read(at + len(piece), 4096))
        # A diff tells what an object holds, up to the end of its last write.
        assert self.AMOUNT <= sum(n for _, n in runs) <= 5 * self.AMOUNT

    def compare(self, one, two):
        """Compare two files where one of them has data; the rest is zeros."""
        with one.open('rb') as first, two.open('rb') as second:
            for path in (one, two):
                for start, end in images.data_ranges(path):
                    first.seek(start)
                    second.seek(start)
                    assert first.read(end - start) == second.read(end - start)

    def test_from_a_file_and_back(self, pools, on_ext4):
        source = images.make(on_ext4 / 'source', self.SIZE, self.PIECES)
        target = pools.volumes.uri('disk')

        there = pools.copy(images.uri(source), target)

        assert tuple(there) == (True, self.SIZE)
        # Whole objects are looked at, two for each piece.
        assert there.bytes_moved <= len(self.PIECES) * 8 * MiB
        self.check(pools.volumes, 'disk')

        back = pools.copy(target, images.uri(on_ext4 / 'back'))

        assert tuple(back) == (True, self.SIZE)
        assert images.allocated(on_ext4 / 'back') <= 1.2 * images.allocated(
            source
        )
        self.compare(source, on_ext4 / 'back')
        assert pools.volumes.state() == ['disk']

    def test_between_two_clusters(self, pools, other_pools):
        source = pools.volumes.make('disk', self.SIZE, self.PIECES)
        target = other_pools.volumes.uri('disk')

        with stores.open_writer(target, other_pools.config) as writer:
            result = move.Mover(source, pools.config).copy(writer)

        assert tuple(result) == (True, self.SIZE)
        self.check(other_pools.volumes, 'disk')
        assert pools.volumes.state() == ['disk']

    def test_finer_than_an_object(self, pools):
        """A diff says that all is data up to the last byte of an object."""
        pieces = {0: NOISE[: 64 * KiB], 4 * MiB - 64 * KiB: NOISE[: 64 * KiB]}
        source = pools.images.make('image', 8 * MiB, pieces, 'snap')

        pools.copy(source, pools.vms.uri('disk'), AVOID)

        used = pools.cluster.rbd('du', '--format', 'json', 'vms/disk')
        assert f'"used_size":{4 * MiB}' in used
        with pools.vms.open('disk') as image:
            found = []
            image.diff_iterate(
                0, 8 * MiB, None, lambda *run: found.append(run)
            )
        with pools.images.open('image') as image:
            known = []
            image.diff_iterate(
                0, 8 * MiB, None, lambda *run: known.append(run)
            )
        assert found == known
        assert pools.vms.read('disk') == pools.images.read('image')


class TestInPlace:
    """Over an image with old data, of which there is a snapshot."""

    OLD = images.noise(12 * MiB, 5)
    PIECES = {5 * MiB: NOISE[: MiB + 7], 7 * MiB: NOISE[:100]}
    SIZE = 8 * MiB

    @pytest.fixture
    def disk(self, pools):
        pools.vms.make('disk', len(self.OLD), {0: self.OLD}, 'kept')
        return pools.vms.uri('disk')

    @pytest.mark.parametrize('by', ['file', 'image'])
    def test_holes_become_zeros(self, pools, disk, tmp_path, by):
        path = images.make(tmp_path / 'source', self.SIZE, self.PIECES)
        source = images.uri(path)
        if by == 'image':
            source = pools.images.make('i', self.SIZE, self.PIECES, 'snap')

        result = pools.copy(source, disk, if_exists='in_place')

        assert tuple(result) == (True, self.SIZE)
        assert pools.vms.read('disk') == (
            path.read_bytes() + self.OLD[self.SIZE :]
        )
        assert pools.vms.state() == ['disk', 'disk@kept']
        assert pools.vms.read('disk', 'kept') == self.OLD

    def test_too_small(self, pools, disk, tmp_path):
        path = images.make(tmp_path / 'source', 13 * MiB, self.PIECES)

        with pytest.raises(exception.NoSpace) as caught:
            pools.copy(images.uri(path), disk, if_exists='in_place')

        assert caught.value.destination_state == 'untouched'
        assert pools.vms.read('disk') == self.OLD

    def test_absent(self, pools, tmp_path):
        path = images.make(tmp_path / 'source', MiB, {})

        with pytest.raises(exception.DestinationError, match='no image vms/'):
            pools.copy(
                images.uri(path), pools.vms.uri('no'), if_exists='in_place'
            )

    def test_at_a_snapshot(self, pools, disk, tmp_path):
        path = images.make(tmp_path / 'source', MiB, {})

        with pytest.raises(exception.InvalidWriter, match='snapshot'):
            pools.copy(
                images.uri(path),
                pools.vms.uri('disk', 'kept'),
                if_exists='in_place',
            )
