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

"""A store of Glance's, as the operator's configuration has it.

Glance deletes an image's bits by its own driver of the store, so what is laid
there has the name that the driver itself would have given it: in Ceph the
image's id, with the protected snapshot ``snap``; in S3 the id as key
(glance_store, ``_drivers/rbd.py`` and ``_drivers/s3.py``).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import F, MiB, Store, Writer
from oslo_image.stores.facets import RbdImage, S3Target, SwiftTarget

#: The facets by which a server makes an image by itself, and the field of
#: each that has it do so.
ACTS: Final[Mapping[type, str]] = {
    RbdImage: 'clone',
    S3Target: 'copy',
    SwiftTarget: 'copy',
}
_CHUNK: Final = 4 * MiB


def find(
    backends: Mapping[str, Store],
    name: str | None,
    image_id: str,
    auth: Any,
    *,
    flatten: bool,
) -> Backend:
    """Return the backend of a name, for one image.

    :param flatten: whether a clone is to be made independent of its parent.
    :raises Refused: when bits cannot be laid there for Glance.
    """
    if not name:
        raise exception.Refused(
            'nobody says into which store of Glance it goes',
            'name default_backend, or the store',
        )
    store = backends.get(name)
    if store is None:
        raise exception.Refused(
            f'the configuration has no backend {name!r}',
            "hand over that Glance's own glance-api.conf",
        )
    home = _home(name, store, image_id)
    more = {'flatten': True} if flatten and home.scheme == 'rbd' else {}
    return Backend(name, store, home, auth, more)


def _home(name: str, store: Store, image_id: str) -> Location:
    """Return where Glance's driver of a store has an image."""
    o = store.options
    if 'rbd' in store.schemes:
        from oslo_image.stores.rbd import uri as rbd_uri

        spec = rbd_uri.Spec(
            pool=str(o.rbd_store_pool), image=image_id, snapshot='snap'
        )
        return Location(rbd_uri.build(spec), trusted=True)
    if 's3' in store.schemes:
        from oslo_image.stores.s3 import uri as s3_uri

        if not (o.s3_store_host and o.s3_store_bucket):
            raise exception.Refused(
                f'the backend {name!r} has no s3_store_host or no '
                's3_store_bucket'
            )
        place = s3_uri.endpoint(o.s3_store_host)
        where = s3_uri.Spec(place, o.s3_store_bucket, image_id)
        return Location(s3_uri.build(where), trusted=True)
    if 'file' in store.schemes:
        raise exception.Refused(
            f'the store {name!r} is one of files, which Glance lets nobody '
            'register'
        )
    raise exception.Refused(
        f'images in a store like {name!r} are not registered'
    )


class Backend:
    """The bits of one image in a store of Glance's.

    :param name: of the store, in ``enabled_backends``.
    :param home: where Glance's own driver has them.
    :param options: of the store's writer.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        home: Location,
        auth: Any,
        options: Mapping[str, Any],
    ) -> None:
        self.name = name
        #: Whether a server has made them.
        self.laid = False
        self.leftovers: list[str] = []
        self._store = store
        self._home = home
        self._auth = auth
        self._options = options
        self._writer: Writer | None = None
        #: Where they lie under their name.
        self._there: Location | None = None

    def facet(self, kind: type[F], prepare: Callable[[], None]) -> F | None:
        """Return what a server needs to make them.

        :param prepare: called before.
        """
        if self._writer is None:
            writer = self._store.open_writer(
                self._home, auth=self._auth, **self._options
            )
            try:
                writer.check(None)
            except BaseException:
                writer.close()
                raise
            self._writer = writer
        target: Any = self._writer.facet(kind)
        if target is None:
            return None
        act = getattr(target, ACTS[kind])

        def lay(origin: Any, *more: Any) -> None:
            prepare()
            self._begin(origin.size)
            act(origin, *more)
            self.laid = True

        note = f"registered in Glance's store {self.name}"
        changed = {ACTS[kind]: lay, 'note': note}
        return cast('F', dataclasses.replace(target, **changed))

    def _begin(self, size: int) -> None:
        writer = self._writer
        if writer is None:
            raise ValueError('the bits were taken back')
        try:
            writer.begin(size)
        except exception.ImageError as error:
            raise exception.Refused(
                f'it cannot be made in the store {self.name} ({error.message})'
            ) from error

    def publish(self, size: int | None) -> Location:
        """Give the bits their name."""
        if self._writer is None:
            raise ValueError('the bits were taken back')
        where = self._writer.commit(size) or self._home
        self._there = where
        return where

    def digests(
        self, algorithm: str, check: Callable[[], None]
    ) -> dict[str, str]:
        """Read the bits, and return what Glance is to know of them.

        :param algorithm: the site's, beside MD5.
        :param check: called between two reads; raises to end them.
        """
        hashes = {
            name: hashlib.new(name, usedforsecurity=False)
            for name in ('md5', algorithm)
        }
        buffer = memoryview(bytearray(_CHUNK))
        where = self._there or self._home
        with self._store.open_source(where, auth=self._auth) as source:
            source.pin()
            reader = source.open_stream()
            try:
                while count := reader.readinto(buffer):
                    check()
                    for one in hashes.values():
                        one.update(buffer[:count])
            finally:
                reader.close()
        return {
            'checksum': hashes['md5'].hexdigest(),
            'os_hash_algo': algorithm,
            'os_hash_value': hashes[algorithm].hexdigest(),
        }

    def keep(self) -> None:
        """Leave the bits to Glance, or to whoever reads what is left."""
        self.laid = False
        self._there = None

    def take_back(self) -> None:
        """Remove the bits; what stays is a leftover."""
        there, self._there = self._there, None
        writer, self._writer = self._writer, None
        self.laid = False
        if writer is not None:
            self.leftovers += writer.abort()
        if there is None:
            return
        try:
            self._store.delete(there, auth=self._auth)
        except exception.ImageNotFound:
            pass  # Glance has removed them
        except exception.ImageError:
            self.leftovers.append(str(there))
