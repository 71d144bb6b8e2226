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

"""Files on real filesystems that share no blocks; large ones, with holes."""

import hashlib
import os

import pytest

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.images import GiB, KiB, MiB


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
    def test_from_one_filesystem_to_another(self, place, plain, strategy):
        source = images.holey(place / 'source', 8 * MiB + 123)
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
        assert set(images.reasons(result)) == set(images.installed())
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
            disabled=images.all_but('kernel_copy', 'parallel'),
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


def test_eight_exbibytes_of_nothing_are_too_large(place):
    source = images.make(place / 'source', 2**63 - 4096, {})

    with pytest.raises(exception.TooLarge, match='more than the allowed'):
        images.mover(source).copy(
            stores.open_writer(images.uri(place / 'target'))
        )

    assert os.listdir(place) == ['source']


@pytest.mark.parametrize('strategy', images.STRATEGIES)
def test_a_golden_image(place, strategy):
    """A file whose digest is declared arrives by every strategy alike."""
    source = images.holey(place / 'source', 8 * MiB + 123)
    digest = hashlib.sha512(source.read_bytes()).hexdigest()
    image = {
        'size': 8 * MiB + 123,
        'os_hash_algo': 'sha512',
        'os_hash_value': digest,
        'disk_format': 'raw',
        'container_format': 'bare',
    }
    target = place / 'target'

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
