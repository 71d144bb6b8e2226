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

"""An image in Ceph as a source, pinned to a snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Extent, F, Reader, Source
from oslo_image.stores.facets import RbdSnapshot
from oslo_image.stores.rbd import library, reading
from oslo_image.stores.rbd.handle import Pool
from oslo_image.stores.rbd.pinning import Pin

T = TypeVar('T')


class RbdSource(Source):
    """A snapshot of an image; or an image, which gets one when a copy begins.

    :param pool: open; it is closed with the source.
    :param unpinned: whether to read an image as it is when the user may not
        make a snapshot of it.
    """

    chunk = 4 << 20  # an object

    def __init__(
        self, location: Location, pool: Pool, *, unpinned: bool
    ) -> None:
        super().__init__(location)
        self._pool = pool
        self._spec = pool.spec._replace(fsid=pool.fsid)
        self._unpinned = unpinned
        self._pin: Pin | None = None
        #: The snapshot that is read; '' for none.
        self._pinned = self._spec.snapshot
        #: Whose connections were shut out; requests in flight still hold
        #: images there.
        self._lost: list[Pool] = []
        self._lock = threading.Lock()
        self._closed = False
        self.realm = f'ceph {pool.fsid}'
        self._image = self._open(self._spec.snapshot or None)
        try:
            with pool.mapped():
                self._learn()
        except BaseException:
            pool.shut(self._image)
            raise

    def _open(self, snapshot: str | None) -> Any:
        try:
            return self._pool.image(
                self._spec.image, snapshot=snapshot, read_only=True
            )
        except exception.ImageNotFound as error:
            error.message = f'there is no {self._spec.path}'
            raise

    def _learn(self) -> None:
        image = self._image
        self.size = image.size()
        self._id: str = image.id()
        self._snap_id = self._snapshot_id(image, self._spec.snapshot)
        self.version = (
            f'snapshot {self._spec.snapshot} (id {self._snap_id})'
            if self._spec.snapshot
            else None
        )

    def pin(self) -> None:
        """Make a snapshot where the location names none."""
        if self._spec.snapshot or self._pin:
            return
        pin = self._pin = Pin(self._id)
        try:
            self._persist(lambda: pin.make(self._living()[1]))
        except exception.ImageError as error:
            if self._unpinned and not error.temporary:
                return
            raise
        try:
            pinned = self._open(pin.name)
        except exception.ImageNotFound as error:
            raise exception.SourceError(
                'the snapshot that pins the image cannot be opened: so it is '
                'with librbd 16 when the pool is full',
                side='source',
                errno=error.errno,
            ) from error
        head, self._image, self._pinned = self._image, pinned, pin.name
        self._pool.shut(head)
        with self._pool.mapped():
            size = pinned.size()
            self._snap_id = self._snapshot_id(pinned, pin.name)
        if size != self.size:
            raise exception.SourceChanged(
                f'the image had {self.size} bytes and now has {size}',
                side='source',
            )
        self.version = f'temporary snapshot (id {self._snap_id})'

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Yield the runs that the image's diff from nothing tells."""
        coarse = self._persist(self._answers_coarsely)

        def diff(start: int, end: int) -> list[tuple[int, int]]:
            image, pool = self._living()
            return reading.diff_of(
                image, start, end, pool.mapped, coarse=coarse
            )

        def again(start: int, end: int) -> list[tuple[int, int]]:
            return self._persist(lambda: diff(start, end))

        return reading.extents(again, start, length)

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream that reads ahead."""
        end = size = self.size or 0
        ahead = reading.AHEAD
        if length is not None:
            end = min(size, offset + length)
            ahead = reading.AHEAD_OF_PART
        image, pool = self._living()
        return reading.AheadReader(image, offset, end, pool.mapped, ahead)

    def _persist(self, ask: Callable[[], T]) -> T:
        """Ask the cluster, and once more where that may go well."""
        try:
            return ask()
        except exception.ImageError as error:
            if not error.temporary:
                raise
            return ask()

    def _living(self) -> tuple[Any, Pool]:
        """Return the open image and its pool, newly connected if need be."""
        with self._pool.mapped(), self._lock:
            if self._pool.connection.broken and not self._closed:
                self._reopen()
            return self._image, self._pool

    def _reopen(self) -> None:
        pool = self._pool.again()
        try:
            image = pool.image(
                self._spec.image, snapshot=self._pinned or None, read_only=True
            )
            with pool.mapped():
                same = (
                    image.id() == self._id
                    and self._snapshot_id(image, self._pinned) == self._snap_id
                )
            if not same:
                raise self._gone()
        except BaseException as error:
            pool.close()
            if isinstance(error, exception.ImageNotFound):
                raise self._gone() from error
            raise
        self._lost.append(self._pool)
        self._image, self._pool = image, pool

    def check_unchanged(self) -> None:
        """Look whether image and snapshot are still there.

        What a removed snapshot held is trimmed, and reads as zeros.
        """
        if not self._persist(self._is_there):
            raise self._gone()

    def _is_there(self) -> bool:
        _, pool = self._living()
        if pool.id_of(self._spec.image) != self._id:
            return False
        return self._snap_id is None or pool.has_snapshot(
            self._id, self._snap_id
        )

    def facet(self, kind: type[F]) -> F | None:
        """Return the snapshot, for a clone."""
        if kind is not RbdSnapshot:
            return None
        return cast('F', self._describe())

    def _describe(self) -> RbdSnapshot:
        image, pool = self._living()
        with pool.mapped():
            unit = image.stripe_unit()
            features = image.features()
            protected = bool(
                self._spec.snapshot
                and image.is_protected_snap(self._spec.snapshot)
            )
        return RbdSnapshot(
            fsid=pool.fsid,
            pool=self._spec.pool,
            namespace=self._spec.namespace,
            image=self._spec.image,
            snapshot=self._spec.snapshot or None,
            size=self.size or 0,
            stripe_unit=unit,
            features=features,
            protected=protected,
            protect=self._protect,
        )

    def _protect(self) -> None:
        """Protect the snapshot, by this source's own credentials.

        Another copy may be doing so.
        """
        name = self._spec.snapshot
        _, pool = self._living()
        with pool.opened(self._spec.image) as image:
            try:
                image.protect_snap(name)
            except library.load().rbd.Error:
                if not image.is_protected_snap(name):
                    raise

    def close(self) -> None:
        """Close all, and remove the snapshot that was made.

        What a parent process has opened is left to it.
        """
        if self._pool.inherited:
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for pool in self._lost:
            pool.close()
        self._pool.shut(self._image)
        try:
            if self._pin:
                self._pin.remove(self._pool)
        finally:
            self._pool.close()

    def _answers_coarsely(self) -> bool:
        """Whether the object map tells all that holds data.

        Some versions of librbd 16 leave out there what a clone has of its
        parent (https://tracker.ceph.com/issues/53787).
        """
        rbd = library.load().rbd
        image, pool = self._living()
        with pool.mapped():
            if not image.features() & rbd.RBD_FEATURE_FAST_DIFF:
                return False
            if image.flags() & rbd.RBD_FLAG_FAST_DIFF_INVALID:
                return False
            try:
                image.parent_info()
            except rbd.ImageNotFound:
                return True
            return False

    def _snapshot_id(self, image: Any, name: str) -> int | None:
        if not name:
            return None
        for one in image.list_snaps():
            if one['name'] == name:
                found: int = one['id']
                return found
        return None

    def _gone(self) -> exception.SourceChanged:
        return exception.SourceChanged(
            f'{self._spec.path} was removed or replaced',
            side='source',
        )
