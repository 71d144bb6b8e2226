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

"""An object in S3 as a destination: one PUT, or parts in any order."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import DescriptorRange, F, MiB
from oslo_image.stores.facets import S3Object, S3Target
from oslo_image.stores.objects import ObjectWriter
from oslo_image.stores.pieces import Piece, Pieces, length_of
from oslo_image.stores.s3 import copying, library, uri
from oslo_image.stores.s3.put import Put, taken
from oslo_image.stores.s3.service import Service
from oslo_image.stores.s3.upload import Upload
from oslo_image.stores.vacancy import Vacancy
from oslo_image.stores.wire import Client, Watch

LOG = logging.getLogger(__name__)
LARGEST = 5 * 1024 * 1024 * MiB


class S3Writer(ObjectWriter):
    """An object in one PUT or by a multipart upload.

    :param whole: the bytes from which on an image is sent in parts. Below it
        is sent whole as long as that takes the memory of one part: what comes
        from a file, and zeros, take none.
    :param make_bucket: whether to make a bucket that is not there.
    """

    def __init__(
        self,
        location: Location,
        size: int | None,
        spec: uri.Spec,
        service: Service,
        client: Client,
        *,
        part: int,
        whole: int,
        replace: bool,
        make_bucket: bool = False,
    ) -> None:
        super().__init__(
            location, size, copying.LIMITS, part=part, replace=replace
        )
        self._spec = spec
        self._service = service
        self._client = client
        self._make_bucket = make_bucket
        # Without a reference back, so that connections close with the last.
        self._vacancy = Vacancy(
            functools.partial(service.exists, **self._where)
        )
        self._at_once = whole
        self._pieces: Pieces | None = None
        self._upload: Upload | None = None
        #: Why there is none; who waited for it need not ask again.
        self._failure: exception.ImageError | None = None
        #: What the server made at once.
        self._made: copying.Made | None = None
        #: Whether an object may be there all the same.
        self._unsure = False
        self.realm = f's3 {spec.endpoint}'
        self.takes_descriptors = not service.checksums

    @property
    def _where(self) -> dict[str, str]:
        return {'Bucket': self._spec.bucket, 'Key': self._spec.key}

    def look_ahead(self) -> None:
        """Ask whether the key is free, if that matters."""
        if not self._replace:
            self._vacancy.look_ahead()

    def check(self, size: int | None) -> None:
        """Look whether the key is free."""
        self._check_size(size)
        if not self._replace and not self._vacancy.look():
            raise self._taken()

    def _check_again(self, size: int | None) -> None:
        self._check_size(size)
        if not self._replace and not self._vacancy.look_lately():
            raise self._taken()

    def _check_size(self, size: int | None) -> None:
        if size is not None and size > LARGEST:
            raise exception.TooLarge(
                f'no object in S3 has more than {LARGEST} bytes',
                side='destination',
            )

    def _prepare(self) -> None:
        if self._make_bucket:
            self._service.make_bucket(self._spec.bucket)

    def begin(self, size: int | None) -> None:
        """Look again; nothing is sent before the first part."""
        with self._service.watched(self._persistence.watch):
            super().begin(size)
        if self.size is not None and (
            self._whole or self.size < self._at_once
        ):
            self._pieces = Pieces(self._part)

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Send a part; of an image that goes whole, keep it till then."""
        length = length_of(data)
        self._reach(offset + length)
        if not self._keep(offset, data):
            self._send(self._number(offset, length), data)

    def put_zeros(self, offset: int, length: int) -> None:
        """Send zeros, or note them."""
        if self._keep(offset, length):
            self._reach(offset + length)
        else:
            super().put_zeros(offset, length)

    def _keep(self, offset: int, piece: Piece) -> bool:
        """Keep a piece of what goes whole; send all, when it is too much."""
        with self._reaching:
            if self._pieces is None:
                return False
            if self._pieces.add(offset, piece):
                return True
            kept, self._pieces = self._pieces.all(), None
        for at, one in kept:
            data = memoryview(bytes(one)) if isinstance(one, int) else one
            self._send(self._number(at, length_of(one)), data)
        return False

    def _send(self, number: int, data: memoryview | DescriptorRange) -> None:
        self._started().put(number, data)

    def _started(self, settings: Mapping[str, Any] | None = None) -> Upload:
        with self._reaching:
            if self._failure is not None:
                raise self._failure
            if self._upload is None:
                try:
                    self._upload = Upload(
                        self._service,
                        self._client,
                        self._spec.bucket,
                        self._spec.key,
                        self.location,
                        self._persistence,
                    )
                    self._upload.begin(settings)
                except exception.ImageError as error:
                    self._failure = error
                    raise
            return self._upload

    def _publish(self, size: int) -> None:
        if self._upload is None:
            self._put_whole(size)
            return
        if not self._replace:
            # Not every server looks at the condition (RGW 16.2 does not).
            if not self._persistence.run(self._look):
                raise self._taken()
        for left in self._upload.complete(size, exclusive=not self._replace):
            self._leave(left)

    def _look(self, watch: Watch) -> bool:
        with self._service.watched(watch):
            return self._vacancy.look()

    def _put_whole(self, size: int) -> None:
        put = Put(
            self._service,
            self._client,
            self._spec,
            self.location,
            self._persistence,
        )
        pieces = self._pieces or Pieces(0)
        try:
            put.send(pieces, size, exclusive=not self._replace)
        finally:
            self._unsure = put.unsure

    def _let_go(self) -> None:
        super()._let_go()
        self._vacancy.forget()
        self._upload = self._pieces = self._made = self._failure = None
        self._unsure = False

    def _take_back(self) -> exception.DestinationState:
        """Abort the upload; what the server replaced at once is gone."""
        name = f'{self._spec.bucket}/{self._spec.key}'
        for left in self._upload.abort() if self._upload else ():
            self._leave(left)
        if self._unsure or (self._upload and self._upload.unsure):
            self._leave(f'{name}, unless the server did not make it')
        elif not self._copied:
            return 'untouched'
        elif self._remove(name):
            # The version before is the object again.
            return 'restored' if self._replace else 'untouched'
        return 'modified'

    def _remove(self, name: str) -> bool:
        """Remove what the server made; return whether that undoes it.

        What another has put there since stays.
        """
        client = self._service.client
        more = {}
        try:
            with library.mapped('destination', self.location):
                found = client.head_object(**self._where)
                etag = found['ETag'].strip('"')
                if self._made and self._made.etag not in ('', etag):
                    return not self._replace
                if found.get('VersionId', 'null') != 'null':
                    more = {'VersionId': found['VersionId']}
                client.delete_object(**self._where, **more)
        except exception.ImageError:
            self._leave(name)
            return False
        return bool(more) or not self._replace

    def _leave(self, name: str) -> None:
        LOG.warning('left behind: %s', name)
        self._leftovers.append(name)

    def _published(self) -> Location:
        return Location(uri.build(self._spec), trusted=True)

    def facet(self, kind: type[F]) -> F | None:
        """Return the object to be, for a copy by the server."""
        if kind is not S3Target:
            return None
        target = S3Target(self._spec.endpoint, copying.ONE_REQUEST, self._copy)
        return cast('F', target)

    def _copy(self, origin: S3Object, check: Callable[[], None]) -> None:
        try:
            self._copy_whole(origin, check)
        except (exception.Refused, exception.TooLarge) as error:
            if origin.size <= copying.ONE_REQUEST:
                raise
            LOG.info('%s; in parts', error)
            upload = self._started(origin.settings)
            copying.in_parts(origin, upload, check)

    def _copy_whole(self, origin: S3Object, check: Callable[[], None]) -> None:
        try:
            self._made = copying.whole(
                origin,
                self._service,
                self._spec,
                self.location,
                self._persistence,
                check,
            )
        except exception.DestinationError as error:
            self._unsure = error.temporary
            raise
        self._copied = True

    def _taken(self) -> exception.DestinationExists:
        return taken(self._spec, self.location)
