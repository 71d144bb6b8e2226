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

"""Clients shut out and OSDs that go away, in the middle of a copy."""

import errno
import os
import threading
import time

import pytest

from oslo_image import exception, stores
from oslo_image.stores.rbd import connection
from tests.functional import clusters, faulty, images
from tests.functional.images import GiB, KiB, MiB

SIZE = 48 * MiB


@pytest.fixture
def source(tmp_path):
    return clusters.file_of(tmp_path / 'source', SIZE)


def only_connection():
    """Return the one connection that the store has."""
    (found,) = connection._OPEN.values()
    return found


def shut_out(cluster):
    """Let the cluster shut the store's client out."""
    cluster.server.blocklist(only_connection().cluster.get_addrs())


@pytest.mark.parametrize('if_exists', ['fail', 'replace', 'in_place'])
def test_writer_shut_out(cluster, source, tmp_path, if_exists):
    """It fails at once, and a new connection takes all back."""
    target = cluster.uri('vms', tmp_path.name)
    old = images.noise(MiB, 7) + bytes(SIZE - MiB)
    if if_exists != 'fail':
        cluster.make('vms', tmp_path.name, SIZE, {0: old[:MiB]})
    mover = cluster.mover(images.uri(source))
    began = time.monotonic()

    with pytest.raises(exception.DestinationError, match='shut') as caught:
        mover.copy(
            cluster.writer(target, if_exists=if_exists),
            progress=faulty.once(lambda: shut_out(cluster)),
        )

    assert time.monotonic() - began < 10
    assert caught.value.errno == errno.ESHUTDOWN
    assert caught.value.side == 'destination'
    assert caught.value.temporary
    assert not getattr(caught.value, '__notes__', None)
    if if_exists == 'in_place':
        assert caught.value.destination_state == 'modified'
    else:
        assert caught.value.destination_state == 'untouched'
    if if_exists == 'replace':
        assert cluster.read('vms', tmp_path.name) == old
    elif if_exists == 'fail':
        assert tmp_path.name not in cluster.names('vms')
    assert cluster.marked() == []

    mover.copy(cluster.writer(target, if_exists=if_exists))
    assert cluster.read('vms', tmp_path.name) == source.read_bytes()
    assert not only_connection().broken


@pytest.mark.parametrize('snapshot', ['snap', None])
@pytest.mark.parametrize('strategy', ['parallel', 'stream'])
def test_reader_shut_out(cluster, tmp_path, snapshot, strategy):
    """It reads on, at the same snapshot, by a new connection."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts, snapshot)
    target = tmp_path / 'target'
    first = []

    def action():
        first.append(only_connection())
        shut_out(cluster)

    result = cluster.mover(origin, retry_pause=0.05).copy(
        clusters.file_writer(target),
        progress=faulty.once(action),
        disabled=images.all_but(strategy),
        rate_limit=64 * MiB,
    )

    assert result.strategy == strategy
    assert target.read_bytes() == clusters.content(SIZE, parts)
    assert first[0].broken
    assert only_connection() is not first[0]
    assert cluster.marked() == []


def test_reader_shut_out_and_the_snapshot_gone(cluster, tmp_path):
    """Other bits under the same name are never taken for the image's."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts, 'snap')

    def action():
        with cluster.image('images', tmp_path.name) as image:
            image.remove_snap('snap')
            image.write(b'other', 0)
            image.create_snap('snap')
        shut_out(cluster)

    with pytest.raises(exception.SourceChanged) as caught:
        cluster.mover(origin).copy(
            clusters.file_writer(tmp_path / 'target'),
            progress=faulty.once(action),
            rate_limit=64 * MiB,
        )
    assert caught.value.side == 'source'
    assert caught.value.destination_state == 'untouched'
    assert not (tmp_path / 'target').exists()


def test_reader_shut_out_of_a_large_image(cluster, tmp_path):
    """Its extents are asked for in parts, some of them afterwards."""
    size = 10 * GiB
    parts = {
        at: images.noise(64 * KiB, seed)
        for seed, at in enumerate(
            (*range(0, SIZE, MiB), 5 * GiB, 9 * GiB, size - 64 * KiB)
        )
    }
    origin = cluster.make('images', tmp_path.name, size, parts, 'snap')
    target = tmp_path / 'target'

    cluster.mover(origin, retry_pause=0.05).copy(
        clusters.file_writer(target),
        progress=faulty.once(lambda: shut_out(cluster)),
    )

    assert os.stat(target).st_size == size
    with target.open('rb') as file:
        for at, data in parts.items():
            file.seek(at)
            assert file.read(len(data)) == data


def test_reader_shut_out_after_the_last_byte(cluster, tmp_path):
    """Whether the source has changed is asked for by a new connection."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts)
    target = tmp_path / 'target'

    def progress(done, total):
        if done == total:
            shut_out(cluster)

    cluster.mover(origin).copy(clusters.file_writer(target), progress=progress)

    assert target.read_bytes() == clusters.content(SIZE, parts)
    assert cluster.marked() == []


@pytest.mark.parametrize('what', ['reader', 'writer', 'deleting'])
def test_shut_out_while_nobody_uses_it(cluster, source, tmp_path, what):
    """Who comes next finds that, and connects anew."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts, 'snap')
    target = tmp_path / 'target'
    cluster.mover(origin).copy(clusters.file_writer(target))
    shut_out(cluster)
    first = only_connection()

    if what == 'reader':
        other = tmp_path / 'other'
        cluster.mover(origin).copy(clusters.file_writer(other))
        assert other.read_bytes() == target.read_bytes()
    elif what == 'writer':
        uri = cluster.uri('vms', tmp_path.name)
        cluster.mover(images.uri(source)).copy(cluster.writer(uri))
        assert cluster.read('vms', tmp_path.name) == source.read_bytes()
    else:
        stores.delete(origin, cluster.config)
        assert tmp_path.name not in cluster.names('images')

    assert only_connection() is not first


def test_other_bits_are_never_read(cluster, tmp_path):
    """Who reads on by hand after the error gets it again."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts, 'snap')
    with stores.open_source(origin, cluster.config) as source:
        with cluster.image('images', tmp_path.name) as image:
            image.remove_snap('snap')
            image.write(b'other', 0)
            image.create_snap('snap')
        shut_out(cluster)
        with pytest.raises(exception.SourceUnavailable):
            list(_all_of(source))
        for _ in range(2):
            with pytest.raises(exception.SourceChanged):
                list(_all_of(source))


def _all_of(source):
    reader = source.open_stream()
    buffer = memoryview(bytearray(MiB))
    try:
        while count := reader.readinto(buffer):
            yield bytes(buffer[:count])
    finally:
        reader.close()


def test_both_ends_shut_out(cluster, tmp_path):
    """The connection is one; the error is the destination's."""
    origin = cluster.make(
        'images', tmp_path.name, SIZE, clusters.pieces(SIZE), 'snap'
    )
    with pytest.raises(exception.DestinationError, match='shut'):
        cluster.mover(origin).copy(
            cluster.writer(cluster.uri('vms', tmp_path.name)),
            progress=faulty.once(lambda: shut_out(cluster)),
            rate_limit=64 * MiB,
            disabled=['rbd_clone'],
        )
    assert tmp_path.name not in cluster.names('vms')


def test_osd_comes_back(cluster, source, tmp_path):
    """After twenty seconds; copies in both directions are right."""
    parts = clusters.pieces(SIZE, 3)
    origin = cluster.make('images', tmp_path.name, SIZE, parts, 'snap')
    target = tmp_path / 'target'
    down = threading.Event()
    begun = [threading.Event(), threading.Event()]
    raised = []

    def copy(number, uri, writer):
        def progress(done, total):
            begun[number].set()
            assert down.wait(30)

        try:
            cluster.mover(uri).copy(writer, progress=progress)
        except exception.ImageError as error:
            raised.append(error)

    threads = [
        threading.Thread(target=copy, args=arguments)
        for arguments in (
            (0, origin, clusters.file_writer(target)),
            (
                1,
                images.uri(source),
                cluster.writer(cluster.uri('vms', tmp_path.name)),
            ),
        )
    ]
    for thread in threads:
        thread.start()
    for one in begun:
        assert one.wait(30)
    cluster.server.osd.stop()
    try:
        down.set()
        threads[0].join(10)
        threads[1].join(10)
        assert all(thread.is_alive() for thread in threads)
    finally:
        cluster.server.osd.start()
    for thread in threads:
        thread.join(60)

    assert raised == []
    assert target.read_bytes() == clusters.content(SIZE, parts)
    assert cluster.read('vms', tmp_path.name) == source.read_bytes()
