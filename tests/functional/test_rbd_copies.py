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


"""Bytes from and to images in Ceph: sizes and digests."""

import hashlib
import io
import os

import pytest

from oslo_image import exception, move
from tests.functional import images
from tests.functional.images import MiB

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
