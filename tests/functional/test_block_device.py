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

"""Block devices as destination and as source."""

import os
import pathlib

import pytest

from oslo_image import exception, stores
from oslo_image.stores import file_source
from oslo_image.stores.base import Extent
from tests.functional import images
from tests.functional.images import KiB, MiB
from tests.servers import filesystems, policy


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
