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

from collections.abc import Callable
from typing import cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import DescriptorRange, F, MiB, SpanRule, Writer
from oslo_image.stores.facets import S3Object, S3Target
from oslo_image.stores.s3 import copying, library, uri
from oslo_image.stores.s3.service import Service
from oslo_image.stores.s3.upload import Upload
from oslo_image.stores.wire import Client

#: What S3 allows (Amazon S3 User Guide, "Multipart upload limits").
_LEAST_PART = 5 * MiB
_LARGEST_PART = 5 * 1024 * MiB
_MOST_PARTS = 10_000
LARGEST = 5 * 1024 * 1024 * MiB


class S3Writer(Writer):
    """An object that is there when all of its bytes are.

    An image of one part goes in one PUT when it is committed; another one in
    parts, of which none is an object.

    :param part: the wanted size of a part, in bytes.
    :param replace: whether an object of the name is to be replaced.
    :param make_bucket: whether to make a bucket that is not there.
    """

    takes_descriptors = True

    def __init__(
        self,
        location: Location,
        size: int | None,
        spec: uri.Spec,
        service: Service,
        client: Client,
        *,
        part: int,
        replace: bool,
        make_bucket: bool = False,
    ) -> None:
        super().__init__(location, size)
        self._spec = spec
        self._service = service
        self._client = client
        self._replace = replace
        self._make_bucket = make_bucket
        self._wanted = max(part, _LEAST_PART)
        self._upload: Upload | None = None
        self._single: bytes | DescriptorRange | None = None
        self._copied = False
        self._sent = self._sent_bytes = 0
        self._leftovers: list[str] = []
        self.realm = f's3 {spec.endpoint}'
        self._cut(size)

    def _cut(self, size: int | None) -> None:
        """Set the span rule: parts of a size that suffices for all."""
        part = self._wanted
        largest = _LARGEST_PART
        if size is not None:
            part = max(part, -(-size // _MOST_PARTS))
            part = largest = -(-part // MiB) * MiB
        self._part = part
        self.spans = SpanRule(part, largest, part, _MOST_PARTS)

    @property
    def leftovers(self) -> list[str]:
        """The uploads that could not be aborted."""
        return self._leftovers

    def check(self, size: int | None) -> None:
        """Look whether the bucket is there and the key is free."""
        if size is not None and size > LARGEST:
            raise exception.TooLarge(
                f'no object in S3 has more than {LARGEST} bytes',
                side='destination',
            )
        if self._replace:
            return
        where = {'Bucket': self._spec.bucket, 'Key': self._spec.key}
        if self._service.exists(**where):
            raise self._taken()

    def begin(self, size: int | None) -> None:
        """Look again; nothing is sent before the first part."""
        self.check(size)
        if self._make_bucket:
            self._service.make_bucket(self._spec.bucket)
        self.size = size if size is not None else self.size
        self._cut(self.size)
        self._state = 'begun'

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Send a part; of an image that is one, keep it for the commit."""
        length = (
            data.length if isinstance(data, DescriptorRange) else len(data)
        )
        self._reach(offset + length)
        if self.size is not None and self.size <= self._part:
            # A buffer is used again when this call is over.
            self._single = (
                data if isinstance(data, DescriptorRange) else bytes(data)
            )
            return
        self._started().put(self._number(offset, length), data)

    def _number(self, offset: int, length: int) -> int:
        """Return the number of the part at an offset.

        Where nobody knows the size the spans grow, and come in order.
        """
        if self.size is not None:
            return offset // self._part + 1
        with self._reaching:
            if offset != self._sent_bytes:
                raise exception.InvalidWriter(
                    'without a size, the parts must come in order',
                    side='destination',
                    offset=offset,
                )
            self._sent += 1
            self._sent_bytes += length
            return self._sent

    def _started(self) -> Upload:
        with self._reaching:
            if self._upload is None:
                self._upload = Upload(
                    self._service,
                    self._client,
                    self._spec.bucket,
                    self._spec.key,
                    self.location,
                )
            return self._upload

    def commit(self, size: int | None = None) -> Location | None:
        """Send the only part, or make the parts an object."""
        if self._state == 'new':
            self.begin(size)
        try:
            self._put_held()
            size = self._reached if size is None else size
            if self.size not in (None, size):
                raise exception.SizeMismatch(
                    f'{self.size} bytes were declared and {size} came',
                    side='destination',
                )
            if not self._copied:
                self._publish()
        except BaseException:
            self.close()
            raise
        self._upload = self._single = None
        self._state = 'committed'
        return Location(uri.build(self._spec), trusted=True)

    def _publish(self) -> None:
        if self._upload is not None:
            if not self._replace:
                # Not every server looks at the condition (RGW 16.2 does not).
                self.check(None)
            self._upload.complete(exclusive=not self._replace)
            return
        headers = {} if self._replace else {'If-None-Match': '*'}
        response = self._client.request(
            'PUT',
            self._service.url(self._spec.bucket, self._spec.key),
            headers=headers,
            body=b'' if self._single is None else self._single,
            auth=self._service,
            trusted=True,
            side='destination',
            about=self.location,
        )
        if response.status == 412:
            response.close()
            raise self._taken()
        if response.status != 200:
            raise library.refused(response, 'destination')
        response.close()

    def rollback(self) -> exception.DestinationState:
        """Abort the upload."""
        upload, self._upload = self._upload, None
        if upload is not None and not upload.abort():
            self._leftovers.append(
                f'upload {upload.id} of {self._spec.bucket}/{self._spec.key}'
            )
        self._single = None
        state: exception.DestinationState = 'untouched'
        if self._copied:
            state = self._take_back()
        self._state = 'new'
        self._sent = self._sent_bytes = 0
        self._position = self._reached = self._written = 0
        self._held.clear()
        return state

    def _take_back(self) -> exception.DestinationState:
        """Remove what the server made at once; what was replaced is gone."""
        self._copied = False
        try:
            with library.mapped('destination', self.location):
                self._service.client.delete_object(
                    Bucket=self._spec.bucket, Key=self._spec.key
                )
        except exception.ImageError:
            self._leftovers.append(f'{self._spec.bucket}/{self._spec.key}')
        return 'modified' if self._replace else 'untouched'

    def facet(self, kind: type[F]) -> F | None:
        """Return the object to be, for a copy by the server."""
        if kind is not S3Target:
            return None

        def copy(source: S3Object, check: Callable[[], None]) -> None:
            self._upload = copying.copy(
                source,
                self._service,
                self._client,
                self._spec,
                check,
                about=self.location,
            )
            self._copied = self._upload is None

        return cast('F', S3Target(self._spec.endpoint, copy))

    def _taken(self) -> exception.DestinationExists:
        return exception.DestinationExists(
            f'there is an object {self._spec.key!r} already',
            destination=self.location,
            side='destination',
        )
