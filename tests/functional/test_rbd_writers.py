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


"""Writers into Ceph, by hand, open images and random layouts."""

import os
import unittest.mock
import uuid
import warnings

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image import exception, move, stores
from tests import properties
from tests.functional import images
from tests.functional.images import KiB, MiB
from tests.servers import policy

DATA = images.noise(9 * MiB + 5)


class TestByHand:
    @pytest.mark.parametrize('snapshot', ['', 'snap'])
    @pytest.mark.parametrize('size', [None, len(DATA)])
    def test_write_and_commit(self, pools, snapshot, size):
        uri = pools.images.uri('image', snapshot)

        with stores.open_writer(uri, pools.config, size=size) as writer:
            for at in range(0, len(DATA), 1_000_003):
                writer.write(DATA[at : at + 1_000_003])
            assert 'image' not in pools.images.state()
            location = writer.commit()

        assert location.reveal() == uri
        assert pools.images.read('image') == DATA
        assert pools.images.state() == (
            ['image', 'image@snap'] if snapshot else ['image']
        )

    @pytest.mark.parametrize('length', [0, 1, len(DATA)])
    def test_leaving_leaves_nothing(self, pools, length):
        uri = pools.images.uri('image', 'snap')

        with stores.open_writer(uri, pools.config) as writer:
            writer.write(DATA[:length])

        assert pools.images.state() == []

    def test_form(self, pools):
        """What is copied is as it was asked for, as a clone is."""
        rbd = policy.imported('rbd')
        uri = pools.vms.uri('disk')

        with stores.open_writer(
            uri,
            pools.config,
            order=20,
            features=rbd.RBD_FEATURE_LAYERING,
            data_pool='volumes',
            disk_size=16 * MiB,
        ) as writer:
            writer.write(DATA)
            writer.commit()

        info = pools.vms.info('disk')
        assert info['order'] == 20
        assert info['features'] == ['layering', 'data-pool']
        assert info['data_pool'] == 'volumes'
        assert info['size'] == 16 * MiB
        content = pools.vms.read('disk')
        assert content == DATA + bytes(16 * MiB - len(DATA))

    def test_glance_image(self, pools):
        """Its objects are as large as Glance makes them."""
        config = {**pools.config, 'rbd_store_chunk_size': 16}
        uri = pools.images.uri('image', 'snap')

        with stores.open_writer(uri, config) as writer:
            writer.write(DATA)
            writer.commit()

        assert pools.images.info('image')['order'] == 24
        with pools.images.open('image') as image:
            assert image.is_protected_snap('snap')

    def test_pool_of_the_options(self, pools):
        config = {**pools.config, 'rbd_store_pool': 'volumes'}

        with stores.open_writer('rbd://disk', config) as writer:
            writer.write(DATA)
            location = writer.commit()

        assert location.reveal() == pools.volumes.uri('disk')
        assert pools.volumes.read('disk') == DATA
        assert stores.stat('rbd://disk', config).size == len(DATA)

    def test_unknown_option(self, pools):
        with pytest.raises(exception.InvalidOption, match='data_pool'):
            stores.open_writer(
                pools.images.uri('image'), pools.config, objectsize=1
            )


@pytest.fixture(scope='module')
def brick():
    """os-brick's module of Ceph; what it imports warns."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        from os_brick.initiator import linuxrbd
    return linuxrbd


@pytest.fixture(params=['image', 'volume'])
def wrap(request, brick, pools):
    """Wrap an open image as Cinder's driver does, or its RBDVolume."""
    conf = os.fspath(pools.cluster.conf)

    def wrapped(image):
        if request.param == 'volume':
            volume = object.__new__(brick.RBDVolume)
            volume.image, volume.name = image, 'disk'
            image = volume
        return brick.RBDVolumeIOWrapper(
            brick.RBDImageMetadata(image, 'vms', 'admin', conf)
        )

    return wrapped


class TestOpenImage:
    OLD = images.noise(12 * MiB, 5)

    @pytest.fixture
    def disk(self, pools):
        pools.vms.make('disk', len(self.OLD), {0: self.OLD}, 'kept')
        with pools.vms.open('disk') as image:
            yield image

    @pytest.fixture
    def source(self, tmp_path):
        return images.holey(tmp_path / 'source', 8 * MiB)

    def test_image(self, pools, disk, source):
        result = move.Mover(images.uri(source)).copy(disk)

        assert tuple(result) == (True, 8 * MiB)
        assert result.strategy == 'parallel'
        assert disk.read(0, 12 * MiB) == (
            source.read_bytes() + self.OLD[8 * MiB :]
        )
        assert pools.vms.read('disk', 'kept') == self.OLD

    def test_image_is_never_a_clone(self, pools, disk):
        source = pools.images.make('i', 8 * MiB, {0: DATA[:MiB]}, 'snap')

        result = move.Mover(source, pools.config).copy(disk)

        assert result.strategy == 'parallel'
        assert disk.read(0, 8 * MiB) == DATA[:MiB] + bytes(7 * MiB)

    @pytest.mark.parametrize('start', [0, 512, 3 * MiB + 1])
    def test_wrapper(self, disk, source, start, wrap):
        wrapper = wrap(disk)
        wrapper.seek(start)

        result = move.Mover(images.uri(source)).copy(wrapper)

        assert tuple(result) == (True, 8 * MiB)
        assert result.strategy == 'parallel'
        assert wrapper.tell() == start + 8 * MiB
        assert disk.read(0, 12 * MiB) == (
            self.OLD[:start]
            + source.read_bytes()
            + self.OLD[start + 8 * MiB :]
        )

    def test_what_forwards_all_to_an_image(self, disk, source, brick):
        volume = object.__new__(brick.RBDVolume)
        volume.image = disk

        result = move.Mover(images.uri(source)).copy(volume)

        assert result.strategy == 'parallel'
        assert disk.read(0, 8 * MiB) == source.read_bytes()

    def test_what_answers_to_every_name_is_none(self, source):
        mock = unittest.mock.MagicMock()
        mock.closed, mock.encoding = False, None
        del mock.encoding, mock.fileno, mock.raw
        mock.write.side_effect = len

        result = move.Mover(images.uri(source)).copy(mock)

        assert result.strategy == 'stream'
        assert mock.write.called

    @pytest.mark.parametrize('wrapped', [True, False])
    def test_too_small(self, disk, tmp_path, wrapped, wrap):
        source = images.make(tmp_path / 'source', 13 * MiB, {})
        writer = wrap(disk) if wrapped else disk

        with pytest.raises(exception.NoSpace) as caught:
            move.Mover(images.uri(source)).copy(writer)

        assert caught.value.destination_state == 'untouched'
        assert disk.read(0, 12 * MiB) == self.OLD

    def test_failure_is_told(self, disk, source, wrap):
        """The position is as before; the bytes are not."""
        wrapper = wrap(disk)
        wrapper.seek(512)

        class Boom(Exception):
            pass

        def progress(done, total):
            raise Boom

        with pytest.raises(Boom):
            move.Mover(images.uri(source)).copy(wrapper, progress=progress)

        assert wrapper.tell() == 512
        assert disk.size() == len(self.OLD)


@hypothesis.settings(
    max_examples=8,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    layout=properties.layouts,
    shift=st.sampled_from([0, 1, 4 * MiB - 100_000]),
    order=st.sampled_from([None, 16, 22]),
    in_place=st.booleans(),
)
@hypothesis.example([(64 * KiB, False), (1, True)], 0, 16, True)
def test_any_layout(pools, tmp_path, layout, shift, order, in_place):
    """Data and holes are the same there, back, and in a second image."""
    layout = [(shift, True), *layout] if shift else layout
    name = uuid.uuid4().hex
    source, back = tmp_path / f'{name}.1', tmp_path / f'{name}.2'
    content = properties.make_source(os.fspath(source), layout)
    disk, other = pools.vms.uri(name), pools.volumes.uri(name)
    options = {'order': order}
    if in_place:
        pools.vms.make(name, len(content), {0: images.noise(len(content))})
        options = {'if_exists': 'in_place'}

    pools.copy(images.uri(source), disk, **options)
    pools.copy(disk, images.uri(back))
    pools.copy(disk, other)

    assert pools.vms.read(name) == content
    assert back.read_bytes() == content
    assert pools.volumes.read(name) == content
    assert images.allocated(back) <= images.allocated(source) + 128 * KiB
    with pools.volumes.open(name) as image:
        runs = []
        image.diff_iterate(
            0, image.size(), None, lambda at, n, _: runs.append((at, n))
        )
    assert sum(n for _, n in runs) <= len(content)
    for path in (source, back):
        path.unlink()
    pools.clean()
