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

"""An open image: one handle of librbd with what it hangs on."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Self

from oslo_image import exception
from oslo_image.stores.rbd import library
from oslo_image.stores.rbd.connection import Connection, Settings, connect
from oslo_image.stores.rbd.uri import Spec


class Pool:
    """A connection and one open pool; a context manager that lets go."""

    def __init__(
        self, settings: Settings, spec: Spec, side: exception.Side
    ) -> None:
        self.side = side
        self.spec = spec
        self._settings = settings
        self.connection: Connection = connect(settings, side)
        self._lock = threading.Lock()
        self._open = True
        try:
            self._check_cluster(spec)
            self.ioctx = self.connection.pool(spec.pool, spec.namespace, side)
            # Else what meets a full pool waits until it is not: now it fails,
            # and what makes room goes on.
            self.ioctx.set_osdmap_full_try()
        except BaseException:
            self.connection.close()
            raise
        self._images: list[Any] = []
        _POOLS.add(self)

    @property
    def fsid(self) -> str:
        """The id of the cluster."""
        return self.connection.fsid

    @property
    def rbd(self) -> Any:
        """An instance of ``rbd.RBD``."""
        return library.load().rbd.RBD()

    @contextlib.contextmanager
    def mapped(self, **context: Any) -> Iterator[None]:
        """Map errors; who is shut out leaves the connection to nobody."""
        try:
            with library.mapped(self.side, **context):
                yield
        except exception.ImageError as error:
            if error.errno == library.SHUT_OUT:
                self.connection.discard()
            raise

    def image(
        self,
        name: str,
        *,
        snapshot: str | None = None,
        read_only: bool = False,
    ) -> Any:
        """Open an image, an ``rbd.Image``; the caller closes it."""
        with self.mapped():
            image = library.load().rbd.Image(
                self.ioctx, name, snapshot=snapshot, read_only=read_only
            )
        self._images.append(image)
        return image

    def again(self) -> Pool:
        """Open it anew: by a new connection, where this one is shut out."""
        return Pool(self._settings, self.spec, self.side)

    def exists(self, name: str) -> bool:
        """Tell whether the pool has an image of this name."""
        return self.id_of(name) is not None

    def id_of(self, name: str) -> str | None:
        """Return the id of an image, or None if there is none of this name.

        One request instead of the dozen of opening it. What it looks at is
        where every client begins: the object that the name leads to.
        """
        rados = library.load().rados
        with self.mapped():
            try:
                found: bytes = self.ioctx.read(f'rbd_id.{name}')
            except rados.ObjectNotFound:
                return None
        return library.text(found)

    def has_header(self, name: str) -> bool:
        """Tell whether there is more of an image than its name.

        What is killed makes the name first, and removes it last.
        """
        image_id = self.id_of(name)
        if image_id is None:
            return False
        with self.mapped():
            try:
                self.ioctx.stat(f'rbd_header.{image_id}')
            except library.load().rados.ObjectNotFound:
                return False
        return True

    def has_snapshot(self, image_id: str, snapshot_id: int) -> bool:
        """Tell whether an image, by its id, still has a snapshot, by its."""
        key = f'snapshot_{snapshot_id:016x}'
        return self.value(f'rbd_header.{image_id}', key) is not None

    def value(self, name: str, key: str) -> bytes | None:
        """Return what an object's map has for a key, or None for nothing."""
        rados = library.load().rados
        with self.mapped(), rados.ReadOpCtx() as operation:
            found, _ = self.ioctx.get_omap_vals_by_keys(operation, (key,))
            try:
                self.ioctx.operate_read_op(operation, name)
            except rados.ObjectNotFound:
                return None
            return dict(found).get(key)

    def close(self) -> None:
        """Close the pool and let go of the connection."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        if self.connection.inherited:
            return
        self.ioctx.close()
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def forsake(self) -> None:
        """Keep a parent process's handles for ever.

        Closing one, as its destructor does, waits for threads that a forked
        child does not have.
        """
        import ctypes

        for one in (self.ioctx, *self._images):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))

    def _check_cluster(self, spec: Spec) -> None:
        """Refuse a URI of another cluster."""
        if spec.fsid and spec.fsid != self.fsid:
            kind = (
                exception.SourceUnavailable
                if self.side == 'source'
                else exception.DestinationError
            )
            raise kind(
                f'it lies in the cluster {spec.fsid}, and the options lead '
                f'to {self.fsid}',
                side=self.side,
            )


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()



def _after_fork() -> None:
    for pool in _POOLS:
        pool.forsake()


os.register_at_fork(after_in_child=_after_fork)
