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

"""librbd says that an image could not be closed; it is closed all the same.

So it is when the cluster goes away just then. What was to be durable was
flushed before.
"""

import io

import pytest

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.images import MiB
from tests.servers import policy

SIZE = 8 * MiB
DATA = images.noise(SIZE)


@pytest.fixture
def failing(monkeypatch):
    """Let closing fail; give what counts how often it did."""
    rbd = policy.imported('rbd')
    real = rbd.Image
    closed = []

    class Image:
        def __init__(self, *arguments, **options):
            self._image = real(*arguments, **options)

        def __getattr__(self, name):
            return getattr(self._image, name)

        def close(self):
            self._image.close()
            closed.append(self)
            raise rbd.OSError('error while closing image', errno=110)

    with monkeypatch.context() as patch:
        patch.setattr(rbd, 'Image', Image)
        yield closed


@pytest.fixture
def golden(pools):
    return pools.images.make('golden', SIZE, {0: DATA}, 'snap')


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'source'
    path.write_bytes(DATA)
    return images.uri(path)


@pytest.mark.parametrize('if_exists', ['fail', 'replace', 'in_place'])
def test_writing(pools, source, failing, if_exists):
    target = pools.vms.uri('disk')
    if if_exists != 'fail':
        pools.vms.rbd.RBD().create(pools.vms.ioctx, 'disk', SIZE)
    result = pools.copy(source, target, if_exists=if_exists)
    assert result.success
    assert failing
    stores.delete(target, pools.config)
    assert pools.vms.rbd.RBD().list(pools.vms.ioctx) == []


def test_reading(pools, golden, failing):
    for uri in (golden, pools.images.uri('golden')):
        target = io.BytesIO()
        move.Mover(uri, pools.config).copy(target)
        assert target.getvalue() == DATA
    assert failing


def test_clone(pools, golden, failing):
    for options in ({}, {'flatten': True}):
        target = pools.vms.uri(f'disk{len(options)}')
        assert pools.copy(golden, target, **options).strategy == 'rbd_clone'
    assert failing


@pytest.mark.parametrize('if_exists', ['fail', 'in_place'])
def test_taking_back(pools, source, failing, if_exists):
    """The error is the copy's own."""
    if if_exists == 'in_place':
        pools.vms.rbd.RBD().create(pools.vms.ioctx, 'disk', SIZE)

    def progress(done, total):
        raise exception.SourceError('the first error')

    with pytest.raises(exception.SourceError, match='the first error'):
        pools.copy(
            source,
            pools.vms.uri('disk'),
            {'progress': progress},
            if_exists=if_exists,
        )
    assert failing
    found = pools.vms.rbd.RBD().list(pools.vms.ioctx)
    assert found == (['disk'] if if_exists == 'in_place' else [])
