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

"""Files and block devices on real filesystems, with reflink and without."""

import hashlib
import os
import pathlib
import shutil
import subprocess

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores import file_source
from oslo_image.stores.base import Extent
from tests.functional import images
from tests.functional.images import GiB, KiB, MiB
from tests.servers import filesystems, policy


def directory(request, name, tmp_path):
    """Make a directory of the test's own on the filesystem of a fixture."""
    if name == 'tmp_path':
        return tmp_path
    own = request.getfixturevalue(name) / tmp_path.name
    own.mkdir()
    request.addfinalizer(lambda: shutil.rmtree(own))
    return own


@pytest.fixture(params=['xfs', 'btrfs'])
def sharing(request, tmp_path):
    """A directory on a filesystem with reflink."""
    return directory(request, request.param, tmp_path)


@pytest.fixture(params=['ext4', 'tmpfs_dir'])
def plain(request, tmp_path):
    """A directory on a filesystem without reflink."""
    return directory(request, request.param, tmp_path)


@pytest.fixture
def on_xfs(request, tmp_path):
    return directory(request, 'xfs', tmp_path)


@pytest.fixture
def on_btrfs(request, tmp_path):
    return directory(request, 'btrfs', tmp_path)


@pytest.fixture
def on_ext4(request, tmp_path):
    return directory(request, 'ext4', tmp_path)


@pytest.fixture
def on_tmpfs(request, tmp_path):
    return directory(request, 'tmpfs_dir', tmp_path)


def assert_shared(copy, source, at=0):
    """Every block of the copy is one of the source's."""
    theirs, ours = images.blocks(source), images.blocks(copy)
    assert theirs
    assert {at + offset: block for offset, block in theirs.items()} == {
        offset: block for offset, block in ours.items() if offset >= at
    }
    assert all(shared for _, shared in theirs.values())


class TestReflink:
    def test_the_copy_has_the_blocks_of_the_source(self, sharing):
        source = images.holey(sharing / 'source', 8 * MiB + 123)
        target = sharing / 'target'

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target))
        )

        success, bytes_written = result
        assert (success, bytes_written) == (True, 0)
        assert result.zero_copy
        assert result.strategy == 'reflink'
        assert result.size == 8 * MiB + 123
        assert result.bytes_moved == 0
        assert target.read_bytes() == source.read_bytes()
        assert_shared(target, source)

    def test_filefrag_says_so_too(self, on_xfs):
        source = images.holey(on_xfs / 'source')
        target = on_xfs / 'target'
        images.mover(source).copy(stores.open_writer(images.uri(target)))

        said = subprocess.run(
            ['filefrag', '-v', target],
            capture_output=True,
            check=True,
            text=True,
        ).stdout

        extents = [line for line in said.splitlines() if '..' in line]
        assert extents
        assert all('shared' in line for line in extents), said

    def test_into_an_open_file(self, sharing):
        source = images.holey(sharing / 'source')
        target = sharing / 'target'

        with target.open('wb') as writer:
            result = images.mover(source).copy(writer)
            assert writer.tell() == 8 * MiB

        assert tuple(result) == (True, 0)
        assert target.read_bytes() == source.read_bytes()
        assert_shared(target, source)

    @pytest.mark.parametrize('size', [4 * MiB, 4 * MiB + 512, 100])
    def test_a_longer_destination_is_shortened(self, sharing, size):
        source = images.make(
            sharing / 'source', size, {0: images.noise(min(size, MiB))}
        )
        target = sharing / 'target'
        target.write_bytes(b'old' * 5 * MiB)

        with target.open('r+b') as writer:
            result = images.mover(source).copy(writer)

        assert result.success
        assert target.read_bytes() == source.read_bytes()
        if size > images.BLOCK:
            assert tuple(result) == (True, 0)
            assert_shared(target, source)
        else:
            assert 'within a block' in images.reasons(result)['reflink']

    def test_into_the_middle_of_a_file(self, sharing):
        source = images.holey(sharing / 'source')
        target = sharing / 'target'
        old = images.noise(16 * MiB, 9)
        target.write_bytes(old)
        at = 3 * 4096

        with target.open('r+b') as writer:
            writer.seek(at)
            result = images.mover(source).copy(writer)
            assert writer.tell() == at + 8 * MiB

        assert tuple(result) == (True, 0)
        assert result.strategy == 'reflink'
        behind = at + 8 * MiB
        new = target.read_bytes()
        assert new[at:behind] == source.read_bytes()
        assert new[:at] == old[:at]
        assert new[behind:] == old[behind:]

    def test_behind_what_was_just_written(self, sharing):
        source = images.holey(sharing / 'source', 8 * MiB + 1)
        target = sharing / 'target'
        head = images.noise(4096, 9)

        with target.open('wb') as writer:
            writer.write(head)
            result = images.mover(source).copy(writer)

        assert tuple(result) == (True, 0)
        assert target.read_bytes() == head + source.read_bytes()
        assert_shared(target, source, at=4096)

    def test_at_no_block_of_a_file_another_strategy_copies(self, sharing):
        source = images.holey(sharing / 'source')
        target = sharing / 'target'

        with target.open('wb') as writer:
            writer.write(b'head')
            result = images.mover(source).copy(writer)
            assert writer.tell() == 4 + 8 * MiB

        assert tuple(result) == (True, 8 * MiB)
        assert not result.zero_copy
        assert 'the position 4' in images.reasons(result)['reflink']
        assert target.read_bytes() == b'head' + source.read_bytes()

    def test_later_writes_to_either_are_its_own(self, sharing):
        source = images.holey(sharing / 'source')
        before = source.read_bytes()
        target = sharing / 'target'
        images.mover(source).copy(stores.open_writer(images.uri(target)))

        with source.open('r+b') as changed:
            changed.seek(MiB)
            changed.write(b'changed')
        assert target.read_bytes() == before
        source.unlink()
        assert target.read_bytes() == before

    def test_replaces_a_file_and_keeps_its_permissions(self, sharing):
        source = images.holey(sharing / 'source')
        target = sharing / 'target'
        target.write_bytes(b'old')
        target.chmod(0o640)

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target), if_exists='replace')
        )

        assert tuple(result) == (True, 0)
        assert_shared(target, source)
        assert target.stat().st_mode & 0o7777 == 0o640
        assert sorted(os.listdir(sharing)) == ['source', 'target']

    def test_an_empty_image(self, sharing):
        source = images.make(sharing / 'source', 0, {})
        target = sharing / 'target'

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target))
        )

        assert tuple(result) == (True, 0)
        assert result.zero_copy
        assert target.read_bytes() == b''

    def test_between_subvolumes_of_btrfs(self, on_btrfs):
        for name in ('one', 'two'):
            subprocess.run(
                ['btrfs', 'subvolume', 'create', on_btrfs / name],
                check=True,
                capture_output=True,
            )
        source = images.holey(on_btrfs / 'one' / 'source')
        target = on_btrfs / 'two' / 'target'
        assert source.stat().st_dev != target.parent.stat().st_dev

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target)), zero_copy='require'
        )

        assert tuple(result) == (True, 0)
        assert target.read_bytes() == source.read_bytes()
        assert_shared(target, source)

    def test_what_the_kernel_refuses_is_copied(self, on_btrfs):
        # btrfs shares nothing between files with checksums and without.
        source = images.holey(on_btrfs / 'source')
        without = on_btrfs / 'without'
        without.mkdir()
        subprocess.run(['chattr', '+C', without], check=True)
        target = without / 'target'

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target))
        )

        assert tuple(result) == (True, 8 * MiB)
        assert result.strategy == 'kernel_copy'
        assert (
            'the kernel cannot share extents here'
            in images.reasons(result)['reflink']
        )
        assert target.read_bytes() == source.read_bytes()

    def test_what_the_kernel_refuses_is_a_clean_no_on_demand(self, on_btrfs):
        source = images.holey(on_btrfs / 'source')
        without = on_btrfs / 'without'
        without.mkdir()
        subprocess.run(['chattr', '+C', without], check=True)
        target = without / 'target'

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target)), zero_copy='require'
        )

        assert tuple(result) == (False, 0)
        assert os.listdir(without) == []

    def test_avoided_no_block_is_shared(self, sharing):
        source = images.holey(sharing / 'source')
        target = sharing / 'target'

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target)), zero_copy='avoid'
        )

        assert tuple(result) == (True, 8 * MiB)
        assert not result.zero_copy
        assert 'zero_copy is "avoid"' in images.reasons(result)['reflink']
        assert target.read_bytes() == source.read_bytes()
        ours = images.blocks(target)
        assert ours
        assert not any(shared for _, shared in ours.values())

    def test_the_plan_says_it_beforehand(self, sharing):
        source = images.holey(sharing / 'source')
        target = sharing / 'target'

        plan = images.mover(source).plan(
            stores.open_writer(images.uri(target))
        )

        assert [offer.strategy for offer in plan.offers] == list(
            images.STRATEGIES
        )
        assert plan.offers[0].zero_copy
        assert not target.exists()


class TestWithoutReflink:
    def test_the_kernel_copies_and_the_result_says_why(self, plain):
        source = images.holey(plain / 'source', 8 * MiB + 123)
        target = plain / 'target'

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target))
        )

        assert tuple(result) == (True, 8 * MiB + 123)
        assert result.strategy == 'kernel_copy'
        assert not result.zero_copy
        assert 'cannot share extents' in images.reasons(result)['reflink']
        assert target.read_bytes() == source.read_bytes()
        assert images.data_ranges(target) == images.data_ranges(source)

    @pytest.mark.parametrize('strategy', images.COPYING)
    def test_from_one_filesystem_to_another(self, on_xfs, plain, strategy):
        source = images.holey(on_xfs / 'source', 8 * MiB + 123)
        target = plain / 'target'

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target)),
            disabled=images.all_but('reflink', strategy),
        )

        assert tuple(result) == (True, 8 * MiB + 123)
        assert result.strategy == strategy
        assert 'different filesystems' in images.reasons(result)['reflink']
        assert target.read_bytes() == source.read_bytes()
        # Of nearly 6 MiB of holes, none may be filled by more than what
        # stands beside data in one block of 64 KiB.
        assert images.allocated(target) <= images.allocated(source) + 512 * KiB

    def test_from_btrfs_to_tmpfs_only_the_kernel_knows(
        self, on_btrfs, on_tmpfs
    ):
        # Both have anonymous device numbers, as two subvolumes have.
        source = images.holey(on_btrfs / 'source')
        target = on_tmpfs / 'target'

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target))
        )

        assert tuple(result) == (True, 8 * MiB)
        assert 'share extents' in images.reasons(result)['reflink']
        assert target.read_bytes() == source.read_bytes()

    def test_zero_copy_required_is_a_clean_no(self, plain):
        source = images.holey(plain / 'source')
        before = source.stat()
        calls = []

        result = images.mover(source).copy(
            stores.open_writer(images.uri(plain / 'target')),
            zero_copy='require',
            progress=lambda *call: calls.append(call),
        )

        success, bytes_written = result
        assert (success, bytes_written) == (False, 0)
        assert not result.zero_copy
        assert result.size is None
        assert set(images.reasons(result)) == set(images.STRATEGIES)
        assert all(images.reasons(result).values())
        assert os.listdir(plain) == ['source']
        assert calls == []
        assert source.stat().st_atime_ns == before.st_atime_ns

    def test_zero_copy_required_leaves_an_open_file_alone(self, plain):
        source = images.holey(plain / 'source')
        target = plain / 'target'

        with target.open('w+b') as writer:
            writer.write(b'before')
            result = images.mover(source).copy(writer, zero_copy='require')
            assert writer.tell() == 6
            writer.write(b' and after')

        assert tuple(result) == (False, 0)
        assert target.read_bytes() == b'before and after'

    def test_all_switched_off_is_a_clean_no(self, plain):
        source = images.holey(plain / 'source')

        result = images.mover(
            source, {'disabled_strategies': ['kernel_copy', 'parallel']}
        ).copy(
            stores.open_writer(images.uri(plain / 'target')),
            disabled=['stream', 'reflink'],
        )

        assert tuple(result) == (False, 0)
        assert set(images.reasons(result).values()) == {'it is switched off'}
        assert os.listdir(plain) == ['source']

    @pytest.mark.parametrize('strategy', images.COPYING)
    @pytest.mark.parametrize('size', [0, 1, MiB - 1, MiB, MiB + 1])
    def test_sizes_around_a_buffer(self, plain, strategy, size):
        source = plain / 'source'
        source.write_bytes(images.noise(size))
        target = plain / 'target'
        seen = []

        result = images.mover(source).copy(
            stores.open_writer(images.uri(target)),
            disabled=images.all_but(strategy),
            progress=lambda *call: seen.append(call),
        )

        assert tuple(result) == (True, size)
        assert target.read_bytes() == source.read_bytes()
        assert (seen or [(0, 0)])[-1] == (size, size)


@pytest.fixture(scope='module')
def large(xfs):
    """A mebibyte of data in every hundred, 100 GiB in all."""
    path = xfs / 'one-hundred-gib'
    block = images.noise(MiB)
    with path.open('wb') as image:
        for number in range(100 * GiB // (100 * MiB)):
            image.seek(number * 100 * MiB + number % 7 * 4096)
            image.write(number.to_bytes(8) + block[8:])
        image.truncate(100 * GiB)
    yield path
    path.unlink()


def sparse_digest(path):
    """Digest every block that is not zero, and where it lies."""
    digest = hashlib.sha256()
    zeros = bytes(images.BLOCK)
    with path.open('rb') as image:
        for start, end in images.data_ranges(path):
            image.seek(start)
            for at in range(start, end, images.BLOCK):
                block = image.read(images.BLOCK)
                if block != zeros:
                    digest.update(at.to_bytes(8) + block)
    return digest.hexdigest()


class TestLarge:
    """1 % of data, from XFS to ext4."""

    SIZE = 100 * GiB

    @pytest.mark.parametrize('strategy', ['kernel_copy', 'parallel'])
    def test_arrives_with_its_holes(self, large, on_ext4, strategy):
        target = on_ext4 / 'target'

        result = images.mover(large).copy(
            stores.open_writer(images.uri(target)),
            disabled=images.all_but(strategy),
        )

        assert tuple(result) == (True, self.SIZE)
        payload = GiB
        assert result.bytes_moved == pytest.approx(payload, rel=0.05)
        assert target.stat().st_size == self.SIZE
        assert images.allocated(target) <= payload + 16 * MiB
        assert sparse_digest(target) == sparse_digest(large)

    def test_is_cloned_at_once(self, large, xfs):
        target = xfs / 'clone'

        result = images.mover(large).copy(
            stores.open_writer(images.uri(target))
        )

        assert tuple(result) == (True, 0)
        assert images.allocated(target) <= images.allocated(large)
        target.unlink()


def test_eight_exbibytes_of_nothing_are_too_large(on_xfs):
    source = images.make(on_xfs / 'source', 2**63 - 4096, {})

    with pytest.raises(exception.TooLarge, match='more than the allowed'):
        images.mover(source).copy(
            stores.open_writer(images.uri(on_xfs / 'target'))
        )

    assert os.listdir(on_xfs) == ['source']


class TestBlockDevice:
    """64 MiB, and every byte of them was something else before."""

    SIZE = 64 * MiB
    OLD = 0xEE

    @pytest.fixture
    def device(self, block_device):
        with block_device.open('r+b', buffering=0) as dirty:
            for _ in range(self.SIZE // MiB):
                dirty.write(bytes([self.OLD]) * MiB)
            os.fsync(dirty)
        return block_device

    @staticmethod
    def copy(source, device, by, strategy, **more):
        more['disabled'] = images.all_but(strategy)
        mover = images.mover(source)
        if by == 'uri':
            return mover.copy(
                stores.open_writer(images.uri(device), if_exists='in_place'),
                **more,
            )
        with device.open('r+b') as writer:
            result = mover.copy(writer, **more)
            assert writer.tell() == source.stat().st_size
        return result

    @pytest.mark.parametrize('strategy', images.COPYING)
    @pytest.mark.parametrize('by', ['uri', 'file'])
    def test_ends_byte_identical(self, tmp_path, device, by, strategy):
        source = images.holey(tmp_path / 'source', self.SIZE)

        result = self.copy(source, device, by, strategy)

        assert tuple(result) == (True, self.SIZE)
        assert result.strategy == strategy
        assert device.read_bytes() == source.read_bytes()

    @pytest.mark.parametrize('strategy', images.COPYING)
    @pytest.mark.parametrize('size', [5 * MiB, 5 * MiB + 512, 5 * MiB + 7])
    def test_a_smaller_image_leaves_the_rest(
        self, tmp_path, device, size, strategy
    ):
        source = images.make(
            tmp_path / 'source', size, {MiB: images.noise(MiB + 5)}
        )

        result = self.copy(source, device, 'uri', strategy)

        assert tuple(result) == (True, size)
        new = device.read_bytes()
        assert new[:size] == source.read_bytes()
        assert new[size:] == bytes([self.OLD]) * (self.SIZE - size)

    @pytest.mark.parametrize('by', ['uri', 'file'])
    def test_a_larger_image_is_refused_untouched(self, tmp_path, device, by):
        source = images.holey(tmp_path / 'source', self.SIZE + 1)

        with pytest.raises(exception.NoSpace) as caught:
            self.copy(source, device, by, 'parallel')

        assert str(self.SIZE + 1) in str(caught.value)
        assert caught.value.destination_state == 'untouched'
        assert device.read_bytes() == bytes([self.OLD]) * self.SIZE

    def test_the_middle_of_a_device(self, tmp_path, device):
        source = images.holey(tmp_path / 'source')
        at = MiB + 512

        with device.open('r+b') as writer:
            writer.seek(at)
            result = images.mover(source).copy(writer)
            assert writer.tell() == at + 8 * MiB

        assert tuple(result) == (True, 8 * MiB)
        old = bytes([self.OLD])
        assert device.read_bytes() == (
            old * at + source.read_bytes() + old * (self.SIZE - at - 8 * MiB)
        )

    def test_a_failure_says_that_it_is_modified(self, tmp_path, device):
        source = images.holey(tmp_path / 'source')

        with pytest.raises(exception.DigestMismatch) as caught:
            images.mover(source, image={'checksum': '0' * 32}).copy(
                stores.open_writer(images.uri(device), if_exists='in_place'),
                disabled=['kernel_copy'],
            )

        assert caught.value.destination_state == 'modified'

    def test_hardly_any_zero_is_written(self, tmp_path, device, monkeypatch):
        # The trailing hole ends at no block; all of it but that is zeroed
        # by the device.
        source = images.make(
            tmp_path / 'source', self.SIZE - 512, {MiB: images.noise(MiB)}
        )
        written = []
        pwrite = os.pwrite

        def counting(fd, data, offset):
            written.append(len(data))
            return pwrite(fd, data, offset)

        monkeypatch.setattr(os, 'pwrite', counting)
        self.copy(source, device, 'uri', 'parallel')

        assert sum(written) <= MiB + 64 * KiB
        new = device.read_bytes()
        assert new[:-512] == source.read_bytes()
        assert new[-512:] == bytes([self.OLD]) * 512

    @pytest.mark.parametrize('strategy', images.COPYING)
    def test_what_is_a_hole_is_asked_once(
        self, tmp_path, device, strategy, monkeypatch
    ):
        """XFS may call data what was a hole before, and back."""
        source = images.make(
            tmp_path / 'source',
            self.SIZE,
            {0: images.noise(MiB), 8 * MiB: images.noise(MiB)},
        )
        real = file_source.FileSource.extents
        asked = []

        def extents(self, start, length):
            asked.append(start)
            if asked.count(start) > 1:
                yield Extent(start, length, zero=False)
            else:
                yield from real(self, start, length)

        monkeypatch.setattr(file_source.FileSource, 'extents', extents)
        self.copy(source, device, 'uri', strategy)

        assert device.read_bytes() == source.read_bytes()

    def test_a_mounted_one_is_in_use(self, tmp_path):
        source = images.holey(tmp_path / 'source')
        with policy.provided(
            filesystems.loop_filesystem('ext4', 64 * MiB, tmp_path)
        ) as root:
            (root / 'precious').write_bytes(b'precious')
            number = root.stat().st_dev
            device = pathlib.Path(
                '/dev/block', f'{os.major(number)}:{os.minor(number)}'
            )
            if not device.exists():
                device = pathlib.Path('/dev', f'loop{os.minor(number)}')

            with pytest.raises(exception.InUse) as caught:
                images.mover(source).copy(
                    stores.open_writer(
                        images.uri(device), if_exists='in_place'
                    )
                )

            assert caught.value.destination_state == 'untouched'
            assert (root / 'precious').read_bytes() == b'precious'

    @pytest.mark.parametrize('strategy', images.COPYING)
    def test_a_device_is_a_source_too(
        self, tmp_path, on_ext4, block_device, strategy
    ):
        content = images.noise(MiB, 5)
        with block_device.open('r+b') as image:
            image.seek(3 * MiB)
            image.write(content)
        target = on_ext4 / 'target'

        result = images.mover(block_device).copy(
            stores.open_writer(images.uri(target)),
            disabled=images.all_but(strategy),
        )

        assert tuple(result) == (True, self.SIZE)
        assert target.read_bytes() == block_device.read_bytes()
        if strategy != 'kernel_copy':
            # A device knows no holes; zeros are found by looking.
            assert images.allocated(target) <= 2 * MiB


@pytest.mark.parametrize('strategy', images.STRATEGIES)
def test_a_golden_image(on_xfs, strategy):
    """A file whose digest is declared arrives by every strategy alike."""
    source = images.holey(on_xfs / 'source', 8 * MiB + 123)
    digest = hashlib.sha512(source.read_bytes()).hexdigest()
    image = {
        'size': 8 * MiB + 123,
        'os_hash_algo': 'sha512',
        'os_hash_value': digest,
        'disk_format': 'raw',
        'container_format': 'bare',
    }
    target = on_xfs / 'target'

    result = move.Mover(images.uri(source), image=image).copy(
        stores.open_writer(images.uri(target)),
        disabled=images.all_but(strategy),
    )

    sees = strategy in ('parallel', 'stream')
    assert result.success
    assert result.verified is sees
    assert result.digest_state == ('computed' if sees else 'carried')
    assert result.digests == ({'sha512': digest} if sees else {})
    assert result.format == 'raw'
    assert target.read_bytes() == source.read_bytes()
