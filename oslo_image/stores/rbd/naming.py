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


"""Give an image its name: of those who want it at once, one gets it."""

from __future__ import annotations

import contextlib
import time
import uuid
import zlib
from collections.abc import Iterator

from oslo_image import exception
from oslo_image.stores.rbd import library
from oslo_image.stores.rbd.handle import Pool

#: The object that lists the images of a pool, or of a namespace.
_DIRECTORY = 'rbd_directory'
#: So many names of locks, as each leaves a few bytes there for good.
_LOCKS = 64
#: After this the lock of a process that was killed counts no more.
_SECONDS = 30
_PAUSE = 0.01


@contextlib.contextmanager
def taking(pool: Pool, name: str) -> Iterator[None]:
    """Keep other copies from taking a name meanwhile.

    librbd's rename looks whether the name is free, takes it whoever came
    between, and calls it a success: the name then leads to the bits of one
    image and the directory to those of another. Who uses no lock, as other
    programs, can still come between, but for a few milliseconds only.

    :raises DestinationError: when another copy does not let go of it.
    """
    lock = f'oslo-image.{zlib.crc32(name.encode()) % _LOCKS}'
    cookie = uuid.uuid4().hex
    until = time.monotonic() + 2 * _SECONDS
    busy = library.load().rados.ObjectBusy
    while True:
        try:
            with pool.mapped():
                pool.ioctx.lock_exclusive(
                    _DIRECTORY, lock, cookie, 'takes a name', _SECONDS
                )
            break
        except exception.ImageError as error:
            if not isinstance(error.__cause__, busy):
                raise
            if time.monotonic() > until:
                error.message = f'another copy takes the name {name!r}'
                raise
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        # What cannot be unlocked now unlocks itself.
        with contextlib.suppress(exception.ImageError), pool.mapped():
            pool.ioctx.unlock(_DIRECTORY, lock, cookie)
