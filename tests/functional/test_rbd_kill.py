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

"""SIGKILL and SIGINT in the middle of copies to and from a Ceph cluster.

Whatever the moment: an image is absent, as before, or complete. What a
killed copy leaves bears a mark, and is found and removed when the cluster
knows that the client is dead.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.functional import clusters, images
from tests.functional.images import MiB

SIZE = 32 * MiB
ROUNDS = 12
_COPY = """
import os, sys, rados, rbd
from oslo_image import move, stores
from oslo_image.stores.rbd import naming
naming._SECONDS = 2
conf, source, target, if_exists, rate = sys.argv[1:]
config = {'rbd_store_ceph_conf': conf}
mover = move.Mover(source, config)
writer = stores.open_writer(target, config, if_exists=if_exists)
os.write(1, b'.')
mover.copy(writer, rate_limit=int(rate) or None)
os.write(1, b'!')
os._exit(0)
"""
COMMAND = [sys.executable, '-m', 'oslo_image.cli.main', '-q']


@pytest.fixture
def config(cluster, tmp_path):
    """Arguments that lead the command to the cluster."""
    path = tmp_path / 'conf'
    path.write_text(
        f'[glance_store]\nrbd_store_ceph_conf = {cluster.server.conf}\n'
    )
    return ['--config-file', str(path)]


def start(cluster, *arguments):
    """Copy in a process of its own; return it when it is about to begin.

    Not by fork(): forked processes have one and the same random numbers, and
    Ceph knows its clients by these.
    """
    child = subprocess.Popen(
        [sys.executable, '-c', _COPY, cluster.server.conf, *arguments],
        stdout=subprocess.PIPE,
    )
    assert os.read(child.stdout.fileno(), 1) == b'.'
    return child


def duration(cluster, *arguments):
    """Return how long an undisturbed copy takes, in seconds."""
    with start(cluster, *arguments) as child:
        began = time.monotonic()
        assert os.read(child.stdout.fileno(), 1) == b'!'
        return time.monotonic() - began


def end(child, delay):
    """Kill a process after a while; return whether it was alive till then."""
    with child:
        time.sleep(delay)
        child.kill()
    code = child.returncode
    assert code in (0, -signal.SIGKILL)
    return code != 0


def swept(cluster, pool):
    """Remove what killed copies left in a pool; return the names."""
    names = []
    for store, leftover in cluster.leftovers(pool):
        assert store.remove_leftover(leftover), leftover
        names.append(leftover.name)
    return sorted(names)


def test_writing(cluster, config, tmp_path):
    source = clusters.file_of(tmp_path / 'source', SIZE)
    content = source.read_bytes()
    old = images.noise(MiB, 9) + bytes(MiB)
    moment = random.Random(54)
    first = cluster.uri('vms', f'{tmp_path.name}-first')
    usual = duration(cluster, images.uri(source), first, 'fail', '0')

    killed, founds = 0, set()
    for number in range(ROUNDS):
        target = f'{tmp_path.name}-{number}'
        uri = cluster.uri('vms', target)
        replacing = number % 2 == 0
        if replacing:
            cluster.make('vms', target, len(old), {0: old[:MiB]})
        if_exists = 'replace' if replacing else 'fail'
        child = start(cluster, images.uri(source), uri, if_exists, '0')
        killed += end(child, moment.uniform(0, 1.2) * usual)
        if target in cluster.names('vms'):
            found = cluster.read('vms', target)
            assert found in ((old, content) if replacing else (content,))
            founds.add('old' if found == old else 'new')
        else:
            founds.add('none')
    assert killed >= ROUNDS // 2
    assert founds >= {'old', 'none'}

    left = cluster.marked('vms')
    assert left
    cluster.bury('vms')
    gc = [*COMMAND, 'gc', '--older-than', '0', *config, cluster.uri('vms')]
    done = subprocess.run(gc, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in left:
        assert name in done.stdout, left
    assert cluster.marked('vms') == []
    for number in range(0, ROUNDS, 2):
        found = cluster.read('vms', f'{tmp_path.name}-{number}')
        assert found in (old, content)


def test_reading(cluster, tmp_path):
    """A killed reader leaves the snapshot that pinned its image."""
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts)
    target = tmp_path / 'target'
    moment = random.Random(55)
    for _ in range(4):
        # It takes a second.
        ends = (origin, images.uri(target))
        child = start(cluster, *ends, 'fail', str(SIZE))
        end(child, moment.uniform(0.3, 0.9))
        if target.exists():
            assert target.read_bytes() == clusters.content(SIZE, parts)
            target.unlink()
    left = cluster.marked('images')
    assert any('pin' in one for one in left)
    cluster.bury('images')
    assert swept(cluster, 'images') == sorted(left)


def test_interrupted(cluster, config, tmp_path):
    """Ctrl-C is another matter: nothing is left at all."""
    source = clusters.file_of(tmp_path / 'source', SIZE)
    parts = clusters.pieces(SIZE)
    origin = cluster.make('images', tmp_path.name, SIZE, parts)
    for ends in (
        (str(source), cluster.uri('vms', f'{tmp_path.name}-disk')),
        (origin, str(tmp_path / 'target')),
    ):
        child = subprocess.Popen(
            [*COMMAND, 'copy', *config, '--bwlimit', '4M', *ends],
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 20
        while not cluster.marked():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
        assert child.returncode == 130, said
        assert cluster.marked() == []
    assert f'{tmp_path.name}-disk' not in cluster.names('vms')
    assert not (tmp_path / 'target').exists()
