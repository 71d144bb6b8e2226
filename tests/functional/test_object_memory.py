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

"""The memory of a copy from and to an object store is bounded."""

import io
import multiprocessing

import pytest

from oslo_image import move, stores
from tests.functional import boxes, clients, frugal, images
from tests.functional.images import MiB
from tests.servers import policy
from tests.servers import swift as swift_server

SIZE = 256 * MiB
#: 64 MiB, and the window: five parts or ranges in flight or being hashed.
PART = 10 * MiB
MOST = 64 * MiB + 5 * PART


class Endless(io.RawIOBase):
    """A reader of bytes that are made as they are read."""

    def __init__(self):
        super().__init__()
        self.left = SIZE

    def readable(self):
        return True

    def readinto(self, buffer):
        count = min(len(buffer), self.left)
        buffer[:count] = b'\1' * count
        self.left -= count
        return count


def copy(way, uri, config, path, peaks):
    """In a process of its own."""
    # What the libraries take is in by now.
    with stores.open_writer(f'{uri}-first', config, size=7) as writer:
        writer.write(b'imports')
        writer.commit()
    with stores.open_source(f'{uri}-first', config) as source:
        source.read_into(0, memoryview(bytearray(7)))
    if way == 'one request':
        for kind in ('s3', 'swift'):
            config[f'{kind}_store_large_object_size'] = SIZE // MiB
    before = frugal.peak()
    if way == 'unknown size':
        mover = move.Mover('data', data=Endless)
        result = mover.copy(stores.open_writer(uri, config))
    elif way == 'to a file':
        with open(path, 'wb') as file:
            result = move.Mover(uri, config).copy(file)
    else:
        writer = stores.open_writer(uri, config, if_exists='replace')
        verify = 'auto' if way == 'sendfile' else 'always'
        mover = move.Mover(images.uri(path))
        result = mover.copy(writer, verify=verify)
    peaks.put((result.size, (frugal.peak() - before) * 1024))


@pytest.fixture(scope='module')
def cramped():
    """A Swift that allows so few segments that they grow, and soon."""
    with policy.provided(swift_server.Swift(max_segments=10)) as server:
        yield server


@pytest.fixture
def cramped_box(cramped, tmp_path):
    user = cramped.users[0]
    login = cramped.auth_url, user.login, user.key
    with clients.swift(*login) as client:
        yield boxes.Box(client, boxes.options(*login), tmp_path.name)


@pytest.fixture(params=['s3', 'swift'])
def place(request):
    """A URI, and the options that lead there."""
    fixture = {'s3': 'bucket', 'swift': 'swift_box'}[request.param]
    own = request.getfixturevalue(fixture)
    size = f'{request.param}_store_large_object_chunk_size'
    return own.uri('image'), {**own.config, size: PART // MiB}


@pytest.mark.parametrize(
    'way', ['hashed', 'one request', 'sendfile', 'to a file', 'unknown size']
)
def test_is_bounded(place, tmp_path, way):
    taken = measured(way, *place, tmp_path / 'image')
    assert taken < MOST


@pytest.mark.parametrize('way', ['hashed', 'sendfile', 'unknown size'])
def test_segments_that_grow_take_no_more(cramped_box, tmp_path, way):
    """Of up to 128 MiB, where 4 MiB are wanted."""
    box = cramped_box
    part = 4 * MiB
    config = {
        **box.config,
        'swift_store_large_object_chunk_size': part // MiB,
    }

    taken = measured(way, box.uri('image'), config, tmp_path / 'image')

    assert taken < 64 * MiB + 5 * part
    assert len(box.names()) <= 12
    assert box.head('image')['content-length'] == str(SIZE)
    assert box.get('image') == b'\1' * SIZE


def measured(way, uri, config, path):
    """Return the bytes of memory that a copy of a dense image takes."""
    if way != 'unknown size':
        with path.open('wb') as file:
            for _ in range(SIZE // MiB):
                file.write(b'\1' * MiB)
    if way == 'to a file':
        move.Mover(images.uri(path)).copy(stores.open_writer(uri, config))
    context = multiprocessing.get_context('spawn')
    peaks = context.Queue()
    child = context.Process(
        target=copy,
        args=(way, uri, config, path, peaks),
    )
    child.start()
    try:
        size, taken = peaks.get(timeout=60)
    finally:
        child.join()
        path.unlink(missing_ok=True)

    assert size == SIZE
    return taken
