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


"""Pools of a Ceph cluster, seen past the store: made, looked at, emptied."""

from __future__ import annotations

import contextlib
import json
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_image import move, stores
from tests.servers import ceph as ceph_server
from tests.servers import policy

_ROUNDS = 5


class Pool:
    """One pool, or a namespace of one, through a connection of its own."""

    def __init__(
        self, cluster: ceph_server.Cluster, client: Any, name: str, space: str
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.path = f'{name}/{space}' if space else name
        self.rbd = policy.imported('rbd')
        self.ioctx = client.open_ioctx(name)
        self.ioctx.set_namespace(space)
        self._before = self._names()

    def uri(self, image: str, snapshot: str = '', fsid: str = '') -> str:
        """Return the URI of an image, or of a snapshot of it."""
        pieces = [fsid or self.cluster.fsid, self.path, image]
        pieces += [snapshot] if snapshot else []
        return 'rbd://' + '/'.join(urllib.parse.quote(p, '') for p in pieces)

    @contextlib.contextmanager
    def open(self, image: str, snapshot: str | None = None) -> Iterator[Any]:
        """Open an image; at a snapshot it is read-only."""
        with self.rbd.Image(self.ioctx, image, snapshot=snapshot) as opened:
            yield opened

    def make(
        self,
        image: str,
        size: int,
        pieces: Mapping[int, bytes] | None = None,
        snapshot: str = '',
        protect: bool = True,
        **options: Any,
    ) -> str:
        """Make an image with data at these offsets; return its URI.

        :param options: of ``rbd.RBD.create``.
        """
        self.rbd.RBD().create(self.ioctx, image, size, **options)
        with self.open(image) as opened:
            for offset, data in (pieces or {}).items():
                opened.write(data, offset)
            if snapshot:
                opened.create_snap(snapshot)
                if protect:
                    opened.protect_snap(snapshot)
        return self.uri(image, snapshot)

    def read(self, image: str, snapshot: str | None = None) -> bytes:
        """Return an image's bytes."""
        with self.open(image, snapshot) as opened:
            return bytes(opened.read(0, opened.size()))

    def info(self, image: str) -> dict[str, Any]:
        """Return what ``rbd info`` prints of an image."""
        found: dict[str, Any] = json.loads(
            self.cluster.rbd(
                'info', '--format', 'json', f'{self.path}/{image}'
            )
        )
        return found

    def parent(self, image: str) -> tuple[str, str, str] | None:
        """Return what ``rbd info`` says an image is a clone of."""
        found = self.info(image).get('parent')
        if found is None:
            return None
        space = found['pool_namespace']
        pool = f'{found["pool"]}/{space}' if space else found['pool']
        return pool, found['image'], found['snapshot']

    def snapshots(self, image: str) -> list[str]:
        """Return an image's snapshots, temporary ones too."""
        with self.rbd.Image(self.ioctx, image, read_only=True) as opened:
            return [one['name'] for one in opened.list_snaps()]

    def state(self) -> list[str]:
        """Return all images, snapshots and what is in the trash.

        What was there before the test is not its own, and left out.
        """
        found = []
        before = {image for image, _ in self._before}
        for image in self.rbd.RBD().list(self.ioctx):
            if image in before:
                continue
            found.append(image)
            found += [f'{image}@{one}' for one in self.snapshots(image)]
        trash = self.rbd.RBD().trash_list(self.ioctx)
        return found + [f'trash: {one["name"]}' for one in trash]

    def keep(self) -> None:
        """Let what is there now outlast the test."""
        self._before = self._names()

    def empty(self) -> bool:
        """Try to remove what came since; return whether all of it is gone."""
        busy = (self.rbd.ImageBusy, self.rbd.ImageHasSnapshots)
        for image, identity in self._names() - self._before:
            with contextlib.suppress(*busy):
                if image is None:
                    self.rbd.RBD().trash_remove(self.ioctx, identity, True)
                else:
                    self._remove(image)
        return self._names() <= self._before

    def _names(self) -> set[tuple[str | None, str]]:
        """Return names and ids of all images; those in the trash have none."""
        rbd = self.rbd.RBD()
        found = {(one['name'], one['id']) for one in rbd.list2(self.ioctx)}
        trash = {(None, one['id']) for one in rbd.trash_list(self.ioctx)}
        return found | trash

    def _remove(self, image: str) -> None:
        with self.open(image) as opened:
            for one in list(opened.list_snaps()):
                if one['namespace']:
                    continue  # that of an image in the trash
                if opened.is_protected_snap(one['name']):
                    opened.unprotect_snap(one['name'])
                opened.remove_snap(one['name'])
        self.rbd.RBD().remove(self.ioctx, image)


class Pools:
    """The pools of a cluster; what a test leaves in them can be removed."""

    def __init__(self, cluster: ceph_server.Cluster) -> None:
        self.cluster = cluster
        self._stack = contextlib.ExitStack()
        self._open: dict[tuple[str, str], Pool] = {}
        rados = policy.imported('rados')
        self._client = self._stack.enter_context(
            rados.Rados(conffile=os.fspath(cluster.conf))
        )
        self.images = self.get('images')
        self.vms = self.get('vms')
        self.volumes = self.get('volumes')

    @property
    def config(self) -> dict[str, str]:
        """The configuration that leads to the cluster."""
        return {'rbd_store_ceph_conf': os.fspath(self.cluster.conf)}

    def get(self, name: str, space: str = '') -> Pool:
        """Return a pool, or a namespace of it, which is made if need be."""
        found = self._open.get((name, space))
        if found is not None:
            return found
        with contextlib.ExitStack() as stack:
            if space:
                ioctx = stack.enter_context(self._client.open_ioctx(name))
                rbd = policy.imported('rbd')
                if not rbd.RBD().namespace_exists(ioctx, space):
                    rbd.RBD().namespace_create(ioctx, space)
        pool = Pool(self.cluster, self._client, name, space)
        self._stack.callback(pool.ioctx.close)
        self._open[name, space] = pool
        return pool

    def plan(
        self, source: str, target: str, needs: Any = None, **options: Any
    ) -> move.Plan:
        """Plan a copy; as for :meth:`copy`."""
        with self._writer(target, options) as writer:
            mover = move.Mover(source, self.config)
            return mover.plan(writer, **(needs or {}))

    def copy(
        self,
        source: str,
        target: str,
        needs: Any = None,
        image: Any = None,
        **options: Any,
    ) -> move.CopyResult:
        """Copy an image within the cluster.

        :param needs: what ``Mover.copy`` takes.
        :param image: what ``Mover`` takes.
        :param options: of the writer.
        """
        with self._writer(target, options) as writer:
            mover = move.Mover(source, self.config, image=image)
            return mover.copy(writer, **(needs or {}))

    def _writer(self, target: str, options: dict[str, Any]) -> Any:
        return stores.open_writer(target, self.config, **options)

    def state(self) -> dict[str, list[str]]:
        """Return all that lies in each of the pools that were asked for."""
        return {pool.path: pool.state() for pool in self._open.values()}

    def keep(self) -> None:
        """Let what is there now outlast the test."""
        for pool in self._open.values():
            pool.keep()

    def clean(self) -> None:
        """Remove what came since, clones before their parents."""
        for _ in range(_ROUNDS):
            left = [one for one in self._open.values() if not one.empty()]
            if not left:
                return
        raise AssertionError(f'cannot be removed: {self.state()}')

    def close(self) -> None:
        """Close the connection."""
        self._stack.close()
