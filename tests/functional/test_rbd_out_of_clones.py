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

"""Bytes copied out of a clone: its own, and those that its parent holds."""

import pytest

from oslo_image import stores
from tests.functional import images
from tests.functional.images import KiB, MiB
from tests.servers import policy

SIZE = 40 * MiB
NOISE = images.noise(2 * MiB)
PARENT = {
    0: NOISE[:MiB],
    5 * MiB + 512: NOISE[: MiB + 7],
    13 * MiB: NOISE[: 100 * KiB],
    24 * MiB: NOISE,
    36 * MiB: NOISE[: 64 * KiB],
}
AVOID = {'zero_copy': 'avoid'}


def fast_diff():
    rbd = policy.imported('rbd')
    return (
        rbd.RBD_FEATURE_EXCLUSIVE_LOCK
        | rbd.RBD_FEATURE_OBJECT_MAP
        | rbd.RBD_FEATURE_FAST_DIFF
    )


@pytest.fixture(params=['with fast-diff', 'without'])
def features(request):
    """The features of clone and parent."""
    more = fast_diff() if request.param == 'with fast-diff' else 0
    return policy.imported('rbd').RBD_FEATURE_LAYERING | more


def clone(origin, image, pool, name, features):
    pool.rbd.RBD().clone(
        origin.ioctx, image, 'snap', pool.ioctx, name, features=features
    )


@pytest.fixture
def disk(pools, features):
    """A clone that has been used as a disk; its URI without a snapshot."""
    pools.images.make('golden', SIZE, PARENT, 'snap', features=features)
    clone(pools.images, 'golden', pools.vms, 'disk', features)
    with pools.vms.open('disk') as image:
        image.write(NOISE[:5], 5 * MiB)  # the object has the parent's too
        image.discard(24 * MiB, 4 * MiB)  # what the parent has is hidden
        image.resize(30 * MiB)  # what the parent has behind is no more
        image.resize(SIZE + 20 * MiB + 1)
        image.write(NOISE[:1000], SIZE + 8 * MiB)
    return pools.vms.uri('disk')


def content():
    found = bytearray(SIZE + 20 * MiB + 1)
    for at, data in PARENT.items():
        found[at : at + len(data)] = data
    found[5 * MiB : 5 * MiB + 5] = NOISE[:5]
    found[24 * MiB : SIZE] = bytes(SIZE - 24 * MiB)
    found[SIZE + 8 * MiB : SIZE + 8 * MiB + 1000] = NOISE[:1000]
    return bytes(found)


@pytest.mark.parametrize('snapshot', ['', 'taken'])
@pytest.mark.parametrize('to', ['file', 'rbd'])
def test_used_clone(pools, disk, tmp_path, to, snapshot):
    if snapshot:
        with pools.vms.open('disk') as image:
            image.create_snap(snapshot)
    source = pools.vms.uri('disk', snapshot)
    path = tmp_path / 'target'
    other = pools.volumes.uri('other')

    result = pools.copy(
        source, images.uri(path) if to == 'file' else other, AVOID
    )

    assert result.strategy == 'parallel'
    found = path.read_bytes() if to == 'file' else pools.volumes.read('other')
    assert found == content()
    if to == 'file':
        assert images.allocated(path) <= 24 * MiB


def test_parts(pools, disk):
    """From anywhere, the extents are where the data is."""
    expected = content()
    with stores.open_source(disk, pools.config) as source:
        for start in (1, MiB, 5 * MiB + 515, 29 * MiB, SIZE + 7 * MiB):
            end = start
            for one in source.extents(start, len(expected) - start):
                assert one.offset == end
                end += one.length
                if one.zero:
                    assert not any(expected[one.offset : end])
            assert end == len(expected)


def test_by_an_older_librbd(pools, disk, tmp_path, monkeypatch):
    """Some have told nothing of the parent, asked for whole objects."""
    rbd = policy.imported('rbd')
    real = rbd.Image

    class Older:
        def __init__(self, *arguments, **options):
            self._image = real(*arguments, **options)

        def __getattr__(self, name):
            return getattr(self._image, name)

        def diff_iterate(self, *arguments, whole_object=False):
            self._image.diff_iterate(
                *arguments,
                whole_object=whole_object,
                include_parent=not whole_object,
            )

    monkeypatch.setattr(rbd, 'Image', Older)
    pools.copy(disk, images.uri(tmp_path / 'target'))
    monkeypatch.undo()
    assert (tmp_path / 'target').read_bytes() == content()


def test_clone_without_a_byte_of_its_own(pools, features, tmp_path):
    """All that it has is the parent's, and that one's parent's."""
    pools.images.make('golden', SIZE, PARENT, 'snap', features=features)
    clone(pools.images, 'golden', pools.vms, 'middle', features)
    with pools.vms.open('middle') as image:
        image.create_snap('snap')
        image.protect_snap('snap')
    clone(pools.vms, 'middle', pools.volumes, 'disk', features)
    path = tmp_path / 'target'

    pools.copy(pools.volumes.uri('disk'), images.uri(path))

    assert path.read_bytes() == pools.images.read('golden', 'snap')


def test_parent_alone_has_fast_diff(pools, tmp_path):
    """Or the clone alone has it."""
    plain = policy.imported('rbd').RBD_FEATURE_LAYERING
    for name, of_parent, of_clone in (
        ('one', plain | fast_diff(), plain),
        ('two', plain, plain | fast_diff()),
    ):
        pools.images.make(name, SIZE, PARENT, 'snap', features=of_parent)
        clone(pools.images, name, pools.vms, name, of_clone)
        path = tmp_path / name
        pools.copy(pools.vms.uri(name), images.uri(path))
        assert path.read_bytes() == pools.images.read(name, 'snap')
