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

"""The memory of a copy out of Ceph is bounded, however large the image is."""

import gc
import multiprocessing
import uuid

import pytest

from oslo_image import move, stores
from tests.functional import frugal
from tests.servers import policy

MiB = 1 << 20
SIZE = 256 * MiB
#: What a copy may take above what the libraries take; requests in flight,
#: the threads' buffers, and what librados receives into.
MOST = 80 * MiB


@pytest.fixture
def uri(ceph):
    """A Glance image that is all data."""
    policy.imported('rbd')
    image = f'images/memory-{uuid.uuid4().hex}'
    ceph.rbd('create', '--size', str(SIZE // MiB), image)
    try:
        ceph.rbd(
            *('bench', '--io-type', 'write', '--io-size', '4M'),
            *('--io-total', str(SIZE), image),
        )
        ceph.rbd('snap', 'create', f'{image}@snap')
        yield f'rbd://{ceph.fsid}/{image}/snap'
    finally:
        ceph.rbd('snap', 'purge', image)
        ceph.rbd('remove', image)


def copy(uri, config, other, path, peaks):
    gc.disable()
    with stores.open_source(uri, config) as source:
        source.read_into(0, memoryview(bytearray(MiB)))
    before = frugal.peak()
    with open(path, 'wb') as file:
        result = move.Mover(uri, config).copy(file, disabled=[other])
    peaks.put((result.size, before * 1024, frugal.peak() * 1024))


@pytest.mark.parametrize('other', ['parallel', 'stream'])
def test_without_any_help_of_the_garbage_collector(ceph, uri, tmp_path, other):
    context = multiprocessing.get_context('spawn')
    peaks = context.Queue()
    config = {'rbd_store_ceph_conf': str(ceph.conf)}
    path = tmp_path / 'copy'
    child = context.Process(
        target=copy, args=(uri, config, other, path, peaks)
    )
    child.start()
    size, before, after = peaks.get(timeout=60)
    child.join()
    path.unlink()

    assert size == SIZE
    assert after - before < MOST
