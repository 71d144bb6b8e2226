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

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Extent, F, Reader, Source
from oslo_image.stores.facets import RbdSnapshot
from oslo_image.stores.rbd import library, marks, reading
from oslo_image.stores.rbd.handle import Pool

LOG = logging.getLogger(__name__)
_UNPINNED = (
    'the user may not make the snapshot that would pin the image, as the '
    'location names none; name one, or set rbd_read_unpinned where nobody '
    'writes to the image'
)


class RbdSource(Source):
    """A snapshot of an image; or an image, which gets one when a copy begins.

    :param pool: open; it is closed with the source.
    :param unpinned: whether to read an image as it is when the user may not
        make a snapshot of it.
    """

    chunk = reading.PIECE

    def __init__(
        self, location: Location, pool: Pool, *, unpinned: bool
    ) -> None:
        super().__init__(location)
        self._pool = pool
        self._spec = pool.spec._replace(fsid=pool.fsid)
        self._unpinned = unpinned
        self._temporary: str | None = None
        #: What a connection that was shut out had open; requests in flight
        #: still hold it.
        self._lost: list[tuple[Any, Pool]] = []
        self._lock = threading.Lock()
        self._closed = False
        self.realm = f'ceph {pool.fsid}'
        self._image = self._open(self._spec.snapshot or None)
        try:
            with pool.mapped():
                self._learn()
        except BaseException:
            self._image.close()
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
        if self._spec.snapshot or self._temporary:
            return
        name = marks.snapshot()
        try:
            image = self._pool.image(self._spec.image)
            try:
                with self._pool.mapped():
                    image.create_snap(name)
            finally:
                image.close()
        except exception.PermissionDenied as error:
            if self._unpinned:
                return
            error.message = _UNPINNED
            raise
        self._temporary = name
        try:
            pinned = self._open(name)
        except exception.ImageNotFound as error:
            raise exception.SourceError(
                'the snapshot that pins the image cannot be opened: so it is '
                'with librbd 16 when the pool is full',
                side='source',
                errno=error.errno,
            ) from error
        head, self._image = self._image, pinned
        head.close()
        with self._pool.mapped():
            size = pinned.size()
            self._snap_id = self._snapshot_id(pinned, name)
        if size != self.size:
            raise exception.SourceChanged(
                f'the image had {self.size} bytes and now has {size}',
                side='source',
            )
        self.version = f'temporary snapshot (id {self._snap_id})'

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Yield the runs that the image's diff from nothing tells."""
        image = self._living()
        coarse = self._has_fast_diff()
        mapped = self._pool.mapped
        return reading.extents(image, start, length, mapped, coarse=coarse)

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream that reads ahead."""
        end = size = self.size or 0
        ahead = reading.AHEAD
        if length is not None:
            end = min(size, offset + length)
            ahead = reading.AHEAD_OF_PART
        image = self._living()
        return reading.AheadReader(
            image, offset, end, self._pool.mapped, ahead
        )

    def _living(self) -> Any:
        """Return the open image, by a new connection if need be."""
        with self._lock:
            if self._pool.connection.broken and not self._closed:
                self._reopen()
            return self._image

    def _reopen(self) -> None:
        name = self._pinned
        pool = self._pool.again()
        try:
            image = pool.image(
                self._spec.image, snapshot=name or None, read_only=True
            )
            self._lost.append((self._image, self._pool))
            self._image, self._pool = image, pool
        except exception.ImageNotFound as error:
            pool.close()
            raise self._gone() from error
        except BaseException:
            pool.close()
            raise
        if not self._is_same(image):
            raise self._gone()

    @property
    def _pinned(self) -> str:
        """The snapshot that is read; '' for none."""
        return self._temporary or self._spec.snapshot

    def _is_same(self, image: Any) -> bool:
        with self._pool.mapped():
            return bool(
                image.id() == self._id
                and self._snapshot_id(image, self._pinned) == self._snap_id
            )

    def check_unchanged(self) -> None:
        """Look whether image and snapshot are still there.

        What a removed snapshot held is trimmed, and reads as zeros.
        """
        self._living()
        if self._pool.id_of(self._spec.image) != self._id:
            raise self._gone()
        if self._snap_id is not None and not self._pool.has_snapshot(
            self._id, self._snap_id
        ):
            raise self._gone()

    def facet(self, kind: type[F]) -> F | None:
        """Return the snapshot, for a clone."""
        if kind is not RbdSnapshot:
            return None
        return cast('F', self._describe())

    def _describe(self) -> RbdSnapshot:
        with self._pool.mapped():
            unit = self._image.stripe_unit()
            features = self._image.features()
            protected = bool(
                self._spec.snapshot
                and self._image.is_protected_snap(self._spec.snapshot)
            )
        return RbdSnapshot(
            fsid=self._pool.fsid,
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
        """Protect the snapshot, by this source's own credentials."""
        image = self._pool.image(self._spec.image)
        try:
            with self._pool.mapped():
                image.protect_snap(self._spec.snapshot)
        finally:
            image.close()

    def close(self) -> None:
        """Close all, and remove the snapshot that was made."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._pool.connection.inherited:
            return
        for image, pool in (*self._lost, (self._image, self._pool)):
            with contextlib.suppress(library.load().rbd.Error):
                image.close()
            if pool is not self._pool:
                pool.close()
        try:
            if self._temporary:
                self._remove_temporary()
        finally:
            self._pool.close()

    def _remove_temporary(self) -> None:
        """Remove it; what cannot be removed bears the mark for ``gc``."""
        try:
            try:
                self._unpin()
            except exception.ImageError as error:
                if error.errno != library.SHUT_OUT:
                    raise
                self._unpin()
        except exception.ImageNotFound:
            pass
        except exception.ImageError as error:
            left = self._spec._replace(snapshot=self._temporary or '')
            LOG.warning('%s is left behind: %s', left.path, error.message)

    def _unpin(self) -> None:
        with self._pool.again() as pool:
            image = pool.image(self._spec.image)
            try:
                with pool.mapped():
                    image.remove_snap(self._temporary)
            finally:
                image.close()

    def _has_fast_diff(self) -> bool:
        rbd = library.load().rbd
        with self._pool.mapped():
            if not self._image.features() & rbd.RBD_FEATURE_FAST_DIFF:
                return False
            return not self._image.flags() & rbd.RBD_FLAG_FAST_DIFF_INVALID

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
