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

_OTHERS = 'it was opened by another process; open it anew after a fork'


class Pool:
    """A connection and one open pool; a context manager that lets go."""

    def __init__(
        self, settings: Settings, spec: Spec, side: exception.Side
    ) -> None:
        self.side = side
        self.spec = spec
        self._settings = settings
        self._lock = threading.Lock()
        self._open = True
        #: By id(), as they have no hash.
        self._images: dict[int, Any] = {}
        self._connect()
        try:
            shut_out = self._is_shut_out()
        except BaseException:
            self.close()
            raise
        if shut_out:
            self.ioctx.close()
            self.connection.close()
            self._connect()
        _POOLS.add(self)

    def _connect(self) -> None:
        spec, side = self.spec, self.side
        self.connection: Connection = connect(self._settings, side)
        try:
            self._check_cluster(spec)
            self.ioctx = self.connection.pool(spec.pool, spec.namespace, side)
        except BaseException:
            self.connection.close()
            raise
        # Else what meets a full pool waits until it is not: now it fails, and
        # what makes room goes on.
        self.ioctx.set_osdmap_full_try()

    def _is_shut_out(self) -> bool:
        """Tell whether the cluster shut a connection out that has rested."""
        if not self.connection.rested:
            return False
        self.connection.rested = False
        try:
            with self.mapped():
                self.ioctx.stat('rbd_directory')
        except exception.ImageError as error:
            if error.errno == library.SHUT_OUT:
                return True
            if error.temporary:
                raise
        return False

    @property
    def fsid(self) -> str:
        """The id of the cluster."""
        return self.connection.fsid

    @property
    def inherited(self) -> bool:
        """Whether it is a parent process's, and of no use in this one."""
        return self.connection.inherited

    @property
    def rbd(self) -> Any:
        """An instance of ``rbd.RBD``."""
        return library.load().rbd.RBD()

    @contextlib.contextmanager
    def mapped(self, **context: Any) -> Iterator[None]:
        """Map errors; who is shut out leaves the connection to nobody."""
        if self.inherited:
            if self.side == 'source':
                raise exception.SourceError(_OTHERS, side='source')
            raise exception.DestinationError(_OTHERS, side='destination')
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
        image_id: str | None = None,
    ) -> Any:
        """Open an image, an ``rbd.Image``; the caller hands it to shut().

        :param image_id: opens the image of this id, however it is called.
        """
        with self.mapped():
            image = library.load().rbd.Image(
                self.ioctx,
                None if image_id else name,
                snapshot=snapshot,
                read_only=read_only,
                image_id=image_id,
            )
        self._images[id(image)] = image
        return image

    @contextlib.contextmanager
    def opened(self, name: str, **how: Any) -> Iterator[Any]:
        """Open an image for a while, and map errors meanwhile."""
        image = self.image(name, **how)
        try:
            with self.mapped():
                yield image
        finally:
            self.shut(image)

    def shut(self, image: Any) -> None:
        """Close an image; of a parent process's nothing may be told to Ceph.

        What fails then costs nothing but a watch, which ends by itself.
        """
        if self.inherited:
            return
        self._images.pop(id(image), None)
        with contextlib.suppress(library.load().rbd.Error):
            image.close()

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
        """Close the images, then the pool, and let go of the connection."""
        if self.inherited:
            return
        with self._lock:
            if not self._open:
                return
            self._open = False
        for image in list(self._images.values()):
            self.shut(image)
        self.ioctx.close()
        self.connection.close()

    def abandon(self) -> None:
        """Leave all of it to the parent process."""
        handles = self.connection.cluster, self.ioctx, *self._images.values()
        library.forsake(*handles)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _check_cluster(self, spec: Spec) -> None:
        """Refuse a URI of another cluster."""
        if spec.fsid and spec.fsid != self.fsid:
            raise self._error(
                f'it lies in the cluster {spec.fsid}, and the options lead '
                f'to {self.fsid}'
            )

    def _error(self, message: str) -> exception.ImageError:
        kind = (
            exception.SourceUnavailable
            if self.side == 'source'
            else exception.DestinationError
        )
        return kind(message, side=self.side)


#: Those that are open, by which a forked child knows what is its parent's.
_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_POOLS):
        pool.abandon()


os.register_at_fork(after_in_child=_after_fork)
