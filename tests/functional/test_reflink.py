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

"""A copy that shares its blocks with the source, on filesystems that can."""

import os
import subprocess

import pytest

from oslo_image import stores
from tests.functional import images
from tests.functional.images import MiB


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

    def test_filefrag_says_so_too(self, place):
        source = images.holey(place / 'source')
        target = place / 'target'
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
