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

"""What librbd does on the other side: clone, flatten, remove."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from oslo_image import exception
from oslo_image.stores.facets import RbdSnapshot
from oslo_image.stores.rbd import library
from oslo_image.stores.rbd.handle import Pool

if TYPE_CHECKING:
    from oslo_image.stores.rbd.form import Form

#: How often, a second apart, an image that was emptied is tried to be removed.
_COUNTS = 15
#: What a clone cannot take over from its parent: where its data lies and how
#: it is striped, what mirrors it, and what is not of the image but of an
#: operation on it.
_OWN = (
    'RBD_FEATURE_STRIPINGV2',
    'RBD_FEATURE_DATA_POOL',
    'RBD_FEATURE_OPERATIONS',
    'RBD_FEATURE_MIGRATING',
    'RBD_FEATURE_JOURNALING',
)


def clone(pool: Pool, parent: RbdSnapshot, name: str, form: Form) -> None:
    """Make an image of a pool the clone of a snapshot.

    Its objects are no smaller than the parent's stripe unit, which librbd
    demands (LP 1931004), nor than the caller asks.

    :raises Refused: when librbd would not, and nothing was made.
    """
    connection = pool.connection
    origin = connection.pool(parent.pool, parent.namespace, pool.side)
    try:
        floor = max(parent.stripe_unit, 1 << (form.order or 0))
        options: dict[str, Any] = {
            'features': _features(parent, form),
            'order': floor.bit_length() - 1,
        }
        if form.data_pool:
            options['data_pool'] = form.data_pool
        with pool.mapped():
            pool.rbd.clone(
                origin,
                parent.image,
                parent.snapshot,
                pool.ioctx,
                name,
                **options,
            )
    except exception.DestinationExists:
        raise
    except exception.ImageError as error:
        if pool.exists(name):
            raise
        raise exception.Refused(
            f'the cluster would not clone it ({error.message})'
        ) from error
    finally:
        origin.close()


def _features(parent: RbdSnapshot, form: Form) -> int:
    rbd = library.load().rbd
    wanted = parent.features if form.features is None else form.features
    for name in _OWN:
        wanted &= ~int(getattr(rbd, name, 0))
    return wanted | int(rbd.RBD_FEATURE_LAYERING)


def flatten(
    pool: Pool, image: Any, progress: Callable[[int, int], None]
) -> None:
    """Copy what a clone has of its parent, on the other side.

    :param progress: called with (done, total), by threads of librbd's too;
        what it raises ends it.
    """
    raised: list[BaseException] = []

    def report(done: int, total: int) -> int:
        try:
            progress(done, total)
        except BaseException as error:  # noqa: BLE001 - librbd cannot carry it
            raised.append(error)
            return -125  # ECANCELED
        return 0

    try:
        with pool.mapped():
            image.flatten(on_progress=report)
    except exception.ImageError:
        if not raised:
            raise
    if raised:
        raise raised[0]


def remove(pool: Pool, name: str) -> None:
    """Remove an image of ours with its snapshots, also from a full pool.

    Harmless where there is none; one that was being made goes as well.

    :raises InUse: when it has clones of version 1, or is open somewhere.
    """
    try:
        with pool.opened(name) as image:
            _remove_snapshots(pool, image)
    except exception.ImageError as error:
        if not library.is_missing(error):
            raise
    try:
        with pool.mapped():
            pool.rbd.remove(pool.ioctx, name)
    except exception.ImageError as error:
        if not library.is_missing(error):
            raise
        # Where the pool is full and has no trash yet, librbd 16.2 says that
        # the image is not there. It can be emptied, and removed then.
        if pool.exists(name):
            _empty(pool, name)
            _remove_empty(pool, name)


def _remove_empty(pool: Pool, name: str) -> None:
    """Remove an image when the monitors have counted the pool anew."""
    for left in reversed(range(_COUNTS)):
        time.sleep(1)
        try:
            with pool.mapped():
                pool.rbd.remove(pool.ioctx, name)
        except exception.ImageError as error:
            if not library.is_missing(error):
                raise
            if not pool.exists(name):
                return
            if not left:
                raise
        else:
            return


def check_replaceable(pool: Pool, name: str, snapshot: str) -> None:
    """Look whether anybody needs an image that is to be replaced.

    :param snapshot: the one that goes with it; '' for a disk.
    :raises InUse: when it is open, or has clones or other snapshots.
    """
    with pool.opened(name, read_only=True) as image:
        why = _needed(image, snapshot)
    if why:
        raise exception.InUse(f'the image that is there {why}', side=pool.side)


def remove_unused(pool: Pool, name: str) -> None:
    """Remove a disk that others may have found by its name.

    Harmless where there is none; one that was being made goes as well.

    :raises InUse: when it is open, or has snapshots.
    """
    try:
        check_replaceable(pool, name, '')
    except exception.ImageError as error:
        if not library.is_missing(error):
            raise
    remove(pool, name)


def _needed(image: Any, snapshot: str) -> str:
    """Say who needs an image, as half a sentence."""
    if list(image.watchers_list()):
        return 'is open elsewhere'
    names = [one['name'] for one in image.list_snaps()]
    if others := [one for one in names if one != snapshot]:
        return f'has snapshots: {", ".join(map(str, others))}'
    if names:
        image.set_snap(snapshot)
        if clones := list(image.list_children()):
            return f'has clones: {", ".join("/".join(one) for one in clones)}'
    return ''


def _remove_snapshots(pool: Pool, image: Any) -> None:
    for one in list(image.list_snaps()):
        if one.get('namespace', 0):  # of the trash, or a group
            continue
        _unprotect(pool, image, one['name'])
        image.remove_snap(one['name'])


def _empty(pool: Pool, name: str) -> None:
    with pool.opened(name) as image:
        image.resize(0)


def delete(pool: Pool, name: str, snapshot: str) -> None:
    """Delete an image as Glance does.

    Where clones of version 2 live, it goes to the trash, and from there when
    the last of them is gone; clones of version 1 keep it.

    :param snapshot: what a Glance image is named by; '' for a disk.
    :raises ImageNotFound:
    :raises InUse:
    """
    rbd = library.load().rbd
    with pool.opened(name) as image:
        names = [
            one['name']
            for one in image.list_snaps()
            if one.get('namespace', 0) == rbd.RBD_SNAP_NAMESPACE_TYPE_USER
        ]
        if others := [one for one in names if one != snapshot]:
            raise exception.InUse(
                f'the image has snapshots: {", ".join(others)}',
                side=pool.side,
            )
        if names:
            _unprotect(pool, image, snapshot)
            with contextlib.suppress(rbd.ImageBusy):
                image.remove_snap(snapshot)
    try:
        with pool.mapped():
            pool.rbd.remove(pool.ioctx, name)
    except exception.ImageError as error:
        if not isinstance(error.__cause__, rbd.ImageHasSnapshots):
            if isinstance(error.__cause__, rbd.ImageBusy):
                raise exception.InUse(
                    'the image is open elsewhere',
                    side=pool.side,
                    errno=error.errno,
                ) from error
            raise
        with pool.mapped():
            pool.rbd.trash_move(pool.ioctx, name, 0)


def _unprotect(pool: Pool, image: Any, snapshot: str) -> None:
    if not image.is_protected_snap(snapshot):
        return
    try:
        image.unprotect_snap(snapshot)
    except library.load().rbd.ImageBusy as error:
        raise exception.InUse(
            f'the snapshot {snapshot!r} has clones',
            side=pool.side,
            errno=library.number_of(error),
        ) from error
