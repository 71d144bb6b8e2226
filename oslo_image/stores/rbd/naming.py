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


"""Give an image its name: of those who want it at once, one gets it.

librbd renames in three steps: the new name leads to the image, the directory
lists it under the new name, the old name is removed. Who is killed between
them leaves two names of one image, of which the directory knows one; whoever
removed the image by either would leave the other lead to nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator

from oslo_image import exception
from oslo_image.stores.rbd import library, marks
from oslo_image.stores.rbd.handle import Pool

#: The object that lists the images of a pool, or of a namespace.
_DIRECTORY = 'rbd_directory'
#: So many names of locks, as each leaves a few bytes there for good.
_LOCKS = 64
#: After this the lock of a process that was killed counts no more; who lives
#: renews it in time.
_SECONDS = 30
#: LIBRADOS_LOCK_FLAG_MUST_RENEW, which Python's rados has no name for.
_RENEW = 2
_PAUSE = 0.01


@contextlib.contextmanager
def taking(pool: Pool, name: str) -> Iterator[None]:
    """Keep other copies from taking a name meanwhile.

    librbd's rename looks whether the name is free, takes it whoever came
    between, and calls it a success: the name then leads to the bits of one
    image and the directory to those of another. Who uses no lock, as other
    programs, can still come between, but for a few milliseconds only.

    :raises InUse: when another copy does not let go of it.
    """
    lock = f'oslo-image.{zlib.crc32(name.encode()) % _LOCKS}'
    cookie = uuid.uuid4().hex
    until = time.monotonic() + 2 * _SECONDS
    busy = library.load().rados.ObjectBusy

    def acquire(flags: int = 0) -> None:
        with pool.mapped():
            pool.ioctx.lock_exclusive(
                _DIRECTORY, lock, cookie, 'takes a name', _SECONDS, flags
            )

    while True:
        try:
            acquire()
            break
        except exception.ImageError as error:
            if not isinstance(error.__cause__, busy):
                raise
            if time.monotonic() > until:
                error.message = f'another copy takes the name {name!r}'
                raise
        time.sleep(_PAUSE)
    try:
        with _repeating(lambda: acquire(_RENEW)):
            yield
    finally:
        # What cannot be unlocked now unlocks itself.
        with contextlib.suppress(exception.ImageError), pool.mapped():
            pool.ioctx.unlock(_DIRECTORY, lock, cookie)


@contextlib.contextmanager
def _repeating(renew: Callable[[], None]) -> Iterator[None]:
    """Renew a lock meanwhile: librbd may wait for minutes in one call."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(_SECONDS / 3):
            with contextlib.suppress(exception.ImageError):
                renew()

    thread = threading.Thread(target=run, name='oslo-image-lock', daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def rename(pool: Pool, name: str, wanted: str) -> None:
    """Rename an image, wholly or not at all; see :func:`taking`.

    :raises DestinationExists: when the name is not free.
    """
    image_id = pool.id_of(name)
    try:
        with pool.mapped():
            _rename(pool, name, wanted)
    except exception.DestinationExists:
        raise
    except exception.ImageError:
        # What was answered by an error may be done, or half done.
        with contextlib.suppress(exception.ImageError), pool.again() as anew:
            if settle(anew, name, wanted, image_id):
                return
        raise


def _rename(pool: Pool, name: str, wanted: str) -> None:
    pool.rbd.rename(pool.ioctx, name, wanted)


def settle(
    pool: Pool, name: str, wanted: str, image_id: str | None = None
) -> bool:
    """Take away the name under which an image is not listed, if it has two.

    :returns: whether it bears the wanted one.
    """
    image_id = image_id or pool.id_of(name)
    if image_id is None:
        return False
    done = _listed(pool, image_id) == wanted
    _forget(pool, name if done else wanted, image_id)
    return done


def is_taken(pool: Pool, name: str) -> bool:
    """Tell whether an image has this name, or soon will.

    A name that leads to an image on its way is one that its copy did not
    live to take; one that leads to an image put aside still is that one's.
    """
    image_id, mark = _holder(pool, name)
    return image_id is not None and (mark is None or mark.kind == 'replaced')


def release(pool: Pool, name: str) -> None:
    """Take back what a rename that was cut off has done.

    To be called when nobody else renames; see :func:`taking`.
    """
    image_id, mark = _holder(pool, name)
    if image_id and mark:
        _forget(pool, name, image_id)


def _holder(pool: Pool, name: str) -> tuple[str | None, marks.Mark | None]:
    """Return which image a name leads to, and the mark that this one has."""
    image_id = pool.id_of(name)
    listed = image_id and _listed(pool, image_id)
    if not listed or listed == name:
        return image_id, None
    return image_id, marks.read(listed)


def _listed(pool: Pool, image_id: str) -> str | None:
    """Return under which name the directory has an image."""
    found = pool.value(_DIRECTORY, f'id_{image_id}')
    return None if found is None else library.text(found)


def _forget(pool: Pool, name: str, image_id: str) -> None:
    """Let a name lead nowhere, if it leads to this image."""
    if pool.id_of(name) == image_id:
        with pool.mapped():
            pool.ioctx.remove_object(f'rbd_id.{name}')
