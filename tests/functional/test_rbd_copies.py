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


"""Bytes from and to images in Ceph: sizes, holes, old data, digests."""

import hashlib
import io
import os
import uuid

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.rbd import RbdAuth
from tests.functional import images
from tests.functional.images import KiB, MiB
from tests.functional.pools import data_at

GiB = 1 << 30
NOISE = images.noise(8 * MiB + 1)
#: Around an object of a disk, and one of a Glance image.
SIZES = [
    0,
    1,
    511,
    4 * MiB - 1,
    4 * MiB,
    4 * MiB + 1,
    8 * MiB + 1,
]
AVOID = {'zero_copy': 'avoid'}


class TestSizes:
    @pytest.mark.parametrize('size', SIZES)
    def test_to_a_file_and_back(self, pools, tmp_path, size):
        path = tmp_path / 'source'
        path.write_bytes(NOISE[:size])
        image = pools.images.uri('image', 'snap')

        there = pools.copy(images.uri(path), image)

        assert tuple(there) == (True, size)
        assert there.strategy == 'parallel'
        assert pools.images.state() == ['image', 'image@snap']
        assert pools.images.read('image') == NOISE[:size]

        back = pools.copy(image, images.uri(tmp_path / 'target'))

        assert tuple(back) == (True, size)
        assert back.strategy == 'parallel'
        assert (tmp_path / 'target').read_bytes() == NOISE[:size]

    @pytest.mark.parametrize('size', SIZES)
    def test_to_any_writer(self, pools, size):
        source = pools.images.make('image', size, {0: NOISE[:size]}, 'snap')
        writer = io.BytesIO()

        result = move.Mover(source, pools.config).copy(writer)

        assert tuple(result) == (True, size)
        assert result.strategy == 'stream'
        assert writer.getvalue() == NOISE[:size]


def test_to_a_block_device(pools, block_device):
    size = 12 * MiB
    block_device.write_bytes(b'\xee' * 16 * MiB)
    source = pools.images.make('image', size, {MiB: NOISE}, 'snap')

    with block_device.open('r+b') as writer:
        result = move.Mover(source, pools.config).copy(writer)
        assert writer.tell() == size

    assert result.strategy == 'parallel'
    found = block_device.read_bytes()
    assert found[:size] == pools.images.read('image')
    assert found[size : 16 * MiB] == b'\xee' * (16 * MiB - size)


def test_from_a_web_server(pools, nginx, tmp_path):
    name = tmp_path.name
    (nginx.root / name).write_bytes(NOISE)

    result = pools.copy(f'{nginx.url(name)}', pools.images.uri('i', 'snap'))

    assert tuple(result) == (True, len(NOISE))
    assert result.strategy == 'parallel'
    assert pools.images.read('i', 'snap') == NOISE
    with pools.images.open('i') as image:
        assert image.is_protected_snap('snap')


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
            for at, piece in list(self.PIECES.items())[::17]:
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
        assert data_at(on_ext4 / 'back') <= 1.2 * data_at(source)
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


class TestDigests:
    @pytest.mark.parametrize('target', ['rbd', 'file'])
    @pytest.mark.parametrize('right', [True, False])
    def test_is_checked(self, pools, tmp_path, target, right):
        source = pools.images.make('i', 12 * MiB, {MiB: NOISE}, 'snap')
        path = tmp_path / 'target'
        content = pools.images.read('i') if right else b'other'
        value = hashlib.sha512(content).hexdigest()
        facts = {'os_hash_algo': 'sha512', 'os_hash_value': value}
        uri = pools.vms.uri('d') if target == 'rbd' else images.uri(path)

        def copy():
            return pools.copy(source, uri, {'verify': 'always'}, image=facts)

        if not right:
            with pytest.raises(exception.IntegrityError):
                copy()
            assert pools.vms.state() == []
            assert os.listdir(tmp_path) == []
            return
        result = copy()
        assert result.verified
        assert (result.strategy, result.zero_copy) == ('parallel', False)
        found = pools.vms.read('d') if target == 'rbd' else path.read_bytes()
        assert found == content


class TestUnpinned:
    """An image whose location names no snapshot gets one for the copy."""

    @pytest.fixture
    def source(self, pools):
        return pools.images.make('image', 8 * MiB, {MiB: NOISE[: 5 * MiB]})

    @pytest.fixture
    def reader(self, pools):
        """Credentials that may read images, and no more."""
        name = f'r{uuid.uuid4().hex[:8]}'
        pools.cluster.user(
            name, mon='profile rbd', osd='profile rbd-read-only pool=images'
        )
        return RbdAuth(user=name)

    def test_snapshot_is_gone_afterwards(self, pools, source):
        seen = []

        def progress(done, total):
            seen.append(pools.images.snapshots('image'))

        result = pools.copy(
            source, pools.vms.uri('disk'), {'progress': progress}
        )

        assert result.strategy == 'parallel'
        assert pools.vms.read('disk') == pools.images.read('image')
        assert [len(one) for one in seen] == [1] * len(seen)
        assert seen[0][0].startswith('oslo-image.pin.')
        assert pools.images.state() == ['image']

    def test_so_it_is_after_a_failure(self, pools, source):
        class Boom(Exception):
            pass

        class Writer:
            def write(self, data):
                assert len(pools.images.snapshots('image')) == 1
                raise Boom

        with pytest.raises(Boom):
            move.Mover(source, pools.config).copy(Writer())

        assert pools.images.state() == ['image']

    def test_what_is_written_meanwhile_is_not_copied(self, pools, source):
        before = pools.images.read('image')

        def progress(done, total):
            with pools.images.open('image') as image:
                image.write(b'changed', 7 * MiB)

        writer = io.BytesIO()
        move.Mover(source, pools.config).copy(writer, progress=progress)

        assert writer.getvalue() == before
        assert pools.images.read('image') != before

    def test_user_who_may_not(self, pools, source, reader):
        with pytest.raises(exception.PermissionDenied) as caught:
            move.Mover(source, pools.config, auth=reader).copy(io.BytesIO())

        said = str(caught.value)
        assert 'may not make the snapshot that would pin the image' in said
        assert 'rbd_read_unpinned' in said
        assert caught.value.side == 'source'

    def test_user_who_need_not(self, pools, source, reader):
        config = {**pools.config, 'rbd_read_unpinned': True}
        writer = io.BytesIO()

        result = move.Mover(source, config, auth=reader).copy(writer)

        assert result.success
        assert writer.getvalue() == pools.images.read('image')

    def test_user_who_may_not_write(self, pools, tmp_path, reader):
        path = images.make(tmp_path / 'source', MiB, {0: b'data'})
        target = pools.images.uri('new')
        with stores.open_writer(target, pools.config, auth=reader) as writer:
            with pytest.raises(exception.PermissionDenied) as caught:
                move.Mover(images.uri(path)).copy(writer)

        assert caught.value.side == 'destination'
        assert pools.images.state() == []

    def test_user_without_caps(self, pools, source):
        name = f'n{uuid.uuid4().hex[:8]}'
        pools.cluster.user(name, mon='allow r')
        auth = RbdAuth(user=name)

        with pytest.raises(exception.PermissionDenied) as caught:
            move.Mover(source, pools.config, auth=auth).copy(io.BytesIO())

        assert caught.value.side == 'source'
