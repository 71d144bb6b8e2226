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

"""Overwrite an image that is there: by name, or as the caller opened it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import F
from oslo_image.stores.facets import RbdImage
from oslo_image.stores.rbd import library, uri
from oslo_image.stores.rbd.handle import Pool
from oslo_image.stores.rbd.writing import ImageWriter

#: By what an open image is known that is not librbd's own object.
_METHODS = ('aio_write', 'flush', 'get_name', 'size', 'write')


class InPlaceWriter(ImageWriter):
    """What both have in common: nothing is known to be zero, nor comes back.

    Snapshots stay, and so does what lies behind the image's end: the disk
    may be larger.
    """

    fresh_zero_from = None
    _touched = False

    def _capacity(self) -> int:
        """Return the size of the disk from the start of the image on."""
        raise NotImplementedError

    def check(self, size: int | None) -> None:
        """Look whether the disk is large enough."""
        capacity = self._capacity()
        if size is not None and size > capacity:
            raise self._too_small(capacity, size)

    def begin(self, size: int | None) -> None:
        """Look again."""
        self.check(size)
        self._touched = False
        self._state = 'begun'

    def _make_room(self, end: int) -> None:
        self._touched = True
        if end > (capacity := self._capacity()):
            raise self._too_small(capacity, end)

    def rollback(self) -> exception.DestinationState:
        """Nothing can be taken back."""
        self._behind.finish()
        state: exception.DestinationState = (
            'modified' if self._touched else 'untouched'
        )
        self._state = 'new'
        self._position = self._reached = self._written = 0
        self._held.clear()
        return state


class ExistingImageWriter(InPlaceWriter):
    """An image by its name.

    :param pool: opens the pool; called when it is first needed.
    """

    def __init__(
        self, location: Location, size: int | None, pool: Callable[[], Pool]
    ) -> None:
        super().__init__(location, size)
        self._open_pool = pool
        self._kept_pool: Pool | None = None
        self._image: Any = None

    @property
    def _pool(self) -> Pool:
        if self._kept_pool is None:
            self._kept_pool = self._open_pool()
            self.realm = f'ceph {self._kept_pool.fsid}'
        return self._kept_pool

    def check(self, size: int | None) -> None:
        """Look at it without opening it for writing."""
        image = self._image
        if image is None:
            name = self._pool.spec.image
            try:
                image = self._pool.image(name, read_only=True)
            except exception.DestinationError as error:
                error.message = f'there is no image {self._pool.spec.path}'
                raise
        try:
            with self._pool.mapped():
                self._size: int = image.size()
        finally:
            if image is not self._image:
                self._pool.shut(image)
        super().check(size)

    def _capacity(self) -> int:
        return self._size

    def _handle(self) -> Any:
        with self._growing:
            if self._image is None:
                self._image = self._pool.image(self._pool.spec.image)
        return self._image

    def commit(self, size: int | None = None) -> Location | None:
        """Flush it, and let go of it."""
        if self._state == 'new':
            self.begin(size)
        try:
            self._put_held()
            self._settled(size)
            self._behind.drain()
            if self._image is not None:
                with self._pool.mapped():
                    self._image.flush()
        except BaseException:
            self.close()
            raise
        spec = self._pool.spec._replace(fsid=self._pool.fsid)
        self._state = 'committed'
        self._let_go()
        return Location(uri.build(spec), trusted=True)

    def rollback(self) -> exception.DestinationState:
        """Close it."""
        state = super().rollback()
        self._let_go()
        return state

    def facet(self, kind: type[F]) -> F | None:
        """Return the image, which cannot become a clone any more."""
        if kind is not RbdImage:
            return None
        spec = self._pool.spec
        return cast('F', existing_facet(self._pool.fsid, spec))

    def _dismiss(self) -> None:
        """Close it, and let go of the cluster."""
        self._let_go()

    def _let_go(self) -> None:
        image, self._image = self._image, None
        pool, self._kept_pool = self._kept_pool, None
        if pool is not None:
            if image is not None:
                pool.shut(image)
            pool.close()

    def _mapped(self, offset: int | None = None) -> Any:
        return self._pool.mapped()


class OpenImageWriter(InPlaceWriter):
    """An ``rbd.Image`` that the caller has opened; it is never closed.

    :param image: the image.
    :param stream: what gave it and has a position of its own, as os-brick's
        RBDVolumeIOWrapper; the image lands there and the position ends
        behind it. None: it lands at the image's start.
    """

    def __init__(self, image: Any, stream: Any = None) -> None:
        super().__init__(None, None)
        self._image = image
        self._stream = stream
        self._start = 0 if stream is None else stream.tell()

    def __str__(self) -> str:
        return f'the open image {self._image.get_name()}'

    def _capacity(self) -> int:
        with library.mapped('destination'):
            return max(0, int(self._image.size()) - self._start)

    def _handle(self) -> Any:
        return self._image

    def begin(self, size: int | None) -> None:
        """Look where the stream stands now."""
        if self._stream is not None:
            self._start = self._stream.tell()
        super().begin(size)

    def commit(self, size: int | None = None) -> Location | None:
        """Flush it, and leave the position behind the image."""
        if self._state == 'new':
            self.begin(size)
        self._put_held()
        self._behind.drain()
        with library.mapped('destination'):
            self._image.flush()
        end = self._reached if size is None else size
        if self._stream is not None:
            self._stream.seek(self._start + end)
        self._state = 'committed'
        return None

    def rollback(self) -> exception.DestinationState:
        """Put the position back."""
        if self._stream is not None and self._state == 'begun':
            with contextlib.suppress(Exception):
                self._stream.seek(self._start)
        return super().rollback()


def adopt(thing: Any, kind: type) -> OpenImageWriter | None:
    """Return a writer for an open image, or for what wraps one.

    os-brick's RBDVolumeIOWrapper is known by its public attributes; its
    tell() and seek() are those of a file, its write() needs the position.

    :param kind: ``rbd.Image``.
    """
    if _is_image(thing, kind):
        return OpenImageWriter(thing)
    inner = getattr(thing, 'rbd_image', None)
    if _is_image(inner, kind) and callable(getattr(thing, 'seek', None)):
        return OpenImageWriter(inner, thing)
    return None


def _is_image(thing: Any, kind: type) -> bool:
    """Tell whether it is an open image, or forwards all to one.

    So do eventlet's tpool.Proxy and os-brick's RBDVolume. What answers to
    every name, as a mock does, is none.
    """
    if isinstance(thing, kind):
        return True
    methods = [getattr(thing, name, None) for name in _METHODS]
    return all(map(callable, methods)) and isinstance(thing.get_name(), str)


def existing_facet(fsid: str, spec: uri.Spec) -> RbdImage:
    """Return the facet of an image that is there."""

    def never(*arguments: Any) -> None:
        raise exception.Refused('the destination exists')

    return RbdImage(
        fsid=fsid,
        pool=spec.pool,
        namespace=spec.namespace,
        image=spec.image,
        new=False,
        size=None,
        clone_format=1,
        protects=False,
        flattens=False,
        clone=never,
    )
