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

"""One PUT of a whole object."""

from __future__ import annotations

import hashlib

from oslo_image import exception
from oslo_image.stores.pieces import Pieces
from oslo_image.stores.s3 import library, uri
from oslo_image.stores.s3.service import Service, bytes_of
from oslo_image.stores.wire import Client, Persistence, Watch


class Put:
    """A PUT that is sent again while the server cannot take it.

    :param about: the location, for errors.
    """

    def __init__(
        self,
        service: Service,
        client: Client,
        spec: uri.Spec,
        about: object,
        persistence: Persistence,
    ) -> None:
        self._service = service
        self._client = client
        self._spec = spec
        self._about = about
        self._persistence = persistence
        #: Whether an object may be there though it failed.
        self.unsure = False
        self._watch: Watch | None = None

    def send(self, pieces: Pieces, size: int, *, exclusive: bool) -> None:
        """Send the pieces.

        :param size: of all, in bytes.
        :param exclusive: whether there must be no object yet.
        :raises DestinationExists: where there is one.
        """
        headers = self._service.checksum(pieces.body())
        if exclusive:
            headers['If-None-Match'] = '*'

        def ask(watch: Watch) -> None:
            self._watch = watch
            try:
                self._send(pieces, size, headers, watch)
            except exception.ImageError as error:
                # An answer may be lost after the deed.
                self.unsure = self.unsure or error.temporary
                raise

        try:
            self._persistence.run(ask)
        except exception.DestinationError:
            if not self.unsure or not self._is_there(pieces):
                raise
        self.unsure = False

    def _send(
        self,
        pieces: Pieces,
        size: int,
        headers: dict[str, str],
        watch: Watch,
    ) -> None:
        response = self._client.request(
            'PUT',
            self._service.url(self._spec.bucket, self._spec.key),
            headers=headers,
            body=pieces.body() if size else b'',
            length=size,
            auth=self._service,
            trusted=True,
            side='destination',
            about=self._about,
            watch=watch,
        )
        if response.status == 412:
            response.close()
            if self.unsure and self._is_there(pieces):
                return
            self.unsure = False
            raise taken(self._spec, self._about)
        if response.status != 200:
            raise library.refused(response, 'destination')
        response.close()

    def _is_there(self, pieces: Pieces) -> bool:
        """Tell whether the object is there, by its ETag, which is its MD5."""
        where = {'Bucket': self._spec.bucket, 'Key': self._spec.key}
        try:
            with (
                self._service.watched(self._watch),
                library.mapped('destination', self._about),
            ):
                found = self._service.client.head_object(**where)
        except exception.ImageError as error:
            self.unsure = error.temporary
            return False
        digest = hashlib.md5(usedforsecurity=False)
        for piece in pieces.body():
            digest.update(bytes_of(piece))
        return bool(found.get('ETag') == f'"{digest.hexdigest()}"')


def taken(spec: uri.Spec, about: object) -> exception.DestinationExists:
    """Return the error for a key that another object has."""
    return exception.DestinationExists(
        f'there is an object {spec.key!r} already',
        destination=about,
        side='destination',
    )
