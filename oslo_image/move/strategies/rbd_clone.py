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

"""Clone a snapshot within a Ceph cluster: metadata only, whatever the size."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from oslo_image import exception
from oslo_image.move.strategies.base import Cost, Moved, No, Yes
from oslo_image.move.strategies.bridge import Bridge
from oslo_image.stores.facets import RbdImage, RbdSnapshot

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe

LOG = logging.getLogger(__name__)


class RbdClone(Bridge[RbdSnapshot, RbdImage]):
    """librbd's clone of a snapshot; copied on the other side where wanted."""

    name = 'rbd_clone'
    cost = Cost.METADATA
    raw_only = True
    kinds = (RbdSnapshot, RbdImage)
    thing = 'an image in Ceph'

    def join(
        self, origin: RbdSnapshot, target: RbdImage, needs: Needs
    ) -> Yes | No:
        """Serve a snapshot and an image to be, of one cluster."""
        if origin.fsid != target.fsid:
            return No(
                f'they are in different clusters, {origin.fsid} and '
                f'{target.fsid}'
            )
        if origin.snapshot is None:
            return No(
                'the location names no snapshot',
                'make a protected snapshot and name it: '
                'rbd://fsid/pool/image/snapshot',
            )
        if not target.new:
            return No(
                'the destination exists', 'a clone is always a new image'
            )
        notes = [target.note] if target.note else []
        if not origin.protected and target.clone_format == 1:
            if not target.protects:
                return No(
                    f'the snapshot {origin.snapshot!r} is not protected',
                    'protect the snapshot, and this is a clone',
                )
            notes.append('the snapshot will be protected')
        if target.flattens or needs.independent:
            notes.append('flattened: copied within the cluster')
            return Yes('; '.join(notes), Cost.SERVER)
        notes.append('depends on {}/{}@{}'.format(*_parent(origin)))
        return Yes('; '.join(notes))

    def move(self, origin: RbdSnapshot, target: RbdImage, pipe: Pipe) -> Moved:
        """Make the clone."""
        parent = _parent(origin)
        if not origin.protected and target.clone_format == 1:
            try:
                origin.protect()
            except exception.ImageError as error:
                raise exception.Refused(
                    f'the snapshot could not be protected ({error.message})'
                ) from error
            LOG.info('%s/%s@%s was protected, for a clone, and stays', *parent)
        flatten = target.flattens or pipe.independent

        def progress(done: int, total: int) -> None:
            pipe.check()
            pipe.advance(origin.size * done // (total or 1) - pipe.done)

        target.clone(origin, flatten, progress)
        return Moved(origin.size, 0, None if flatten else parent)


def _parent(origin: RbdSnapshot) -> tuple[str, str, str | None]:
    """Return pool (and namespace), image and snapshot, as Ceph has them."""
    parts = (origin.pool, origin.namespace)
    pool = '/'.join(part for part in parts if part)
    return pool, origin.image, origin.snapshot
