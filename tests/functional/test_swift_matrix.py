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
"""Images to Swift and back: every kind of other end, every boundary, holes."""

import io

import pytest

from oslo_image import move, stores
from tests.functional import buckets, images
from tests.functional.images import MiB
from tests.servers import filesystems, policy

#: What a segment has, and what an S3 part has.
SEGMENT = MiB
PART = buckets.PART
SIZES = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 7]
PARTS = [PART - 1, PART, PART + 1]
FEW = [1, SEGMENT, 3 * SEGMENT + 7]
SECTOR = 512
KINDS = ('dense', 'sparse')


def content(size, kind):
    """Return an image's bytes; a sparse one has data at both ends."""
    data = images.noise(size, size)
    if kind == 'dense':
        return data
    return data[:4096] + bytes(max(0, size - 8192)) + data[4096:][-4096:]


def pieces(data):
    """Return what of an image is not zeros."""
    return {
        at: data[at : at + 4096]
        for at in range(0, len(data), 4096)
        if any(data[at : at + 4096])
    }


def check(box, data):
    """See that the object is right, and of which segments it is."""
    assert box.get('image') == data
    parts = [data[at : at + SEGMENT] for at in range(0, len(data), SEGMENT)]
    names = {
        f'image:{number:08}' if any(part) else f'image:zeros-{len(part)}'
        for number, part in enumerate(parts, 1)
    }
    whole = len(parts) < 2
    assert box.names() == sorted({'image', *([] if whole else names)})


def write(box, data):
    with stores.open_writer(box.uri('image'), box.config) as writer:
        writer.write(data)
        writer.commit()


def through_s3(box, bucket, size, kind):
    data = content(size, kind)
    config = {**bucket.config, **box.config}
    bucket.put('source', data)
    with stores.open_writer(box.uri('image'), config) as writer:
        there = move.Mover(bucket.uri('source'), config).copy(writer)
    assert (there.size, there.strategy) == (size, 'parallel')
    check(box, data)

    with stores.open_writer(bucket.uri('back'), config) as writer:
        back = move.Mover(box.uri('image'), config).copy(writer)

    assert (back.size, back.strategy) == (size, 'parallel')
    assert bucket.read('back') == data


class Matrix:
    """Each other end, for a ``box``."""

    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize('seen', [False, True], ids=['sendfile', 'memory'])
    def test_file(self, box, tmp_path, size, kind, seen):
        data = content(size, kind)
        path = images.make(tmp_path / 'image', size, pieces(data))
        with stores.open_writer(box.uri('image'), box.config) as writer:
            there = move.Mover(images.uri(path)).copy(
                writer, verify='always' if seen else 'never'
            )
        assert tuple(there) == (True, size)
        check(box, data)

        back = box.fetch('image', tmp_path / 'target')

        assert tuple(back) == (True, size)
        assert (tmp_path / 'target').read_bytes() == data
        if kind == 'sparse' and size > 2 * SEGMENT:
            assert images.allocated(tmp_path / 'target') <= 2 * SEGMENT

    @pytest.mark.parametrize('kind', KINDS)
    def test_unknown_size(self, box, size, kind):
        """To any writer, too, which knows none."""
        data = content(size, kind)
        mover = move.Mover('data', data=lambda: io.BytesIO(data))
        with stores.open_writer(box.uri('image'), box.config) as writer:
            assert tuple(mover.copy(writer)) == (True, size)
        assert box.get('image') == data

        sink = io.BytesIO()
        back = move.Mover(box.uri('image'), box.config).copy(sink)

        assert (back.strategy, sink.getvalue() == data) == ('stream', True)

    @pytest.mark.parametrize('kind', KINDS)
    def test_block_device(self, box, tmp_path, size, kind):
        """Of whole sectors, and with old bytes where the copy goes."""
        size = max(SECTOR, -(-size // SECTOR) * SECTOR)
        data = content(size, kind)
        with policy.provided(filesystems.loop_device(size, tmp_path)) as path:
            path.write_bytes(data)
            with stores.open_writer(box.uri('image'), box.config) as writer:
                there = move.Mover(images.uri(path)).copy(writer)
        assert there.size == size
        check(box, data)

        with policy.provided(
            filesystems.loop_device(size + MiB, tmp_path)
        ) as path:
            path.write_bytes(b'\xee' * (size + MiB))
            with path.open('r+b') as device:
                back = move.Mover(box.uri('image'), box.config).copy(device)
            assert back.strategy == 'parallel'
            assert path.read_bytes() == data + b'\xee' * MiB

    @pytest.mark.parametrize('kind', KINDS)
    def test_rbd(self, box, pools, size, kind):
        data = content(size, kind)
        config = {**pools.config, **box.config}
        source = pools.images.make('image', size, pieces(data), 'snap')
        with stores.open_writer(box.uri('image'), config) as writer:
            there = move.Mover(source, config).copy(writer)
        assert (there.size, there.strategy) == (size, 'parallel')
        check(box, data)

        with stores.open_writer(pools.vms.uri('disk'), config) as writer:
            back = move.Mover(box.uri('image'), config).copy(writer)

        assert (back.size, back.strategy) == (size, 'parallel')
        assert pools.vms.read('disk') == data

    @pytest.mark.parametrize('kind', KINDS)
    def test_s3(self, box, bucket, size, kind):
        through_s3(box, bucket, size, kind)

    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize('known', [True, False])
    def test_swift(self, box, size, kind, known):
        """By the cluster, and by hand."""
        data = content(size, kind)
        with stores.open_writer(
            box.uri('image'), box.config, size=size if known else None
        ) as writer:
            writer.write(data)
            writer.commit()

        for name, off in (('copy', ()), ('moved', ('swift_copy',))):
            with stores.open_writer(box.uri(name), box.config) as writer:
                done = move.Mover(box.uri('image'), box.config).copy(
                    writer, disabled=off
                )
            assert done.size == size
            assert box.get(name) == data


@pytest.mark.parametrize('size', SIZES)
class TestTempauth(Matrix):
    @pytest.fixture
    def box(self, swift_box):
        return swift_box


@pytest.mark.parametrize('size', FEW)
class TestRgw(Matrix):
    @pytest.fixture
    def box(self, rgw_box):
        return rgw_box


@pytest.mark.parametrize('size', FEW)
class TestKeystone(Matrix):
    @pytest.fixture
    def box(self, keystone_box):
        return keystone_box


class TestClusters:
    """Between the two that speak Swift, each with credentials of its own."""

    @pytest.mark.parametrize('size', SIZES)
    @pytest.mark.parametrize('kind', KINDS)
    def test_there_and_back(self, swift_box, rgw_box, size, kind):
        data = content(size, kind)
        write(swift_box, data)
        backends = {'enabled_backends': {'one': 'swift', 'two': 'swift'}}
        for name, box in (('one', swift_box), ('two', rgw_box)):
            backends[name] = {**box.config, 'default_swift_reference': name}

        def uri(name, box, object_name):
            return f'swift+config://{name}/{box.name}/{object_name}'

        for source, target in (
            (uri('one', swift_box, 'image'), uri('two', rgw_box, 'image')),
            (uri('two', rgw_box, 'image'), uri('one', swift_box, 'back')),
        ):
            with stores.open_writer(target, backends) as writer:
                done = move.Mover(source, backends).copy(writer)
            assert (done.size, done.strategy) == (size, 'parallel')

        check(rgw_box, data)
        assert swift_box.get('back') == data


class TestPartsOfS3:
    """Where a part of the other end is at its limit."""

    @pytest.mark.parametrize('size', PARTS)
    @pytest.mark.parametrize('kind', KINDS)
    def test_there_and_back(self, swift_box, bucket, size, kind):
        through_s3(swift_box, bucket, size, kind)

    @pytest.mark.parametrize('size', FEW)
    @pytest.mark.parametrize('kind', KINDS)
    def test_rclone(self, swift_box, rclone_s3, tmp_path, size, kind):
        name = tmp_path.name.replace('_', '-').lower()
        with buckets.made(rclone_s3, rclone_s3, name) as bucket:
            through_s3(swift_box, bucket, size, kind)
