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

"""The temporary snapshot that pins an image while it is read."""

from __future__ import annotations

import errno
import logging

from oslo_image import exception
from oslo_image.stores.rbd import library, marks
from oslo_image.stores.rbd.handle import Pool

LOG = logging.getLogger(__name__)
_MAY_NOT = (errno.EPERM, errno.EACCES)
_WHY = (
    'the snapshot that would pin the image, as the location names none; name '
    'one, or set rbd_read_unpinned where nobody writes to the image'
)


class Pin:
    """One temporary snapshot of an image, which is known by its id.

    :param image_id: the image may be renamed or in the trash by the end.
    """

    def __init__(self, image_id: str) -> None:
        self.name = marks.snapshot()
        self._image_id = image_id
        self._made = False

    def make(self, pool: Pool) -> None:
        """Make it; once more, where that got no answer.

        :raises PermissionDenied: when the user may not.
        :raises SourceError: when there may be no further snapshot.
        """
        # Before it is made: what gets no answer may be done all the same.
        before, self._made = self._made, True
        try:
            with pool.opened('', image_id=self._image_id) as image:
                try:
                    image.create_snap(self.name)
                except library.load().rbd.ImageExists:
                    if not before:
                        raise
        except exception.ImageError as error:
            self._made = before or error.temporary
            if isinstance(error, exception.NoSpace):
                raise exception.SourceError(
                    f'there is no room, or no further one allowed, for {_WHY}',
                    side='source',
                    errno=error.errno,
                ) from error
            if error.errno in _MAY_NOT:
                error.message = f'the user may not make {_WHY}'
            raise

    def remove(self, pool: Pool) -> None:
        """Remove it; what cannot be removed bears the mark for ``gc``.

        :param pool: opens anew.
        """
        if not self._made:
            return
        try:
            try:
                self._remove(pool)
            except exception.ImageError as error:
                if error.errno != library.SHUT_OUT:
                    raise
                self._remove(pool)
        except exception.ImageNotFound:
            pass
        except exception.ImageError as error:
            left = pool.spec._replace(snapshot=self.name)
            LOG.warning('%s is left behind: %s', left.path, error.message)

    def _remove(self, pool: Pool) -> None:
        with (
            pool.again() as anew,
            anew.opened('', image_id=self._image_id) as image,
        ):
            image.remove_snap(self.name)
