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

"""The temporary snapshot of an image in Ceph goes, whatever comes between."""

import io

import pytest

from oslo_image import exception, move
from tests.functional import faulty, images
from tests.functional.images import MiB
from tests.servers import policy

SIZE = 8 * MiB
DATA = images.noise(SIZE)


@pytest.fixture
def source(pools):
    """The URI of an image without a snapshot."""
    return pools.images.make('image', SIZE, {0: DATA})


def librbd(monkeypatch, create_snap):
    """Let librbd make a snapshot so; it gets the real way first."""
    rbd = policy.imported('rbd')
    real = rbd.Image

    class Other:
        def __init__(self, *arguments, **options):
            self._image = real(*arguments, **options)

        def __getattr__(self, name):
            return getattr(self._image, name)

        def create_snap(self, name):
            create_snap(self._image.create_snap, name, rbd)

    monkeypatch.setattr(rbd, 'Image', Other)


def copied(pools, source, **options):
    target = io.BytesIO()
    move.Mover(source, {**pools.config, **options}).copy(target)
    return target.getvalue()


def test_interrupted(pools, source, monkeypatch):
    """Ctrl-C is seen when librbd has returned."""

    def create(real, name, rbd):
        real(name)
        raise KeyboardInterrupt

    librbd(monkeypatch, create)
    with pytest.raises(KeyboardInterrupt):
        copied(pools, source)
    monkeypatch.undo()
    assert pools.images.state() == ['image']


@pytest.mark.parametrize('done', [True, False])
def test_answer_is_lost(pools, source, monkeypatch, done):
    """It is asked for once more, and may be there by then."""
    made = []

    def create(real, name, rbd):
        if done or made:
            real(name)
        if not made:
            made.append(name)
            raise rbd.OSError('the answer is lost', errno=110)

    librbd(monkeypatch, create)
    assert copied(pools, source) == DATA
    monkeypatch.undo()
    assert pools.images.state() == ['image']


def test_no_answer_comes(pools, source, monkeypatch):
    def create(real, name, rbd):
        try:
            real(name)
        finally:
            raise rbd.OSError('the answer is lost', errno=110)

    librbd(monkeypatch, create)
    with pytest.raises(exception.SourceUnavailable, match='in time'):
        copied(pools, source)
    monkeypatch.undo()
    assert pools.images.state() == ['image']


@pytest.mark.parametrize('way', ['renamed', 'to the trash'])
def test_image_goes_away(pools, source, way):
    rbd = policy.imported('rbd').RBD()

    def action():
        if way == 'renamed':
            rbd.rename(pools.images.ioctx, 'image', 'renamed')
        else:
            rbd.trash_move(pools.images.ioctx, 'image', 0)

    with pytest.raises(exception.SourceChanged, match='removed or replaced'):
        move.Mover(source, pools.config).copy(
            io.BytesIO(), progress=faulty.once(action)
        )
    if way == 'renamed':
        assert pools.images.state() == ['renamed']
        return
    (one,) = rbd.trash_list(pools.images.ioctx)
    rbd.trash_restore(pools.images.ioctx, one['id'], 'image')
    assert pools.images.state() == ['image']


def test_no_further_snapshot_is_allowed(pools, source):
    with pools.images.open('image') as image:
        image.create_snap('own')
        image.set_snap_limit(1)
    with pytest.raises(exception.SourceError, match='no further') as caught:
        copied(pools, source)
    assert caught.value.side == 'source'
    assert not isinstance(caught.value, exception.NoSpace)
    assert copied(pools, source, rbd_read_unpinned=True) == DATA
    assert pools.images.state() == ['image', 'image@own']
