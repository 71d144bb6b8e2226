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

"""The store of images in Ceph, with glance_store's options and URIs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import IfExists, Leftover, MiB, Store, Writer
from oslo_image.stores.rbd import uri as uris
from oslo_image.stores.rbd.connection import RbdAuth, Settings
from oslo_image.stores.rbd.options import list_opts

if TYPE_CHECKING:
    from oslo_config import cfg

    from oslo_image.stores.rbd.handle import Pool
    from oslo_image.stores.rbd.source import RbdSource


class RbdStore(Store):
    """Images of a Ceph cluster, which the options say how to reach."""

    schemes = ('rbd',)
    libraries: ClassVar[dict[str, str]] = {'rados': '', 'rbd': ''}

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return the options; those of glance_store keep their names."""
        return list_opts()

    @classmethod
    def adopt(cls, thing: Any) -> Writer | None:
        """Take an open ``rbd.Image``, or os-brick's RBDVolumeIOWrapper."""
        kind = getattr(sys.modules.get('rbd'), 'Image', None)
        if not isinstance(kind, type):
            return None  # who has an open image has imported the library
        from oslo_image.stores.rbd import existing

        return existing.adopt(thing, kind)

    def parse(self, uri: str) -> Location:
        """Check a URI.

        :raises InvalidLocation: saying which piece is wrong.
        """
        uris.parse(uri)
        return Location(uri)

    def affinity(self, location: Location) -> int:
        """Go by the cluster's fsid, as far as the ceph.conf has it; by pool.

        :returns: 0 for another cluster; 1 to 4, the cluster before the pool.
        """
        spec = uris.parse(location.reveal())
        own = _fsid(self.options.rbd_store_ceph_conf or '')
        if spec.fsid and own and spec.fsid != own:
            return 0
        sure = 2 if spec.fsid and own else 0
        return 1 + sure + int(spec.pool == str(self.options.rbd_store_pool))

    def open_source(
        self, location: Location, *, auth: Any = None
    ) -> RbdSource:
        """Open an image read-only, at its snapshot where there is one.

        :param auth: an :class:`RbdAuth`; what else it may be is another
            store's.
        """
        from oslo_image.stores.rbd.source import RbdSource

        pool = self._pool(location, auth, 'source')
        try:
            return RbdSource(
                location, pool, unpinned=self.options.rbd_read_unpinned
            )
        except BaseException:
            pool.close()
            raise

    def open_writer(
        self,
        location: Location,
        *,
        size: int | None = None,
        if_exists: IfExists = 'fail',
        auth: Any = None,
        **options: Any,
    ) -> Writer:
        """Return a writer of an image.

        :param auth: an :class:`RbdAuth`.
        :param options: for a new image ``order``, ``features``, ``data_pool``,
            ``disk_size``, ``clone_format``, ``protect`` and ``flatten``; see
            :class:`oslo_image.stores.rbd.form.Form`.
        """
        from oslo_image.stores.rbd.existing import ExistingImageWriter
        from oslo_image.stores.rbd.form import Form
        from oslo_image.stores.rbd.new import NewWriter

        clone_format = options.get('clone_format')

        def pool() -> Pool:
            return self._pool(
                location, auth, 'destination', clone_format=clone_format
            )

        spec = uris.parse(location.reveal())
        if if_exists == 'in_place':
            if spec.snapshot:
                raise exception.InvalidWriter(
                    'a snapshot cannot be overwritten; name the image alone',
                    destination=location,
                    side='destination',
                )
            if options:
                raise exception.InvalidOption(
                    f'an image in place knows no {", ".join(options)}'
                )
            return ExistingImageWriter(location, size, pool)
        known = Form.__dataclass_fields__
        if unknown := options.keys() - known.keys():
            raise exception.InvalidOption(
                f'an image in Ceph knows no {", ".join(sorted(unknown))}; '
                f'there are {", ".join(known)}'
            )
        o = self.options
        if spec.snapshot and options.get('order') is None:
            chunk = o.rbd_store_chunk_size * MiB
            options['order'] = chunk.bit_length() - 1
        options.setdefault('clone_format', o.rbd_clone_format)
        options.setdefault('protect', o.rbd_protect_snapshots)
        form = Form(**options)
        return NewWriter(
            location, size, pool, form, replace=if_exists == 'replace'
        )

    def delete(self, location: Location, *, auth: Any = None) -> None:
        """Delete an image, as Glance does.

        :raises ImageNotFound:
        :raises InUse: when it has clones that need it, snapshots that the
            location does not name, or is open.
        """
        from oslo_image.stores.rbd import cloning

        with self._pool(location, auth, 'source') as pool:
            cloning.delete(pool, pool.spec.image, pool.spec.snapshot)

    def leftovers(
        self, location: Location, *, older_than: float, auth: Any = None
    ) -> Iterator[Leftover]:
        """Yield images that bear the mark, and snapshots that pinned a source.

        An image that a client has open is in use.
        """
        from oslo_image.stores.rbd import leftovers

        pool = self._pool(location, auth, 'destination', whole=True)
        with pool:
            yield from leftovers.find(pool, older_than, location, auth)

    def remove_leftover(self, leftover: Leftover, *, auth: Any = None) -> bool:
        """Remove it, or put an image back that was to be replaced."""
        from oslo_image.stores.rbd import leftovers

        location, own = leftover.key.location, leftover.key.auth
        pool = self._pool(location, auth or own, 'destination', whole=True)
        with pool:
            return leftovers.remove(pool, leftover.key)

    def close(self) -> None:
        """Nothing: connections belong to the process, and outlast a copy."""

    def _pool(
        self,
        location: Location,
        auth: Any,
        side: exception.Side,
        *,
        whole: bool = False,
        clone_format: int | None = None,
    ) -> Pool:
        """Open the pool of a location.

        :param whole: whether it may name a pool and no image.
        :param clone_format: of the clones made by the connection, where it is
            another than the option's.
        """
        from oslo_image.stores.rbd.handle import Pool

        own = auth if isinstance(auth, RbdAuth) else RbdAuth()
        spec = uris.parse(location.reveal())
        o = self.options
        if not spec.image and not whole:
            raise exception.InvalidLocation(
                f'{location} names a pool and no image'
            )
        if not spec.pool:
            spec = spec._replace(pool=own.pool or o.rbd_store_pool)
        timeout = (
            o.rados_connect_timeout
            if own.connect_timeout is None
            else own.connect_timeout
        )
        settings = Settings(
            conf=own.conf or o.rbd_store_ceph_conf or '',
            user=own.user or o.rbd_store_user or '',
            connect_timeout=timeout,
            operation_timeout=o.rbd_operation_timeout,
            clone_format=clone_format or o.rbd_clone_format,
        )
        return Pool(settings, spec, side)


@functools.lru_cache(maxsize=16)
def _fsid(conf: str) -> str:
    """Return the fsid that stands in a ceph.conf, or ''."""
    try:
        with open(conf, encoding='utf-8', errors='replace') as lines:
            for line in lines:
                name, _, value = line.partition('=')
                if name.strip().lower() == 'fsid':
                    return value.partition('#')[0].partition(';')[0].strip()
    except OSError:
        pass
    return ''
