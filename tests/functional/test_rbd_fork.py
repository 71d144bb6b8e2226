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

"""Children of a process that has images in Ceph open, and requests there."""

import os
import subprocess
import sys

import pytest

from tests.functional.images import MiB

SIZE = 64 * MiB


@pytest.fixture
def origin(cluster, tmp_path):
    parts = {at: os.urandom(4 * MiB) for at in range(0, SIZE, 4 * MiB)}
    return cluster.make('images', tmp_path.name, SIZE, parts)


def run(script, *arguments):
    """Run a script, whose children have 20 s to end."""
    done = subprocess.run(
        [sys.executable, '-c', _PREAMBLE + script, *arguments],
        capture_output=True,
        timeout=90,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, '')


_PREAMBLE = """
import faulthandler, gc, os, sys, threading
from oslo_image import exception, move, stores
uri, conf, target = sys.argv[1:]
config = {'rbd_store_ceph_conf': conf}
MiB = 1 << 20
def forked():
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(20, exit=True)
    return child
def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

_WHILE_OTHERS_COPY = """
begun, go_on = threading.Event(), threading.Event()
allowed = threading.Semaphore(0)  # pieces: the copy outlasts the forks
content = bytes(range(256)) * 4096 * 64
def read():
    buffer = memoryview(bytearray(MiB))
    with stores.open_source(uri, config) as source:
        while not go_on.is_set():
            reader = source.open_stream()
            while reader.readinto(buffer):
                begun.set()
            reader.close()
def write():
    def data():
        for at in range(0, len(content), MiB):
            allowed.acquire()
            begun.set()
            yield content[at:at + MiB]
    with stores.open_writer(target, config) as writer:
        move.Mover('id', data=data).copy(writer)
copying = threading.Thread(target={what}, daemon=True)
copying.start()
# Few: CPython 3.11 itself hangs in one fork of some hundreds, when a thread of
# librbd is just calling back (_PyThreadState_DeleteExcept waits for its lock).
for _ in range(3):
    begun.clear()
    allowed.release(4)
    assert begun.wait(30)
    child = forked()
    if not child:
        gc.collect()
        sys.exit(7)  # by the regular end of the interpreter
    assert ended(child) == 7
assert copying.is_alive()
go_on.set()
allowed.release(len(content) // MiB)
copying.join(30)
assert not copying.is_alive()
"""


@pytest.mark.parametrize('what', ['read', 'write'])
def test_another_thread_has_requests_on_their_way(
    cluster, origin, tmp_path, what
):
    """The child ends, though nobody will answer it."""
    target = cluster.uri('vms', f'{tmp_path.name}-new')
    script = _WHILE_OTHERS_COPY.replace('{what}', what)
    run(script, origin, cluster.server.conf, target)
    if what == 'write':
        content = cluster.read('vms', f'{tmp_path.name}-new')
        assert content == bytes(range(256)) * 4096 * 64


_ALL_OPEN = """
source = stores.open_source(uri, config)
source.pin()
reader = source.open_stream(0, 32 * MiB)
buffer = memoryview(bytearray(MiB))
first = reader.readinto(buffer)
writer = stores.open_writer(target, config)
writer.write(b'x' * 9 * MiB)
in_place = stores.open_writer(uri, config, if_exists='in_place')
in_place.write(b'y' * MiB)
def leave():
    reader.close()
    source.close()
    assert writer.abort() == []
    in_place.close()
def use():
    for call, kind in (
        (lambda: source.open_stream(), exception.SourceError),
        (lambda: source.check_unchanged(), exception.SourceError),
        (lambda: list(source.extents(0, MiB)), exception.SourceError),
        (lambda: [reader.readinto(buffer) for _ in range(32)],
         exception.SourceError),
        (lambda: writer.write(b'z' * 9 * MiB), exception.DestinationError),
        (lambda: in_place.commit(), exception.DestinationError),
    ):
        try:
            call()
        except kind as error:
            assert 'by another process' in error.message
            assert not error.temporary
        else:
            raise AssertionError('it was used')
def forget():
    global source, reader, writer, in_place
    del source, reader, writer, in_place
    gc.collect()
def copy():
    with stores.open_source(uri, config) as own:
        assert own.open_stream(0, MiB).readinto(buffer)
for do in (leave, use, forget, copy, lambda: None):
    child = forked()
    if not child:
        do()
        sys.exit(7)
    assert ended(child) == 7
# In the parent all goes on.
done = first
while count := reader.readinto(buffer):
    done += count
assert done == 32 * MiB
source.check_unchanged()
reader.close()
source.close()
writer.write(b'x' * MiB)
writer.commit()
in_place.commit()
"""


def test_what_was_open_is_the_parents(cluster, origin, tmp_path):
    """A child that closes, uses or forgets it takes nothing back."""
    target = cluster.uri('vms', f'{tmp_path.name}-new')

    run(_ALL_OPEN, origin, cluster.server.conf, target)

    assert cluster.read('vms', f'{tmp_path.name}-new') == b'x' * 10 * MiB
    assert cluster.read('images', tmp_path.name)[:MiB] == b'y' * MiB
    assert cluster.marked() == []
