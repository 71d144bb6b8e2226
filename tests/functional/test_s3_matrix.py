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

"""Images to S3 and back: every kind of other end, every boundary, holes."""

import hashlib
import io
import os

import pytest

from oslo_image import move, stores
from oslo_image.stores.s3 import S3Auth
from tests.functional import buckets, images
from tests.functional.buckets import PART
from tests.functional.images import MiB

#: From here on in parts, which is not where a part ends.
WHOLE = 7 * MiB
SIZES = [
    0,
    1,
    PART - 1,
    PART,
    PART + 1,
    WHOLE - 1,
    WHOLE,
    WHOLE + 1,
    2 * PART,
    2 * PART + 1,
]
NOISE = images.noise(2 * PART + 1)
SPARSE = 4 * PART + 12345


def content(size, kind):
    """Return an image's bytes; a sparse one has data in two places."""
    if kind == 'dense':
        return images.noise(size)
    data = bytearray(size)
    data[MiB : MiB + 4096] = NOISE[:4096]
    data[-MiB:] = NOISE[:MiB]
    return bytes(data)


@pytest.fixture(params=['dense', 'sparse'])
def data(request):
    return content(SPARSE, request.param)


@pytest.fixture
def config(bucket):
    return {**bucket.config, 's3_store_large_object_size': 7}


class TestFile:
    @pytest.mark.parametrize('size', SIZES)
    @pytest.mark.parametrize('seen', [False, True], ids=['sendfile', 'memory'])
    def test_sizes(self, faulty, s3_proxy, config, tmp_path, size, seen):
        """There and back; below the limit, by one request.

        What passes through memory is held for it up to the size of a part.
        """
        path = tmp_path / 'source'
        path.write_bytes(NOISE[:size])
        config['s3_store_host'] = faulty.url
        writer = stores.open_writer(faulty.uri('image'), config)
        digest = hashlib.sha256(NOISE[:size]).hexdigest()
        declared = {
            'size': size,
            'os_hash_algo': 'sha256',
            'os_hash_value': digest,
        }
        mover = move.Mover(images.uri(path), image=declared if seen else None)

        there = mover.copy(writer)

        assert tuple(there) == (True, size)
        assert there.verified is seen
        assert faulty.read('image') == NOISE[:size]
        parts = size >= WHOLE or size > PART and seen
        assert bool(s3_proxy.asked('POST')) == parts
        assert s3_proxy.asked('PUT') == (-(-size // PART) if parts else 1)

        back = faulty.fetch(
            'image', stores.open_writer(images.uri(tmp_path / 'target'))
        )

        assert tuple(back) == (True, size)
        assert (tmp_path / 'target').read_bytes() == NOISE[:size]

    def test_holes(self, bucket, tmp_path, data):
        """S3 is sent every zero, and they come back as holes."""
        path = tmp_path / 'source'
        with path.open('wb') as file:
            for at in range(0, len(data), MiB):
                if any(data[at : at + MiB]):
                    os.pwrite(file.fileno(), data[at : at + MiB], at)
            file.truncate(len(data))
        bucket.send(images.uri(path), 'image')
        assert bucket.read('image') == data

        target = tmp_path / 'target'
        bucket.fetch('image', stores.open_writer(images.uri(target)))

        assert target.read_bytes() == data
        if data.count(0) > len(data) // 2:
            assert images.allocated(target) <= 4 * MiB

    @pytest.mark.parametrize('size', [0, 1, PART, WHOLE + 1])
    def test_to_any_writer(self, bucket, size):
        bucket.put('image', NOISE[:size])
        target = io.BytesIO()

        result = move.Mover(bucket.uri('image'), bucket.config).copy(target)

        assert result.strategy == 'stream'
        assert target.getvalue() == NOISE[:size]

    @pytest.mark.parametrize('size', [0, 1, PART, WHOLE + 1])
    def test_of_unknown_size(self, bucket, size):
        """In parts that grow, and nothing is known before the end."""
        mover = move.Mover('unknown', data=lambda: io.BytesIO(NOISE[:size]))

        result = mover.copy(bucket.writer('image'))

        assert tuple(result) == (True, size)
        assert bucket.read('image') == NOISE[:size]
        assert bucket.state() == ['image']


class TestBlockDevice:
    def test_from(self, bucket, block_device, data):
        with block_device.open('r+b') as device:
            device.write(data)

        result = bucket.send(images.uri(block_device), 'image')

        size = block_device.stat().st_size or 64 * MiB
        assert result.size == size
        assert bucket.read('image') == data + bytes(size - len(data))

    def test_to(self, bucket, block_device, data):
        """What was there before is not there after, zeros included."""
        block_device.write_bytes(b'\xee' * 32 * MiB)
        bucket.put('image', data)

        with block_device.open('r+b') as device:
            assert bucket.fetch('image', device).success
            assert device.tell() == len(data)

        with block_device.open('rb') as device:
            assert device.read(len(data)) == data
            assert device.read(MiB) == b'\xee' * MiB

    @pytest.mark.parametrize('size', SIZES)
    def test_sizes(self, bucket, config, block_device, tmp_path, size):
        """To a device, and of as much of it to an object."""
        bucket.put('image', NOISE[:size])

        with block_device.open('r+b') as device:
            assert bucket.fetch('image', device).success
            assert device.tell() == size

        with block_device.open('rb') as device:
            assert device.read(size) == NOISE[:size]
            device.seek(0)
            there = move.Mover(
                'of-a-device',
                config,
                image={'size': size},
                data=lambda: io.BytesIO(device.read(size)),
            )
            writer = stores.open_writer(bucket.uri('copy'), config)
            assert there.copy(writer).success
        assert bucket.read('copy') == NOISE[:size]


class TestRbd:
    def test_there_and_back(self, bucket, pools, data):
        config = {**pools.config, **bucket.config}
        source = pools.images.make('image', len(data), {0: data}, 'snap')

        there = move.Mover(source, config).copy(
            stores.open_writer(bucket.uri('image'), config)
        )

        assert there.strategy == 'parallel'
        assert bucket.read('image') == data

        back = move.Mover(bucket.uri('image'), config).copy(
            stores.open_writer(pools.vms.uri('disk'), config)
        )

        assert back.strategy == 'parallel'
        assert pools.vms.read('disk') == data

    @pytest.mark.parametrize('size', SIZES)
    def test_sizes(self, bucket, config, pools, size):
        """There and back."""
        config = {**pools.config, **config}
        pieces = {0: NOISE[:size]} if size else {}
        source = pools.images.make('image', size, pieces, 'snap')

        there = move.Mover(source, config).copy(
            stores.open_writer(bucket.uri('image'), config)
        )

        assert tuple(there) == (True, size)
        assert bucket.read('image') == NOISE[:size]

        back = move.Mover(bucket.uri('image'), config).copy(
            stores.open_writer(pools.vms.uri('disk'), config)
        )

        assert tuple(back) == (True, size)
        assert pools.vms.read('disk') == NOISE[:size]


class TestRclone:
    """The other server, by the same code."""

    @pytest.fixture
    def other(self, rclone_s3, tmp_path):
        name = tmp_path.name.replace('_', '-').lower()
        with buckets.made(rclone_s3, rclone_s3, name) as own:
            yield own

    @pytest.mark.parametrize('size', [*SIZES, SPARSE])
    def test_there_and_back(self, other, bucket, size):
        """Between two servers, each with keys of its own."""
        data = content(size, 'sparse') if size == SPARSE else NOISE[:size]
        other.put('image', data)
        auth = S3Auth(*other.keys)

        there = move.Mover(other.uri('image'), other.config).copy(
            bucket.writer('image')
        )

        assert there.strategy == 'parallel'
        assert bucket.read('image') == data

        back = move.Mover(bucket.uri('image'), bucket.config).copy(
            stores.open_writer(other.uri('copy'), auth=auth)
        )

        assert back.success
        assert other.read('copy') == data
