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

"""What killed copies left in a pool, and how to know it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Leftover
from oslo_image.stores.rbd import cloning, library, marks, naming
from oslo_image.stores.rbd.handle import Pool

#: Kind, snapshot, size and the time of the last change.
_Found = tuple[Literal['partial', 'replaced', 'pin'], str, int | None, float]


class Key(NamedTuple):
    """By what a leftover is known again.

    :param snapshot: of the image; '' for the image itself.
    :param modified: when it last changed, in seconds since the epoch.
    """

    location: Location
    auth: Any
    kind: Literal['partial', 'replaced', 'pin']
    image: str
    name: str
    snapshot: str
    modified: float


def find(
    pool: Pool, older_than: float, location: Location, auth: Any
) -> Iterator[Leftover]:
    """Yield what is in a pool, for one image of it or for all.

    A snapshot that pins a source tells nobody who reads it: its age must do.
    """
    with pool.mapped():
        names = pool.rbd.list(pool.ioctx)
    wanted = pool.spec.image
    before = time.time() - older_than
    for name in names:
        mark = marks.read(name)
        if wanted and wanted != (mark.name if mark else name):
            continue
        try:
            image = pool.image(name, read_only=True)
        except exception.ImageError:
            # Gone, not ours to open, or of a copy that was killed while it
            # made or removed it.
            found = _torso(pool, name, mark)
        else:
            try:
                with pool.mapped():
                    found = list(_of_image(pool, image, name, mark))
            finally:
                pool.shut(image)
        for kind, snapshot, size, modified in found:
            if modified > before:
                continue
            spec = pool.spec._replace(image=name, snapshot=snapshot)
            original = mark.name if mark else name
            key = Key(location, auth, kind, name, original, snapshot, modified)
            yield Leftover(spec.path, size, modified, key)


def _of_image(
    pool: Pool, image: Any, name: str, mark: marks.Mark | None
) -> Iterator[_Found]:
    if mark is not None:
        if not _open_elsewhere(image):
            changed = _seconds(image.modify_timestamp())
            yield mark.kind, '', image.size(), changed
        return
    for one in list(image.list_snaps()):
        snapshot = one['name']
        if isinstance(snapshot, str) and marks.read(snapshot):
            taken = _seconds(image.get_snap_timestamp(one['id']))
            yield 'pin', snapshot, one['size'], taken


def _torso(pool: Pool, name: str, mark: marks.Mark | None) -> list[_Found]:
    """Return an image that is listed and has no header; it has no size."""
    if mark is None or pool.has_header(name):
        return []
    with pool.mapped():
        try:
            _, changed = pool.ioctx.stat(f'rbd_id.{name}')
        except library.load().rados.ObjectNotFound:
            # It is the last that goes.
            return [(mark.kind, '', None, 0.0)]
    return [(mark.kind, '', None, time.mktime(changed))]


def remove(pool: Pool, key: Key) -> bool:
    """Remove what was found, if nobody has it open by now.

    What was to be replaced gets its name back, if nothing took it.
    """
    try:
        image = pool.image(key.image, read_only=not key.snapshot)
    except exception.ImageError as error:
        if not library.is_missing(error):
            raise
        whole = False
    else:
        whole = True
        try:
            with pool.mapped():
                if key.snapshot:
                    image.remove_snap(key.snapshot)
                elif _open_elsewhere(image) or (
                    _seconds(image.modify_timestamp()) > key.modified
                ):
                    return False
        finally:
            pool.shut(image)
    if key.snapshot:
        return True
    with naming.taking(pool, key.name):
        naming.release(pool, key.name)
        if whole and key.kind == 'replaced' and not pool.exists(key.name):
            naming.rename(pool, key.image, key.name)
            return True
    cloning.remove(pool, key.image)
    return True


def _open_elsewhere(image: Any) -> bool:
    """Tell whether a client watches the image; a reader does not."""
    return bool(list(image.watchers_list()))


def _seconds(when: Any) -> float:
    """Turn librbd's naive UTC into seconds since the epoch."""
    return float(when.replace(tzinfo=datetime.UTC).timestamp())
