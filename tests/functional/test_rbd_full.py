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

"""A pool that becomes full in the middle of a copy: an error, and no more."""

import errno
import io
import time

import pytest

from oslo_image import exception
from tests.functional import clusters, images
from tests.functional.images import MiB

SIZE = 48 * MiB


@pytest.fixture
def cluster(ceph):
    with clusters.watched(ceph) as seen:
        yield seen


@pytest.fixture
def pool(cluster, tmp_path):
    """A pool of the test's own."""
    cluster.server.pool(tmp_path.name)
    yield tmp_path.name
    cluster.server.ceph(
        *('osd', 'pool', 'delete', tmp_path.name, tmp_path.name),
        '--yes-i-really-really-mean-it',
    )


@pytest.fixture
def source(tmp_path):
    """A file without holes."""
    data = {at: images.noise(MiB, at) for at in range(0, SIZE, MiB)}
    return images.make(tmp_path / 'source', SIZE, data)


def is_full(error, state='untouched'):
    """Check all that an error has to say of a full pool."""
    assert error.errno in (errno.EDQUOT, errno.ENOSPC)
    assert error.side == 'destination'
    assert error.destination_state == state
    assert 'full' in str(error) or 'quota' in str(error)
    assert not getattr(error, '__notes__', None)


@pytest.mark.parametrize('trash', [False, True])
def test_in_the_middle(cluster, pool, source, trash):
    """In a pool that never had a trash librbd cannot remove an image."""
    if trash:
        with cluster.pool(pool) as ioctx:
            cluster.rbd.RBD().create(ioctx, 'first', MiB)
            cluster.rbd.RBD().remove(ioctx, 'first')
    cluster.server.set_quota(pool, 8 * MiB)
    began = time.monotonic()

    with pytest.raises(exception.NoSpace) as caught:
        # Slowly enough for the cluster to notice.
        cluster.mover(images.uri(source)).copy(
            cluster.writer(cluster.uri(pool, 'disk')), rate_limit=12 * MiB
        )

    is_full(caught.value)
    assert time.monotonic() - began < 20
    assert cluster.names(pool) == []
    assert source.stat().st_size == SIZE


def test_from_the_beginning(cluster, pool, tmp_path):
    """Not even a clone has room; what was there stays as it was."""
    parts = {0: images.noise(2 * MiB)}
    disk = cluster.make(pool, 'disk', 8 * MiB, parts)
    parts = {MiB: b'new', 5 * MiB: images.noise(MiB)}
    origin = cluster.make('images', tmp_path.name, 8 * MiB, parts, 'snap')
    with cluster.image('images', tmp_path.name) as image:
        image.protect_snap('snap')
    fill(cluster, pool)
    old = cluster.read(pool, 'disk')

    def refused(uri, state, **options):
        with pytest.raises(exception.NoSpace) as caught:
            cluster.mover(origin).copy(cluster.writer(uri, **options))
        is_full(caught.value, state)

    clone = cluster.uri(pool, 'clone')
    refused(clone, 'untouched')
    refused(disk, 'untouched', if_exists='replace')
    assert cluster.read(pool, 'disk') == old
    # A clean no, where nothing but a clone will do.
    result = cluster.mover(origin).copy(
        cluster.writer(clone), zero_copy='require'
    )
    assert tuple(result) == (False, 0)
    assert cluster.names(pool) == ['disk']
    refused(disk, 'modified', if_exists='in_place')

    # Reading goes on, but for a snapshot there is no room either.
    with pytest.raises(exception.SourceError, match='pool is full') as caught:
        cluster.mover(cluster.uri(pool, 'disk')).copy(io.BytesIO())
    assert caught.value.side == 'source'
    assert cluster.marked(pool) == []
    cluster.clear(tmp_path.name)


def test_at_the_end(cluster, pool, source):
    """A snapshot made then could not be opened; it gets no name."""

    def progress(done, total):
        if done == total:
            fill(cluster, pool)

    with pytest.raises(exception.NoSpace) as caught:
        cluster.mover(images.uri(source)).copy(
            cluster.writer(cluster.uri(pool, 'image', 'snap')),
            progress=progress,
        )
    is_full(caught.value)
    assert cluster.names(pool) == []


def fill(cluster, pool):
    """Let a pool reach its quota, and wait until that is known."""
    cluster.server.set_quota(pool, MiB)
    deadline = time.monotonic() + 20
    while not cluster.server.is_full(pool):
        assert time.monotonic() < deadline
