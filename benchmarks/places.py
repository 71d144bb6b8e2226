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

"""The places that exist for the benchmarks alone: filesystems and servers."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_image import stores
from oslo_image.bench import places
from oslo_image.bench.glance import GlanceImages
from oslo_image.bench.places import Directory, Enter, Missing, Place, Web
from oslo_image.bench.rbd import RbdPool
from oslo_image.bench.s3 import S3Bucket
from oslo_image.bench.shape import GiB
from oslo_image.bench.swift import SwiftContainer
from tests.servers import base, ceph, filesystems, glance, nginx
from tests.servers import swift as swift_server

#: Of a loop filesystem; taken from the disk only as it is written.
_ROOM = 8 * GiB


def _loop(kind: filesystems.Kind) -> Enter:
    @contextlib.contextmanager
    def enter(work: pathlib.Path) -> Iterator[Place]:
        with filesystems.loop_filesystem(kind, _ROOM, work) as root:
            yield Directory(root)

    return enter


@contextlib.contextmanager
def _tmpfs(work: pathlib.Path) -> Iterator[Place]:
    with filesystems.tmpfs(3 * GiB, work) as root:
        yield Directory(root)


@contextlib.contextmanager
def _nginx(work: pathlib.Path) -> Iterator[Place]:
    root = work / 'web'
    root.mkdir()
    with nginx.Nginx(root) as server:
        yield Web(root, server.url('').rstrip('/'))


@contextlib.contextmanager
def _ceph(work: pathlib.Path) -> Iterator[Place]:
    with (
        ceph.Cluster() as cluster,
        RbdPool({'rbd_store_ceph_conf': str(cluster.conf)}) as pool,
    ):
        yield pool


@contextlib.contextmanager
def _rgw(work: pathlib.Path) -> Iterator[Place]:
    with ceph.Cluster() as cluster, ceph.Rgw(cluster) as server:
        user = server.user('bench')
        config = {
            's3_store_host': server.url,
            's3_store_access_key': user.access_key,
            's3_store_secret_key': user.secret_key,
            's3_store_bucket': 'bench',
            's3_store_create_bucket_on_put': True,
        }
        with Rgw(config, server) as bucket:
            yield bucket


class Rgw(S3Bucket):
    """A bucket of our own gateway."""

    def __init__(self, config: Mapping[str, Any], server: ceph.Rgw) -> None:
        super().__init__(config)
        self._server = server

    def discard(self, target: str) -> None:
        """Remove the bytes as well, which else fill the small cluster."""
        super().discard(target)
        self._server.admin('gc', 'process', '--include-all')


@contextlib.contextmanager
def _swift(work: pathlib.Path) -> Iterator[Place]:
    with swift_server.Swift() as server:
        user = server.users[0]
        config = {
            'swift_store_auth_address': server.auth_url,
            'swift_store_user': user.login,
            'swift_store_key': user.key,
            'swift_store_container': 'bench',
        }
        found = SwiftContainer(config)
        # The first object makes the container.
        with stores.open_writer(
            made := found.target(),
            {**config, 'swift_store_create_container_on_put': True},
        ) as writer:
            writer.commit()
        found.discard(made)
        with found:
            yield found


@contextlib.contextmanager
def _glance_file(work: pathlib.Path) -> Iterator[Place]:
    own = work / 'glance'
    own.mkdir()
    with (
        filesystems.loop_filesystem('xfs', _ROOM, own) as root,
        glance.Glance(images=root / 'glance') as server,
        GlanceImages(
            {
                **_asked(server),
                'enabled_backends': {'fast': 'file'},
                'fast': {'filesystem_store_datadir': str(server.images)},
            },
            Directory(root),
            'fast',
        ) as place,
    ):
        yield place


@contextlib.contextmanager
def _glance_rbd(work: pathlib.Path) -> Iterator[Place]:
    with ceph.Cluster() as cluster:
        reached = {'rbd_store_ceph_conf': str(cluster.conf)}
        with (
            glance.Glance(cluster=cluster) as server,
            RbdPool({**reached, 'rbd_store_pool': 'vms'}) as pool,
            GlanceImages({**_asked(server), **reached}, pool, 'ceph') as place,
        ):
            yield place


def _asked(server: glance.Glance) -> Mapping[str, Any]:
    return {'catalog': 'glance', 'glance_endpoint': server.url}


def _if_available(enter: Enter) -> Enter:
    @contextlib.contextmanager
    def wrapped(work: pathlib.Path) -> Iterator[Place]:
        with contextlib.ExitStack() as stack:
            try:
                place = stack.enter_context(enter(work))
            except base.Unavailable as error:
                raise Missing(str(error)) from error
            yield place

    return wrapped


#: All places: those of every machine, and those started for the run.
PLACES: Mapping[str, Enter] = {
    **places.PLACES,
    'xfs': _if_available(_loop('xfs')),
    'btrfs': _if_available(_loop('btrfs')),
    'ext4': _if_available(_loop('ext4')),
    'tmpfs': _if_available(_tmpfs),
    'nginx': _if_available(_nginx),
    'rbd': _if_available(_ceph),
    'rbd-other': _if_available(_ceph),
    's3': _if_available(_rgw),
    'swift': _if_available(_swift),
    'glance-file': _if_available(_glance_file),
    'glance-rbd': _if_available(_glance_rbd),
}
