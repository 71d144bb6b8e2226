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

"""Images in a cluster of the tests, seen past the store: by librbd alone."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_image import move, stores
from tests.functional import images
from tests.functional.images import KiB, MiB
from tests.servers import ceph, policy

_MARK = 'oslo-image.'


class Cluster:
    """A cluster with a connection of the test's own, as the administrator.

    :param server: the running cluster.
    """

    def __init__(self, server: ceph.Cluster) -> None:
        self.server = server
        self.config: dict[str, Any] = {
            'rbd_store_ceph_conf': os.fspath(server.conf)
        }
        self._rados = policy.imported('rados')
        self.rbd: Any = policy.imported('rbd')
        self._client = self._rados.Rados(
            conffile=os.fspath(server.conf),
            conf={'rados_osd_op_timeout': '30', 'rados_mon_op_timeout': '30'},
        )
        self._client.connect()
        # What an earlier test left is its fault, not that of all to come.
        self._before: frozenset[str] = frozenset()
        self._before = frozenset(self.marked())

    def close(self) -> None:
        self._client.shutdown()

    def uri(self, *pieces: str) -> str:
        """Return the URI of a pool, an image or a snapshot."""
        return f'rbd://{self.server.fsid}/' + '/'.join(pieces)

    def mover(
        self,
        source: str,
        auth: Any = None,
        *,
        data: Any = None,
        **options: Any,
    ) -> move.Mover:
        config = {**self.config, **options}
        return move.Mover(source, config, auth=auth, data=data)

    def writer(self, uri: str, /, auth: Any = None, **options: Any) -> Any:
        config = {
            **self.config,
            **{
                name: options.pop(name)
                for name in list(options)
                if name.startswith('r') and '_timeout' in name
            },
        }
        return stores.open_writer(uri, config, auth=auth, **options)

    def leftovers(self, *pieces: str) -> Iterator[Any]:
        """Yield (store, leftover) of a pool or an image, of whatever age."""
        known = stores.Stores(self.config)
        location = known.location(self.uri(*pieces))
        store = known.find(location)
        for one in list(store.leftovers(location, older_than=0)):
            yield store, one

    def pool(self, name: str) -> Any:
        """Open a pool; a context manager."""
        ioctx = self._client.open_ioctx(name)
        ioctx.set_osdmap_full_try()
        return ioctx

    @contextlib.contextmanager
    def image(
        self, pool: str, name: str, snapshot: str | None = None, **how: bool
    ) -> Iterator[Any]:
        """Open an image, or its snapshot; ``read_only=True`` to look at it."""
        with (
            self.pool(pool) as ioctx,
            self.rbd.Image(ioctx, name, snapshot=snapshot, **how) as image,
        ):
            yield image

    def make(
        self,
        pool: str,
        name: str,
        size: int,
        pieces: Mapping[int, bytes],
        snapshot: str | None = None,
    ) -> str:
        """Make an image with holes, and a snapshot; return its URI."""
        with self.pool(pool) as ioctx:
            self.rbd.RBD().create(ioctx, name, size)
        with self.image(pool, name) as image:
            for offset, data in pieces.items():
                image.write(data, offset)
            if snapshot is None:
                return self.uri(pool, name)
            image.create_snap(snapshot)
        return self.uri(pool, name, snapshot)

    def read(self, pool: str, name: str, snapshot: str | None = None) -> bytes:
        with self.image(pool, name, snapshot, read_only=True) as image:
            data: bytes = image.read(0, image.size())
        return data

    def names(self, pool: str) -> list[str]:
        with self.pool(pool) as ioctx:
            return sorted(self.rbd.RBD().list(ioctx))

    def marked(self, *pools: str) -> list[str]:
        """Return all that bears the mark of a copy that is not over."""
        found = []
        for pool in pools or ceph.cluster.POOLS:
            for name in self.names(pool):
                if name.startswith(_MARK):
                    found.append(f'{pool}/{name}')
                    continue
                with contextlib.suppress(self.rbd.ImageNotFound):
                    found += [
                        f'{pool}/{name}@{one}'
                        for one in self.snapshots(pool, name)
                        if one.startswith(_MARK)
                    ]
        return [one for one in found if one not in self._before]

    def snapshots(self, pool: str, name: str) -> list[str]:
        with self.image(pool, name, read_only=True) as image:
            return [one['name'] for one in image.list_snaps()]

    def bury(self, *pools: str) -> None:
        """Shut out who has an image open, as the dead are after 30 s.

        Whose client died while its watch was being registered has it until
        the placement group is taken up anew.
        """
        began = time.monotonic()
        while watchers := set(self._watchers(*pools)):
            passed = time.monotonic() - began
            assert passed < 90, watchers
            for address in watchers:
                self._shut_out(address)
            if passed > 3:
                osd = self.server.osd.identity
                self._command(prefix='osd down', ids=[osd])
                time.sleep(2)
            time.sleep(0.05)

    def _watchers(self, *pools: str) -> Iterator[str]:
        for pool in pools:
            for name in self.names(pool):
                with (
                    contextlib.suppress(self.rbd.ImageNotFound),
                    self.image(pool, name, read_only=True) as image,
                ):
                    for watcher in list(image.watchers_list()):
                        yield watcher['addr']

    def _shut_out(self, address: str) -> None:
        self._command(prefix='osd blocklist', blocklistop='add', addr=address)

    def _command(self, **command: Any) -> None:
        code, _, said = self._client.mon_command(json.dumps(command), b'')
        assert code == 0, said

    def clear(self, name: str) -> None:
        """Remove the images whose names hold this one, as best it goes."""
        self.bury(*ceph.cluster.POOLS)
        for pool in ceph.cluster.POOLS:
            for found in self.names(pool):
                if name in found:
                    with contextlib.suppress(self.rbd.Error):
                        self.remove(pool, found)

    def remove(self, pool: str, name: str) -> None:
        with self.image(pool, name) as image:
            for one in list(image.list_snaps()):
                if image.is_protected_snap(one['name']):
                    image.unprotect_snap(one['name'])
                image.remove_snap(one['name'])
        with self.pool(pool) as ioctx:
            self.rbd.RBD().remove(ioctx, name)


@contextlib.contextmanager
def watched(server: ceph.Cluster) -> Iterator[Cluster]:
    """Look at a cluster; whatever a test does, no copy leaves a thing."""
    policy.imported('rbd')
    from oslo_image.stores.rbd import connection

    connection.disconnect()
    seen = Cluster(server)
    try:
        yield seen
        assert seen.marked() == []
    finally:
        seen.close()
        connection.disconnect()


def pieces(size: int, seed: int = 0) -> dict[int, bytes]:
    """Return data for an image of some MiB: half of it holes."""
    return {
        at: images.noise(MiB - 64 * KiB, seed + at // MiB)
        for at in range(0, size - MiB + 1, 2 * MiB)
    }


def content(size: int, parts: Mapping[int, bytes]) -> bytes:
    """Return what such an image reads as."""
    data = bytearray(size)
    for offset, piece in parts.items():
        data[offset : offset + len(piece)] = piece
    return bytes(data)


def file_of(path: pathlib.Path, size: int, seed: int = 0) -> pathlib.Path:
    """Write such an image to a file."""
    return images.make(path, size, pieces(size, seed))


def file_writer(path: pathlib.Path) -> Any:
    return stores.open_writer(images.uri(path))
