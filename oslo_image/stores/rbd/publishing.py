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

"""Giving a new image its name, which another one may have."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from oslo_image import exception
from oslo_image.stores.rbd import cloning, library, marks, naming
from oslo_image.stores.rbd.handle import Pool

LOG = logging.getLogger(__name__)


class Publisher:
    """Takes the name of ``pool.spec`` for one image, wholly or not at all.

    :param replace: whether an image of the name is to be replaced.
    :ivar leftovers: the images that could not be removed, by pool and name.
    """

    def __init__(self, *, replace: bool) -> None:
        self._replace = replace
        self.leftovers: list[str] = []

    def check(self, pool: Pool) -> None:
        """Look whether the name is free, or may become so.

        :raises DestinationExists, InUse:
        """
        name = pool.spec.image
        if naming.is_taken(pool, name):
            if not self._replace:
                raise _exists(pool)
            cloning.check_replaceable(pool, name, pool.spec.snapshot)

    @contextlib.contextmanager
    def taking(self, pool: Pool) -> Iterator[None]:
        """Keep others from the name, which is free or is to be replaced."""
        name = pool.spec.image
        with naming.taking(pool, name):
            if not self._replace and naming.is_taken(pool, name):
                raise _exists(pool)
            naming.release(pool, name)
            yield

    def publish(self, pool: Pool, made: str) -> None:
        """Rename the image that was made, and remove the one replaced."""
        name = pool.spec.image
        old = ''
        with self.taking(pool):
            if pool.exists(name):
                cloning.check_replaceable(pool, name, pool.spec.snapshot)
                old = marks.image('replaced', name)
                naming.rename(pool, name, old)
            try:
                naming.rename(pool, made, name)
            except exception.ImageError as error:
                if old:
                    self._put_back(pool, old)
                if isinstance(error, exception.DestinationExists):
                    raise _exists(pool) from error
                raise
        if old:
            self._remove_old(pool, old)

    def remove(self, pool: Pool, made: str) -> exception.DestinationState:
        """Remove the image that was made, by a new connection if need be.

        :param made: its name: a marked one, or the one that it was to have.
        :returns: "modified" when it stays under the latter.
        """
        try:
            try:
                _remove(pool, made)
            except exception.ImageError as error:
                if error.errno != library.SHUT_OUT:
                    raise
                with pool.again() as anew:
                    _remove(anew, made)
        except exception.ImageError:
            self._leave(pool, made)
            if made == pool.spec.image:
                return 'modified'
        return 'untouched'

    def _put_back(self, pool: Pool, old: str) -> None:
        """Give what was not replaced its name again; else ``gc`` does."""
        try:
            with pool.again() as anew:
                naming.rename(anew, old, pool.spec.image)
        except exception.ImageError:
            self._leave(pool, old)

    def _remove_old(self, pool: Pool, name: str) -> None:
        """Remove what was replaced; if it stays, the copy is done no less."""
        try:
            cloning.remove(pool, name)
        except exception.ImageError as error:
            LOG.warning(
                '%s/%s, which was replaced, is left behind: %s',
                pool.spec.pool,
                name,
                error.message,
            )

    def _leave(self, pool: Pool, name: str) -> None:
        self.leftovers.append(f'{pool.spec.pool}/{name}')


def _remove(pool: Pool, made: str) -> None:
    if made == pool.spec.image:
        cloning.remove_unused(pool, made)
    elif not naming.settle(pool, made, pool.spec.image):
        cloning.remove(pool, made)


def _exists(pool: Pool) -> exception.DestinationExists:
    return exception.DestinationExists(
        f'there is an image {pool.spec.path} already', side='destination'
    )
