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

"""A Swift that hangs, or is not there, in the middle of copies."""

import concurrent.futures
import contextlib
import threading
import time

import pytest

from oslo_image.stores.wire import again
from tests.functional import images
from tests.functional.images import MiB

SIZE = 4 * MiB + 11
DATA = images.noise(SIZE)
SEGMENTS = 5
SEGMENT = 'oslo-image.segment'


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'image'
    path.write_bytes(DATA)
    return path


@pytest.fixture
def copies(swift_faulty_box, path, tmp_path):
    """What reads, what writes, and what has the server copy."""
    box = swift_faulty_box
    box.copy(f'file://{path}', 'image')
    return (
        lambda: box.fetch('image', tmp_path / 'target'),
        lambda: box.copy(f'file://{path}', 'written'),
        lambda: box.copy(box.uri('image'), 'copied'),
    )


@pytest.fixture
def turn(swift_proxy):
    """Where the second request of each copy waits, twice, for the test."""
    turn = threading.Barrier(4, timeout=30)

    def before():
        turn.wait()
        turn.wait()

    for method, what in (
        ('GET', '/image$'),
        ('PUT', f'{SEGMENT}/written'),
        ('PUT', f'{SEGMENT}/copied'),
    ):
        swift_proxy.on(method, what, first=2, before=before)
    return turn


def begun(box):
    """Return the objects to be that have a segment."""
    return {name.partition(':')[0] for name in box.names() if ':' in name}


@contextlib.contextmanager
def stopped(server):
    server.stop()
    try:
        yield
    finally:
        server.start()


@pytest.mark.parametrize('how', ['hangs', 'refuses'])
def test_copies_outlast_a_server_that_is_away(
    swift, swift_faulty_box, copies, turn, tmp_path, how
):
    """For ten seconds, with requests of each of them under way."""
    proxy = swift.proxy
    del swift_faulty_box.config['retry_pause']
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = [pool.submit(copy) for copy in copies]
        turn.wait()
        with proxy.frozen() if how == 'hangs' else stopped(proxy):
            turn.wait()
            time.sleep(10)
            assert not any(one.done() for one in running)
        results = [one.result() for one in running]

    strategies = ['parallel', 'parallel', 'swift_copy']
    assert [one.strategy for one in results] == strategies
    assert (tmp_path / 'target').read_bytes() == DATA
    assert (
        swift_faulty_box.get('written')
        == swift_faulty_box.get('copied')
        == DATA
    )
    assert len(swift_faulty_box.names()) == 3 * (SEGMENTS + 1)


def test_a_server_that_stays_away(
    swift, swift_faulty_box, copies, turn, tmp_path, monkeypatch
):
    """Each says who failed; what lies there can be found by name."""
    monkeypatch.setattr(again, 'PAUSE', 0.01)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = [pool.submit(copy) for copy in copies]
        turn.wait()
        while not {'written', 'copied'} <= begun(swift_faulty_box):
            time.sleep(0.05)
        swift.proxy.stop()
        try:
            turn.wait()
            errors = [one.exception() for one in running]
        finally:
            swift.proxy.start()

    assert all(one.temporary for one in errors)
    sides = ['source', 'destination', 'destination']
    assert [one.side for one in errors] == sides
    assert not (tmp_path / 'target').exists()
    names = swift_faulty_box.names()
    assert 'written' not in names and 'copied' not in names
    assert {'written', 'copied'} <= begun(swift_faulty_box)
    for name in ('written', 'copied'):
        swift_faulty_box.clean(name)
    assert len(swift_faulty_box.names()) == SEGMENTS + 1
