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

"""A pool of a Ceph cluster as a place: the tests' own, or an operator's."""

from __future__ import annotations

import contextlib
import datetime
import functools
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from oslo_image import exception, stores
from oslo_image.bench.places import Enter, Missing, Place
from oslo_image.bench.shape import Shape
from oslo_image.bench.shared import PREFIX, Shared
from oslo_image.stores.base import MiB
from oslo_image.stores.rbd import library, uri
from oslo_image.stores.registry import Stores

#: The snapshot of each image, as Glance has it.
SNAPSHOT = 'snap'
_TIMEOUT = '30'


class RbdPool(Shared):
    """The pool that a configuration names.

    :param config: with ``rbd_store_ceph_conf``, ``rbd_store_user`` and
        ``rbd_store_pool``.
    :raises Missing: when the libraries or the cluster are not there.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        options = _options(config)
        self.conf: str = options.rbd_store_ceph_conf or ''
        self.user: str = options.rbd_store_user or ''
        self.pool: str = options.rbd_store_pool
        self._order = (options.rbd_store_chunk_size * MiB).bit_length() - 1
        #: An open connection, for what is measured without connecting.
        self.cluster = self._connect()
        self.fsid: str = self.cluster.get_fsid()

    def _connect(self) -> Any:
        try:
            rados, _ = library.load()
            cluster = rados.Rados(
                conffile=self.conf,
                rados_id=self.user or None,
                conf={'rbd_cache': 'false', 'client_mount_timeout': _TIMEOUT},
            )
            cluster.connect()
            cluster.open_ioctx(self.pool).close()
        except exception.MissingDependency as error:
            raise Missing(str(error)) from error
        except library.load().rados.Error as error:
            raise Missing(f'the pool {self.pool}: {error}') from error
        return cluster

    def make(self, shape: Shape) -> str:
        """Make a Glance image: the snapshot is protected."""
        made = f'{self.target()}/{SNAPSHOT}'
        with stores.open_writer(made, self.config, size=shape.size) as writer:
            writer.begin(shape.size)
            for offset, data in shape.pieces():
                writer.put(offset, memoryview(data))
            writer.commit(shape.size)
        return made

    def target(self) -> str:
        """Return the URI of a disk that is not there."""
        return self._uri(self.name())

    def forgotten(self, before: float) -> Iterable[str]:
        """Return the images of killed runs, clones before their parents."""
        rbd = library.load().rbd
        with self.cluster.open_ioctx(self.pool) as ioctx:
            ages = {}
            for name in rbd.RBD().list(ioctx):
                if name.startswith(PREFIX):
                    with rbd.Image(ioctx, name, read_only=True) as image:
                        made = image.create_timestamp()
                    ages[name] = made.replace(tzinfo=datetime.UTC).timestamp()
        names = sorted(
            ages, key=lambda name: int(name.rpartition('.')[2]), reverse=True
        )
        return [self._uri(name) for name in names if ages[name] < before]

    def discard(self, target: str) -> None:
        """Remove the image; with an object map that takes no time.

        Some peers copy the source's snapshots as well.
        """
        rbd = library.load().rbd
        name = uri.parse(target).image
        with self.cluster.open_ioctx(self.pool) as ioctx:
            try:
                image = rbd.Image(ioctx, name)
            except rbd.ImageNotFound:
                return
            with image:
                for one in list(image.list_snaps()):
                    if image.is_protected_snap(one['name']):
                        image.unprotect_snap(one['name'])
                    image.remove_snap(one['name'])
            rbd.RBD().remove(ioctx, name)

    def _uri(self, image: str) -> str:
        return uri.build(uri.Spec(self.fsid, self.pool, '', image))

    @property
    def arguments(self) -> Sequence[str]:
        """What leads the programs of Ceph to the cluster."""
        return (
            *(('--conf', self.conf) if self.conf else ()),
            *(('--id', self.user) if self.user else ()),
        )

    def qemu(self, location: str) -> str:
        """Return how qemu calls an image."""
        name = f'rbd:{path_of(location)}'
        if self.conf:
            name += ':conf=' + self.conf.replace(':', r'\:')
        return f'{name}:id={self.user}' if self.user else name

    def __exit__(self, *exc_info: object) -> None:
        try:
            super().__exit__(*exc_info)
        finally:
            self.cluster.shutdown()


def path_of(location: str) -> str:
    """Return a URI's image as ``rbd`` calls it, ``pool/image@snapshot``."""
    return uri.parse(location).path


def disk_of(location: str) -> str:
    """Return the URI of an image without its snapshot."""
    return uri.build(uri.parse(location)._replace(snapshot=''))


def configured(config: Any) -> Mapping[str, Enter]:
    """Return the places that a configuration adds, by name."""
    if config is None:
        return {}
    options = _options(config)
    if options.rbd_store_ceph_conf or options.rbd_store_pool != 'images':
        return {'rbd': functools.partial(_enter, config)}
    return {}


@contextlib.contextmanager
def _enter(config: Any, work: pathlib.Path) -> Iterator[Place]:
    with RbdPool(config) as place:
        yield place


def _options(config: Any) -> Any:
    found = Stores(config)
    return found.find(found.location('rbd://any')).options
