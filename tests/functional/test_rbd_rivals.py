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

"""Others change an image in Ceph while it is copied, or need what is there."""

import pytest

from oslo_image import exception
from tests.functional import clusters, faulty, images
from tests.functional.images import MiB

SIZE = 24 * MiB


@pytest.fixture
def source(tmp_path):
    return clusters.file_of(tmp_path / 'source', SIZE)


@pytest.mark.parametrize('removed', ['snapshot', 'image'])
def test_source_removed(cluster, tmp_path, removed):
    """What the snapshot held reads as zeros then: never a success."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts, 'snap')
    target = tmp_path / 'target'

    def remove():
        if removed == 'image':
            cluster.remove('images', tmp_path.name)
            return
        with cluster.image('images', tmp_path.name) as image:
            image.remove_snap('snap')

    with pytest.raises(exception.SourceChanged) as caught:
        cluster.mover(origin).copy(
            clusters.file_writer(target),
            progress=faulty.once(remove),
            rate_limit=32 * MiB,
        )
    assert caught.value.side == 'source'
    assert caught.value.destination_state == 'untouched'
    assert not target.exists()


def test_source_resized(cluster, tmp_path):
    """Between plan and copy, where no snapshot is named."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts)
    target = tmp_path / 'target'

    def resize(notice):
        with cluster.image('images', tmp_path.name) as image:
            if image.size() == SIZE:
                image.resize(SIZE + MiB)

    with pytest.raises(exception.SourceChanged, match='bytes') as caught:
        cluster.mover(origin).copy(clusters.file_writer(target), notify=resize)
    assert caught.value.side == 'source'
    assert not target.exists()
    assert cluster.snapshots('images', tmp_path.name) == []


def test_source_written_to(cluster, tmp_path):
    """The copy has the bits of the moment when it began."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts)
    target = tmp_path / 'target'

    def write():
        with cluster.image('images', tmp_path.name) as image:
            image.write(images.noise(MiB, 99), SIZE - MiB)
            image.resize(SIZE // 2)

    cluster.mover(origin).copy(
        clusters.file_writer(target),
        progress=faulty.once(write),
        rate_limit=32 * MiB,
    )
    assert target.read_bytes() == clusters.content(SIZE, parts)
    assert cluster.snapshots('images', tmp_path.name) == []


def test_another_was_first(cluster, source, tmp_path):
    uri = cluster.uri('vms', tmp_path.name)
    with pytest.raises(exception.DestinationExists) as caught:
        cluster.mover(images.uri(source)).copy(
            cluster.writer(uri),
            progress=faulty.once(
                lambda: cluster.make('vms', tmp_path.name, MiB, {0: b'other'})
            ),
        )
    assert caught.value.destination_state == 'untouched'
    assert cluster.read('vms', tmp_path.name)[:5] == b'other'
    assert cluster.marked() == []


def test_replaced_at_the_commit(cluster, source, tmp_path):
    uri = cluster.uri('vms', tmp_path.name)
    old = images.noise(MiB)
    cluster.make('vms', tmp_path.name, MiB, {0: old})
    seen = []

    cluster.mover(images.uri(source)).copy(
        cluster.writer(uri, if_exists='replace'),
        progress=lambda *done: seen.append(
            cluster.read('vms', tmp_path.name) == old
        ),
    )
    assert seen
    assert all(seen)
    assert cluster.read('vms', tmp_path.name) == source.read_bytes()


def test_a_glance_image_is_replaced(cluster, source, tmp_path):
    """Its snapshot goes with it, protected as it is."""
    uri = cluster.make('images', tmp_path.name, MiB, {0: b'old'}, 'snap')
    with cluster.image('images', tmp_path.name) as image:
        image.protect_snap('snap')
    cluster.mover(images.uri(source)).copy(
        cluster.writer(uri, if_exists='replace')
    )
    found = cluster.read('images', tmp_path.name, 'snap')
    assert found == source.read_bytes()


@pytest.mark.parametrize('late', [False, True])
@pytest.mark.parametrize('needed', ['open', 'cloned', 'snapshots'])
def test_what_is_needed_stays(cluster, source, tmp_path, needed, late):
    """It is as it was, also where somebody comes in the middle."""
    old = images.noise(MiB)
    cluster.make('images', tmp_path.name, MiB, {0: old}, 'snap')
    uri = cluster.uri('images', tmp_path.name, 'snap')
    opened = []

    def need():
        if needed == 'snapshots':
            with cluster.image('images', tmp_path.name) as image:
                image.create_snap('another')
        elif needed == 'open':
            ioctx = cluster.pool('images')
            opened.append(cluster.rbd.Image(ioctx, tmp_path.name))
        else:
            with cluster.image('images', tmp_path.name) as image:
                image.protect_snap('snap')
            with cluster.pool('images') as one, cluster.pool('vms') as other:
                name = f'{tmp_path.name}-clone'
                cluster.rbd.RBD().clone(
                    one, tmp_path.name, 'snap', other, name, features=1
                )

    if not late:
        need()
    moved = []
    try:
        with pytest.raises(exception.InUse) as caught:
            cluster.mover(images.uri(source)).copy(
                cluster.writer(uri, if_exists='replace'),
                progress=lambda *done: moved or moved.append(need()),
            )
        assert bool(moved) == late
        assert caught.value.side == 'destination'
        assert caught.value.destination_state == 'untouched'
        assert cluster.read('images', tmp_path.name, 'snap') == old
        assert cluster.read('images', tmp_path.name) == old
        assert cluster.marked() == []
    finally:
        for image in opened:
            image.close()
        if needed == 'cloned':
            cluster.remove('vms', f'{tmp_path.name}-clone')
