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

"""The Ceph clusters of the functional tests, tested themselves."""

import contextlib
import errno
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional import processes
from tests.servers import base, policy
from tests.servers import ceph as ceph_server
from tests.servers.ceph import daemons

MiB = 1 << 20

rados: Any
rbd: Any


@pytest.fixture(autouse=True, scope='module')
def bindings() -> None:
    global rados, rbd
    rados = policy.imported('rados')
    rbd = policy.imported('rbd')


@contextlib.contextmanager
def pool(
    cluster: ceph_server.Cluster, name: str = 'images', user: str = 'admin'
) -> Iterator[Any]:
    """Open a pool, as a client does that knows conf and user only."""
    conf = os.fspath(cluster.conf)
    with (
        rados.Rados(conffile=conf, rados_id=user) as client,
        client.open_ioctx(name) as ioctx,
    ):
        yield ioctx


def write(ioctx: Any, name: str, data: bytes) -> None:
    rbd.RBD().create(ioctx, name, MiB)
    with rbd.Image(ioctx, name) as image:
        image.write(data, 0)


def read(ioctx: Any, name: str, size: int) -> bytes:
    with rbd.Image(ioctx, name, read_only=True) as image:
        return image.read(0, size)


class TestCluster:
    def test_keeps_an_image(
        self, ceph: ceph_server.Cluster, tmp_path: pathlib.Path
    ) -> None:
        with pool(ceph) as ioctx:
            write(ioctx, tmp_path.name, b'bits')
            assert read(ioctx, tmp_path.name, 6) == b'bits\0\0'
            rbd.RBD().remove(ioctx, tmp_path.name)

    def test_has_its_own_fsid(
        self, ceph: ceph_server.Cluster, other_ceph: ceph_server.Cluster
    ) -> None:
        assert ceph.ceph('fsid').strip() == ceph.fsid
        assert other_ceph.ceph('fsid').strip() == other_ceph.fsid
        assert ceph.fsid != other_ceph.fsid

    def test_gives_a_user_the_rights_asked_for(
        self, ceph: ceph_server.Cluster, tmp_path: pathlib.Path
    ) -> None:
        ceph.user(
            'reader',
            mon='profile rbd',
            osd='profile rbd-read-only pool=images',
        )
        with pool(ceph) as ioctx:
            write(ioctx, tmp_path.name, b'bits')
            with pool(ceph, user='reader') as restricted:
                assert read(restricted, tmp_path.name, 4) == b'bits'
                with pytest.raises(rbd.PermissionError):
                    write(restricted, f'{tmp_path.name}-2', b'bits')
            rbd.RBD().remove(ioctx, tmp_path.name)

    def test_makes_another_pool(
        self, ceph: ceph_server.Cluster, tmp_path: pathlib.Path
    ) -> None:
        ceph.pool(tmp_path.name)
        with pool(ceph, tmp_path.name) as ioctx:
            write(ioctx, 'image', b'bits')
        assert ceph.rbd('ls', tmp_path.name) == 'image\n'

    def test_keeps_its_data_while_the_osd_is_down(
        self, ceph: ceph_server.Cluster, tmp_path: pathlib.Path
    ) -> None:
        with pool(ceph) as ioctx:
            write(ioctx, tmp_path.name, b'bits')
            ceph.osd.stop()
            try:
                assert '0 up' in ceph.ceph('osd', 'stat')
            finally:
                ceph.osd.start()
            assert read(ioctx, tmp_path.name, 4) == b'bits'
            rbd.RBD().remove(ioctx, tmp_path.name)

    def test_hangs_while_the_monitor_is_frozen(
        self, ceph: ceph_server.Cluster, tmp_path: pathlib.Path
    ) -> None:
        client = rados.Rados(
            conffile=os.fspath(ceph.conf), conf={'client_mount_timeout': '1'}
        )
        with ceph.mon.frozen(), pytest.raises(rados.TimedOut):
            client.connect()
        with pool(ceph) as ioctx:
            ioctx.write_full(tmp_path.name, b'bits')
            ioctx.remove_object(tmp_path.name)

    def test_shuts_a_client_out(
        self, ceph: ceph_server.Cluster, tmp_path: pathlib.Path
    ) -> None:
        with rados.Rados(conffile=os.fspath(ceph.conf)) as client:
            with client.open_ioctx('images') as ioctx:
                ceph.blocklist(client.get_addrs())
                with pytest.raises(rados.Error) as info:
                    ioctx.write_full(tmp_path.name, b'bits')
        assert info.value.errno == errno.ESHUTDOWN

    def test_knows_when_a_pool_is_at_its_quota(
        self, ceph: ceph_server.Cluster, tmp_path: pathlib.Path
    ) -> None:
        ceph.pool(tmp_path.name)
        ceph.set_quota(tmp_path.name, MiB)
        with pool(ceph, tmp_path.name) as ioctx:
            ioctx.write_full('object', bytes(2 * MiB))
        deadline = time.monotonic() + 10
        while not ceph.is_full(tmp_path.name):
            assert time.monotonic() < deadline
        ceph.set_quota(tmp_path.name, 0)

    def test_ceph_says_why_it_failed(self, ceph: ceph_server.Cluster) -> None:
        with pytest.raises(base.CommandFailed, match='invalid command'):
            ceph.ceph('no', 'such', 'command')

    def test_leaves_nothing_whatever_happens(self) -> None:
        with (
            pytest.raises(ZeroDivisionError),
            policy.provided(ceph_server.Cluster()) as cluster,
        ):
            directory = cluster.directory
            assert len(processes.naming(directory)) == 3
            raise ZeroDivisionError
        assert processes.naming(directory) == []
        assert not directory.exists()
        cluster.stop()

    def test_leaves_nothing_when_a_daemon_does_not_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(daemons.Osd, 'start_seconds', 0)
        cluster = ceph_server.Cluster()
        with pytest.raises(base.StartError, match='ceph-osd: not ready'):
            cluster.start()
        assert processes.naming(cluster.directory) == []
        assert not cluster.directory.exists()
