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

"""Connections to Ceph, threads and processes: who shares, who closes."""

import io
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from oslo_image import stores
from oslo_image.stores.rbd import connection
from tests.functional import clusters, test_eventlet
from tests.functional.images import MiB

SIZE = 8 * MiB
ROOT = pathlib.Path(__file__).parents[2]
COPIES = 16


@pytest.fixture
def origin(cluster, tmp_path):
    """The URI of a snapshot."""
    parts = clusters.pieces(SIZE)
    return cluster.make('images', tmp_path.name, SIZE, parts, 'snap')


@pytest.fixture
def content():
    return clusters.content(SIZE, clusters.pieces(SIZE))


def read(cluster, uri):
    target = io.BytesIO()
    cluster.mover(uri).copy(target)
    return target.getvalue()


def connected():
    return list(connection._OPEN.values())


def tasks():
    """Return how many threads there are, librados' own among them."""
    return len(os.listdir('/proc/self/task'))


def settled(wanted, deadline=10.0):
    """Wait until there are so many threads."""
    until = time.monotonic() + deadline
    while tasks() > wanted and time.monotonic() < until:
        time.sleep(0.05)
    return tasks()


def undisturbed():
    """Wait until nothing ends any more; return how many threads there are."""
    connection.disconnect()
    until = time.monotonic() + 10
    now, before = tasks(), -1
    while now != before and time.monotonic() < until:
        time.sleep(0.5)
        now, before = tasks(), now
    return now


def test_many_threads(cluster, origin, content, tmp_path, monkeypatch):
    """They share one connection, and all are right."""
    made = []
    real = connection.Connection.__init__

    def counted(self, *arguments):
        made.append(self)
        real(self, *arguments)

    monkeypatch.setattr(connection.Connection, '__init__', counted)
    results = {}
    together = threading.Barrier(COPIES)

    def copy(number):
        together.wait()
        if number % 2:
            results[number] = read(cluster, origin)
            return
        name = f'{tmp_path.name}-{number}'
        uri = cluster.uri('vms', name)
        cluster.mover(origin).copy(
            cluster.writer(uri), disabled=['rbd_clone'] * (number % 4 > 0)
        )
        results[number] = cluster.read('vms', name)
        stores.delete(uri, cluster.config)

    threads = [
        threading.Thread(target=copy, args=[number])
        for number in range(COPIES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == dict.fromkeys(range(COPIES), content)
    assert len(made) == 1


def test_nothing_stays_open(cluster, origin, content, tmp_path):
    before = undisturbed()
    descriptors = len(os.listdir('/proc/self/fd'))
    threads = threading.active_count()
    for number in range(3):
        assert read(cluster, origin) == content
        uri = cluster.uri('vms', f'{tmp_path.name}-{number}')
        cluster.mover(origin).copy(cluster.writer(uri))
    assert tasks() > before
    connection.disconnect()
    connection.disconnect()
    assert connected() == []
    assert settled(before) <= before
    assert len(os.listdir('/proc/self/fd')) <= descriptors
    assert threading.active_count() <= threads


def test_lingering_ends(cluster, origin, content, monkeypatch):
    """Who comes in time finds it; then it is closed."""
    before = undisturbed()
    monkeypatch.setattr(connection, 'LINGER', 1.0)
    assert read(cluster, origin) == content
    (first,) = connected()
    assert read(cluster, origin) == content
    assert connected() == [first]
    deadline = time.monotonic() + 10
    while connected():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert settled(before) <= before
    assert read(cluster, origin) == content
    assert connected() != [first]


_FORKING = """
import io, os, sys, threading
from oslo_image import move
from oslo_image.stores.rbd import connection
uri, conf = sys.argv[1:]
def read():
    target = io.BytesIO()
    config = {'rbd_store_ceph_conf': conf}
    move.Mover(uri, config).copy(target, rate_limit=32 << 20)
    return target.getvalue()
def only():
    (found,) = connection._OPEN.values()
    return found
first = read()
assert read() == first  # nothing is imported in the midst of a fork
parent = only()
beside = []
copying = threading.Thread(target=lambda: beside.append(read()))
copying.start()
child = os.fork()
if not child:
    assert connection._OPEN == {}
    assert read() == first
    assert only() is not parent
    # And out by the regular end of the interpreter.
    sys.exit(7)
copying.join()
assert beside == [first]
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert read() == first
assert only() is parent
sys.stdout.buffer.write(first)
"""


def test_fork(cluster, origin, content):
    """A child copies by its own connection, and the parent's goes on."""
    done = subprocess.run(
        [sys.executable, '-c', _FORKING, origin, cluster.server.conf],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == content
    assert done.stderr == b''


_LEAVING = """
import io, sys
from oslo_image import move, stores
uri, conf, target = sys.argv[1:]
config = {'rbd_store_ceph_conf': conf}
source = stores.open_source(uri, config)
writer = stores.open_writer(target, config)
writer.write(bytes(range(256)) * 20000)
"""


def test_exit_with_all_open(cluster, origin, tmp_path):
    """Who forgets to close does not hang; what was begun is marked."""
    target = cluster.uri('vms', f'{tmp_path.name}-new')
    done = subprocess.run(
        [sys.executable, '-c', _LEAVING, origin, cluster.server.conf, target],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f'{tmp_path.name}-new' not in cluster.names('vms')
    cluster.bury('vms')
    for store, leftover in cluster.leftovers('vms'):
        assert store.remove_leftover(leftover)


@pytest.mark.parametrize('scenario', ['to_and_from_ceph', 'within_ceph'])
def test_eventlet_copies(cluster, tmp_path, scenario):
    source = clusters.file_of(tmp_path / 'source', SIZE)
    directory = tmp_path / 'directory'
    directory.mkdir()
    test_eventlet.run(
        scenario,
        source,
        directory,
        cluster.server.conf,
        cluster.uri('vms'),
    )
