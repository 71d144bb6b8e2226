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

"""A new image: made under a marked name, and renamed when it is complete."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import F, MiB
from oslo_image.stores.facets import RbdImage, RbdSnapshot
from oslo_image.stores.rbd import cloning, marks, uri
from oslo_image.stores.rbd.form import Form
from oslo_image.stores.rbd.handle import Pool
from oslo_image.stores.rbd.publishing import Publisher
from oslo_image.stores.rbd.writing import ImageWriter

#: How much an image whose size nobody knows grows at once.
_GROWTH = 1024 * MiB


class NewWriter(ImageWriter):
    """An image that does not exist yet, or replaces one that does.

    :param pool: opens the pool; called when it is first needed.
    :param replace: whether an image of the name is to be replaced.
    """

    fresh_zero_from = 0

    def __init__(
        self,
        location: Location,
        size: int | None,
        pool: Callable[[], Pool],
        form: Form,
        *,
        replace: bool,
    ) -> None:
        super().__init__(location, size)
        self._spec = uri.parse(location.reveal())
        self._open_pool = pool
        self._form = form
        self._replace = replace
        self._kept_pool: Pool | None = None
        self._image: Any = None
        #: The image as it is called at present; '' before it exists.
        self._name = ''
        self._capacity = 0
        self._publisher = Publisher(replace=replace)

    @property
    def _pool(self) -> Pool:
        if self._kept_pool is None:
            self._kept_pool = self._open_pool()
            self._spec = self._kept_pool.spec._replace(
                fsid=self._kept_pool.fsid
            )
            self.realm = f'ceph {self._kept_pool.fsid}'
        return self._kept_pool

    @property
    def _complete(self) -> bool:
        """Whether it is a clone with which nothing is to be done."""
        return self._name == self._spec.image and self._image is None

    @property
    def leftovers(self) -> list[str]:
        """The images that could not be removed."""
        return self._publisher.leftovers

    def check(self, size: int | None) -> None:
        """Look whether the name is free and the disk large enough."""
        self._publisher.check(self._pool)
        self._check_disk(size or 0)

    def _check_disk(self, size: int) -> None:
        disk = self._form.disk_size
        if disk is not None and size > disk:
            raise self._too_small(disk, size)

    def begin(self, size: int | None) -> None:
        """Look again; the image is made with the first byte, or the clone."""
        self.check(size)
        self.size = size if size is not None else self.size
        self._state = 'begun'

    def _handle(self) -> Any:
        if self._image is None:
            with self._growing:
                if self._image is None:
                    self._make()
        return self._image

    def _make(self) -> None:
        pool = self._pool
        name = marks.image('partial', self._spec.image)
        form = self._form
        self._capacity = form.disk_size or self.size or 0
        options: dict[str, Any] = {'old_format': False}
        if form.features is not None:
            options['features'] = form.features
        if form.data_pool:
            options['data_pool'] = form.data_pool
        if form.order is not None:
            options['order'] = form.order
        # Before it is made: what gets no answer may be done all the same.
        self._name = name
        with pool.mapped():
            pool.rbd.create(pool.ioctx, name, self._capacity, **options)
        self._image = pool.image(name)

    def _make_room(self, end: int) -> None:
        if end <= self._capacity:
            return
        self._check_disk(end)
        if self.size is not None:
            raise exception.SizeMismatch(
                f'{self.size} bytes were declared and more come',
                side='destination',
            )
        with self._growing:
            if end > self._capacity:
                room = -(-end // _GROWTH) * _GROWTH
                with self._pool.mapped():
                    self._image.resize(room)
                self._capacity = room

    def commit(self, size: int | None = None) -> Location | None:
        """Give it size, snapshot and name."""
        if self._state == 'new':
            self.begin(size)
        try:
            self._put_held()
            if not self._complete:
                self._handle()
            size = self._settled(size)
            if not self._complete:
                self._finish(size)
                self._publisher.publish(self._pool, self._name)
            self._name = ''
        except BaseException:
            self.close()
            raise
        self._state = 'committed'
        self._let_go()
        return Location(uri.build(self._spec), trusted=True)

    def _finish(self, size: int) -> None:
        """Give the image the size of the disk, and a Glance image its snap."""
        snapshot = self._spec.snapshot
        disk = size if self._form.disk_size is None else self._form.disk_size
        self._check_disk(size)
        self._behind.drain()
        with self._pool.mapped():
            self._image.flush()
            if self._image.size() != disk:
                self._image.resize(disk)
            if snapshot:
                self._image.create_snap(snapshot)
                self._image.protect_snap(snapshot)
        image, self._image = self._image, None
        self._pool.shut(image)

    def rollback(self) -> exception.DestinationState:
        """Remove the image that was made; that of a parent process stays."""
        self._behind.finish()
        image, self._image = self._image, None
        if image is not None:
            self._pool.shut(image)
        state: exception.DestinationState = 'untouched'
        if self._name and not self._pool.inherited:
            state = self._publisher.remove(self._pool, self._name)
        self._name = ''
        self._capacity = 0
        self._restart()
        self._let_go()
        return state

    def facet(self, kind: type[F]) -> F | None:
        """Return the image to be, for a clone."""
        if kind is not RbdImage or self._state not in ('new', 'begun'):
            return None
        pool, form = self._pool, self._form
        return cast(
            'F',
            RbdImage(
                fsid=pool.fsid,
                pool=self._spec.pool,
                namespace=self._spec.namespace,
                image=self._spec.image,
                new=True,
                size=form.disk_size,
                clone_format=form.clone_format,
                protects=form.protect,
                flattens=form.flatten,
                clone=self._clone,
            ),
        )

    def _clone(
        self,
        parent: RbdSnapshot,
        flatten: bool,
        progress: Callable[[int, int], None],
    ) -> None:
        """Make the image a clone; straight to its name when that is all."""
        pool, form = self._pool, self._form
        more = (
            flatten
            or self._replace
            or self._spec.snapshot
            or form.disk_size not in (None, parent.size)
        )
        name = (
            marks.image('partial', self._spec.image)
            if more
            else self._spec.image
        )
        alone = None if more else self._publisher.taking(pool)
        with alone or contextlib.nullcontext():
            # Before it is made, as in _make().
            self._name = name
            try:
                cloning.clone(pool, parent, name, form)
            except (exception.DestinationExists, exception.Refused):
                self._name = ''  # what has the name is not ours
                raise
        self._capacity = parent.size
        if more:
            self._image = pool.image(name)
        if flatten:
            cloning.flatten(pool, self._image, progress)

    def _dismiss(self) -> None:
        """Let go of the cluster."""
        self._let_go()

    def _let_go(self) -> None:
        pool, self._kept_pool = self._kept_pool, None
        if pool is not None:
            pool.close()

    def _mapped(self, offset: int | None = None) -> Any:
        return self._pool.mapped()
