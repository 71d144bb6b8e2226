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

"""Clones in Ceph that are taken back after librbd has made them, or a part."""

import threading

import pytest

from oslo_image import exception, move, stores
from oslo_image.move.strategies import rbd_clone
from oslo_image.stores.rbd import cloning, handle
from tests.functional import images
from tests.functional.images import MiB
from tests.servers import policy

SIZE = 8 * MiB
DATA = images.noise(MiB)


@pytest.fixture
def golden(pools):
    return pools.images.make('i', SIZE, {0: DATA}, 'snap')


@pytest.fixture
def target(pools):
    return pools.vms.uri('disk')


def nothing_left(pools):
    """Nothing hangs on the parent, and no object leads to a clone."""
    assert pools.vms.state() == []
    with pools.images.open('i', 'snap') as image:
        assert list(image.list_children2()) == []
    left = [one.key for one in pools.vms.ioctx.list_objects()]
    assert 'rbd_id.disk' not in left
    with pools.images.open('i') as image:
        if image.is_protected_snap('snap'):
            image.unprotect_snap('snap')
    return True


def librbd(monkeypatch, clone):
    """Let librbd's clone be this one; it gets the real one first."""
    rbd = policy.imported('rbd')

    class Other(rbd.RBD):
        def clone(self, *arguments, **options):
            real = super().clone
            clone(lambda: real(*arguments, **options), rbd)

    monkeypatch.setattr(handle.Pool, 'rbd', Other())


def test_cancelled(pools, golden, target, monkeypatch):
    """While librbd clones, which cannot be told to stop."""
    cancel = threading.Event()
    clone = cloning.clone

    def cancelling(*arguments):
        clone(*arguments)
        cancel.set()

    monkeypatch.setattr(cloning, 'clone', cancelling)

    with pytest.raises(exception.Cancelled) as caught:
        pools.copy(golden, target, {'cancel': cancel})

    assert caught.value.destination_state == 'untouched'
    assert nothing_left(pools)


def test_progress_raises(pools, golden, target):
    def progress(done, total):
        raise RuntimeError('enough')

    with pytest.raises(RuntimeError, match='enough'):
        pools.copy(golden, target, {'progress': progress})

    assert nothing_left(pools)


def test_snapshot_replaced_after_the_plan(pools, golden, target, monkeypatch):
    """The clone has foreign bits then."""
    run = rbd_clone.RbdClone.run

    def late(self, *arguments):
        with pools.images.open('i') as image:
            image.unprotect_snap('snap')
            image.remove_snap('snap')
            image.write(b'other', 0)
            image.create_snap('snap')
            image.protect_snap('snap')
        return run(self, *arguments)

    monkeypatch.setattr(rbd_clone.RbdClone, 'run', late)

    with pytest.raises(exception.SourceChanged) as caught:
        pools.copy(golden, target)

    assert caught.value.destination_state == 'untouched'
    assert nothing_left(pools)


def test_interrupted(pools, golden, target, monkeypatch):
    """Ctrl-C is seen when librbd has returned."""

    def clone(real, rbd):
        real()
        raise KeyboardInterrupt

    librbd(monkeypatch, clone)
    with pytest.raises(KeyboardInterrupt):
        pools.copy(golden, target)
    assert nothing_left(pools)


@pytest.mark.parametrize('done', ['all', 'part'])
@pytest.mark.parametrize('needs', [{}, {'zero_copy': 'require'}])
def test_answer_is_lost(pools, golden, target, monkeypatch, done, needs):
    def clone(real, rbd):
        if done == 'all':
            real()
        else:
            pools.vms.make('disk', SIZE)
            header = pools.vms.ioctx.read('rbd_id.disk')[4:].decode()
            pools.vms.ioctx.remove_object(f'rbd_header.{header}')
        raise rbd.OSError('the answer is lost', errno=110)

    librbd(monkeypatch, clone)
    with pytest.raises(exception.DestinationError, match='in time') as caught:
        pools.copy(golden, target, needs)

    assert caught.value.destination_state == 'untouched'
    assert not getattr(caught.value, '__notes__', None)
    assert nothing_left(pools)


def test_shut_out(pools, golden, target, monkeypatch):
    """A new connection takes back what the one shut out has made."""
    with stores.open_writer(target, pools.config) as writer:

        def clone(real, rbd):
            real()
            address = writer._pool.connection.cluster.get_addrs()
            pools.cluster.blocklist(address)
            raise rbd.OSError('shut out', errno=108)

        librbd(monkeypatch, clone)
        with pytest.raises(exception.ImageError, match='shut') as caught:
            move.Mover(golden, pools.config).copy(writer)

    assert caught.value.destination_state == 'untouched'
    assert nothing_left(pools)


def test_what_is_used_already_is_named(pools, golden, target, monkeypatch):
    """Somebody has found the disk by its name and opened it."""
    opened = []
    rbd = policy.imported('rbd')

    def clone(real, _):
        real()
        opened.append(rbd.Image(pools.vms.ioctx, 'disk'))
        raise rbd.OSError('the answer is lost', errno=110)

    librbd(monkeypatch, clone)
    try:
        with pytest.raises(exception.DestinationError) as caught:
            pools.copy(golden, target)
    finally:
        opened.pop().close()

    assert caught.value.destination_state == 'modified'
    assert caught.value.__notes__ == ['left behind: vms/disk']
    assert pools.vms.state() == ['disk']


def test_name_taken_meanwhile(pools, golden, target, monkeypatch):
    """By a program that knows nothing of our locks; its image stays."""

    def clone(real, rbd):
        pools.vms.make('disk', MiB, {0: b'theirs'})
        real()

    librbd(monkeypatch, clone)
    with pytest.raises(exception.DestinationExists) as caught:
        pools.copy(golden, target)

    assert caught.value.destination_state == 'untouched'
    assert pools.vms.read('disk')[:6] == b'theirs'


def test_committed_stays(pools, golden, target):
    """What comes after the commit takes nothing back."""
    with stores.open_writer(target, pools.config) as writer:
        move.Mover(golden, pools.config).copy(writer)
        writer.rollback()
    assert pools.vms.state() == ['disk']
    assert pools.vms.read('disk')[:MiB] == DATA
