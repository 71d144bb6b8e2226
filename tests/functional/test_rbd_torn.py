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

"""Renames in a Ceph cluster that were cut off between two of their steps.

librbd first lets the new name lead to the image, then lists the image under
it, then removes the old name. What a SIGKILL leaves is made here step by step.
"""

import contextlib
import itertools

import pytest

from oslo_image import exception
from oslo_image.stores.rbd import naming
from tests.functional import images
from tests.functional.images import MiB

OLD = images.noise(MiB, 1)
NEW = images.noise(MiB, 2)


@pytest.fixture
def name(tmp_path):
    return tmp_path.name


@pytest.fixture
def aside(name):
    return f'oslo-image.replaced.{"a" * 16}.{name}'


@pytest.fixture
def partial(name):
    return f'oslo-image.partial.{"b" * 16}.{name}'


def lead(cluster, name, to):
    """Let a name lead where another one does."""
    with cluster.pool('vms') as ioctx:
        ioctx.write_full(f'rbd_id.{name}', ioctx.read(f'rbd_id.{to}'))


def forget(cluster, name):
    with cluster.pool('vms') as ioctx:
        ioctx.remove_object(f'rbd_id.{name}')


def rename(cluster, name, wanted):
    with cluster.pool('vms') as ioctx:
        cluster.rbd.RBD().rename(ioctx, name, wanted)


def sweep(cluster, backwards=False):
    """Do as ``oslo-image gc`` does, in the one order or the other."""
    found = list(cluster.leftovers('vms'))
    for store, leftover in reversed(found) if backwards else found:
        assert store.remove_leftover(leftover), leftover


def write(cluster, tmp_path, name, if_exists='fail'):
    source = tmp_path / 'source'
    source.write_bytes(NEW)
    cluster.mover(images.uri(source)).copy(
        cluster.writer(cluster.uri('vms', name), if_exists=if_exists)
    )


@pytest.mark.parametrize('backwards', [False, True])
def test_killed_while_it_takes_the_name(
    cluster, name, aside, partial, backwards
):
    """The name leads to the new image, which is not listed under it."""
    cluster.make('vms', aside, MiB, {0: OLD})
    cluster.make('vms', partial, MiB, {0: NEW})
    lead(cluster, name, partial)

    sweep(cluster, backwards)

    assert cluster.marked() == []
    assert cluster.read('vms', name) == OLD
    assert name in cluster.names('vms')


def test_nothing_was_replaced(cluster, tmp_path, name, partial):
    cluster.make('vms', partial, MiB, {0: NEW})
    lead(cluster, name, partial)
    sweep(cluster)
    assert cluster.marked() == []
    write(cluster, tmp_path, name)
    assert cluster.read('vms', name) == NEW


@pytest.mark.parametrize('if_exists', ['fail', 'replace'])
def test_the_next_writer_needs_no_sweep(
    cluster, tmp_path, name, partial, if_exists
):
    cluster.make('vms', partial, MiB, {0: OLD})
    lead(cluster, name, partial)
    write(cluster, tmp_path, name, if_exists)
    assert cluster.read('vms', name) == NEW
    sweep(cluster)
    assert cluster.read('vms', name) == NEW
    assert cluster.marked() == []


def test_killed_while_it_puts_the_old_aside(cluster, name, aside):
    """The old one is listed under both names' image: it must survive."""
    cluster.make('vms', aside, MiB, {0: OLD})
    lead(cluster, name, aside)
    sweep(cluster)
    assert cluster.marked() == []
    assert cluster.names('vms').count(name) == 1
    assert cluster.read('vms', name) == OLD


@pytest.mark.parametrize('how', ['data', 'clone'])
def test_what_was_put_aside_still_has_its_name(
    cluster, tmp_path, name, aside, how
):
    """Who may not replace it is told that it is there."""
    cluster.make('vms', aside, MiB, {0: OLD})
    lead(cluster, name, aside)
    writer = cluster.writer(cluster.uri('vms', name))
    with pytest.raises(exception.DestinationExists), writer:
        if how == 'data':
            writer.write(NEW)
            writer.commit()
        else:
            writer.check(MiB)
    sweep(cluster)
    assert cluster.read('vms', name) == OLD
    assert cluster.marked() == []


def test_what_was_put_aside_is_replaced(cluster, tmp_path, name, aside):
    cluster.make('vms', aside, MiB, {0: OLD})
    lead(cluster, name, aside)
    write(cluster, tmp_path, name, 'replace')
    assert cluster.read('vms', name) == NEW
    sweep(cluster)
    assert cluster.read('vms', name) == NEW
    assert cluster.marked() == []


@pytest.mark.parametrize('how', ['data', 'clone'])
def test_the_name_is_put_aside_meanwhile(
    cluster, tmp_path, name, aside, monkeypatch, how
):
    """The state arises after the writer has looked."""
    golden = cluster.make('vms', f'{name}-golden', MiB, {0: NEW}, 'snap')
    with cluster.image('vms', f'{name}-golden') as image:
        image.protect_snap('snap')
    cluster.make('vms', aside, MiB, {0: OLD})
    taking = naming.taking

    @contextlib.contextmanager
    def late(pool, wanted):
        with taking(pool, wanted):
            lead(cluster, name, aside)
            yield

    monkeypatch.setattr(naming, 'taking', late)
    zero_copy = 'avoid' if how == 'data' else 'prefer'
    with pytest.raises(exception.DestinationExists):
        cluster.mover(golden).copy(
            cluster.writer(cluster.uri('vms', name)), zero_copy=zero_copy
        )
    monkeypatch.undo()
    sweep(cluster)
    assert cluster.read('vms', name) == OLD


def test_killed_when_all_is_done(cluster, name, aside, partial):
    """The old name of the new image is left, listed nowhere."""
    cluster.make('vms', name, MiB, {0: NEW})
    cluster.make('vms', aside, MiB, {0: OLD})
    lead(cluster, partial, name)
    try:
        sweep(cluster)
        assert cluster.marked() == []
        assert cluster.read('vms', name) == NEW
    finally:
        forget(cluster, partial)


def test_a_foreign_name_is_let_be(cluster, tmp_path, name):
    """Two names of one image of which none is ours: a rename of others'."""
    other = f'{name}-other'
    cluster.make('vms', other, MiB, {0: OLD})
    lead(cluster, name, other)
    try:
        with pytest.raises(exception.DestinationExists):
            write(cluster, tmp_path, name)
    finally:
        forget(cluster, name)
    assert cluster.read('vms', other) == OLD


def test_killed_while_it_makes_the_image(cluster, partial):
    """It is listed, and there is no more of it than the name."""
    cluster.make('vms', partial, MiB, {0: OLD})
    with cluster.pool('vms') as ioctx:
        header = ioctx.read(f'rbd_id.{partial}')[4:].decode()
        ioctx.remove_object(f'rbd_header.{header}')
    sweep(cluster)
    assert cluster.marked() == []
    with cluster.pool('vms') as ioctx:
        left = [one.key for one in ioctx.list_objects()]
    assert f'rbd_id.{partial}' not in left


@pytest.mark.parametrize('step', [0, 1, 2, 3])
@pytest.mark.parametrize('which', ['aside', 'to its name'])
def test_an_answer_is_lost(cluster, tmp_path, name, monkeypatch, which, step):
    """librbd says that a rename failed, and has done a part of it, or all."""
    cluster.make('vms', name, MiB, {0: OLD})
    calls = itertools.count()
    rbd = cluster.rbd

    def cut_off(pool, image, wanted):
        number = next(calls)
        if number != (which != 'aside'):
            return rbd.RBD().rename(pool.ioctx, image, wanted)
        if step >= 2:
            rbd.RBD().rename(pool.ioctx, image, wanted)
        if step == 1:
            lead(cluster, wanted, image)
        if step == 2:
            lead(cluster, image, wanted)
        raise rbd.OSError('the answer is lost', errno=110)

    monkeypatch.setattr(naming, '_rename', cut_off)
    if step >= 2:
        write(cluster, tmp_path, name, 'replace')
        expected = NEW
    else:
        with pytest.raises(exception.DestinationError) as caught:
            write(cluster, tmp_path, name, 'replace')
        assert caught.value.destination_state == 'untouched'
        expected = OLD

    assert cluster.read('vms', name) == expected
    assert cluster.marked() == []
    with cluster.pool('vms') as ioctx:
        left = [one.key for one in ioctx.list_objects() if name in one.key]
    assert left == [f'rbd_id.{name}']
