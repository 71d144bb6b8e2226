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

"""``oslo-image bench`` with an operator's own Ceph pool."""

import pathlib
import subprocess
import sys

import pytest

from oslo_image.bench import rbd, shape, shared
from oslo_image.bench.places import Missing
from tests.servers import ceph as ceph_server
from tests.servers import policy

BENCH = (sys.executable, '-m', 'oslo_image.cli.main', 'bench')


@pytest.fixture(autouse=True, scope='module')
def bindings() -> None:
    policy.imported('rbd')


@pytest.fixture
def conf(ceph: ceph_server.Cluster, tmp_path: pathlib.Path) -> pathlib.Path:
    """A glance-api.conf."""
    path = tmp_path / 'glance-api.conf'
    path.write_text(
        '[DEFAULT]\nenabled_backends = ceph:rbd\n'
        f'[ceph]\nrbd_store_ceph_conf = {ceph.conf}\n'
        'rbd_store_pool = volumes\n'
    )
    return path


def test_the_cells_are_there_with_a_configuration_only(conf):
    listed = [
        subprocess.run(
            [*BENCH, *more, '--list'],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for more in ((), ('--config-file', conf))
    ]

    assert 'rbd-clone' not in listed[0]
    assert 'rbd-clone' in listed[1]
    assert 'rbd-rbd-other' not in listed[1]


def test_no_image_but_its_own_is_touched(ceph, conf, tmp_path):
    ceph.rbd('create', '--size', '1', 'volumes/somebody-elses')
    try:
        done = subprocess.run(
            [
                *(*BENCH, '--config-file', conf, 'rbd-clone', '--quick'),
                *('--directory', tmp_path),
            ],
            check=True,
            capture_output=True,
            text=True,
        )

        assert '| raw clone, parent opened | limit |' in done.stdout
        assert ceph.rbd('ls', 'volumes').split() == ['somebody-elses']
        assert not ceph.rbd('trash', 'ls', 'volumes')
    finally:
        ceph.rbd('remove', 'volumes/somebody-elses')


def test_a_copy_that_is_wrong_is_found(ceph):
    config = {
        'rbd_store_ceph_conf': str(ceph.conf),
        'rbd_store_pool': 'volumes',
    }
    image = shape.dense(shape.MiB)
    with rbd.RbdPool(config) as place:
        made = place.put(image)
        target = place.target()
        path = rbd.path_of(target)
        ceph.rbd('cp', rbd.path_of(made), path)
        try:
            place.compare(target, image)
            ceph.rbd('bench', '--io-type', 'write', '--io-total', '4K', path)
            with pytest.raises(shape.Differs):
                place.compare(target, image)
        finally:
            place.discard(target)
        place.discard(target)
    assert not ceph.rbd('ls', 'volumes')


def test_the_next_run_removes_what_a_killed_one_left(ceph, monkeypatch):
    config = {
        'rbd_store_ceph_conf': str(ceph.conf),
        'rbd_store_pool': 'volumes',
    }
    ceph.rbd('create', '--size', '1', 'volumes/somebody-elses')
    try:
        killed = rbd.RbdPool(config)
        made = killed.put(shape.dense(shape.MiB))
        clone = rbd.path_of(killed.target())
        ceph.rbd('clone', rbd.path_of(made), clone)
        killed.cluster.shutdown()
        before = ceph.rbd('ls', 'volumes').split()
        assert len(before) == 3

        with rbd.RbdPool(config):
            assert ceph.rbd('ls', 'volumes').split() == before
        monkeypatch.setattr(shared, '_OLD', -3600)
        with rbd.RbdPool(config):
            assert ceph.rbd('ls', 'volumes').split() == ['somebody-elses']
    finally:
        ceph.rbd('remove', 'volumes/somebody-elses')


def test_what_cannot_be_removed_does_not_keep_from_measuring(
    ceph, monkeypatch, caplog
):
    config = {
        'rbd_store_ceph_conf': str(ceph.conf),
        'rbd_store_pool': 'volumes',
    }
    with rbd.RbdPool(config) as killed:
        made = killed.put(shape.dense(shape.MiB))
        ceph.rbd('clone', rbd.path_of(made), 'volumes/somebody-elses')
        try:
            monkeypatch.setattr(shared, '_OLD', -3600)
            with rbd.RbdPool(config):
                assert 'which a killed benchmark left, stays' in caplog.text
        finally:
            ceph.rbd('remove', 'volumes/somebody-elses')


def test_a_pool_that_is_not_there_is_missing(ceph):
    config = {
        'rbd_store_ceph_conf': str(ceph.conf),
        'rbd_store_pool': 'none',
    }

    with pytest.raises(Missing, match='the pool none'):
        rbd.RbdPool(config)
