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
from oslo_image.stores.base import DescriptorRange, F, MiB
from oslo_image.stores.facets import S3Object, S3Target
from oslo_image.stores.objects import Limits, ObjectWriter
from oslo_image.stores.s3 import copying, library, uri
from oslo_image.stores.s3.service import Service
from oslo_image.stores.s3.upload import Upload
from oslo_image.stores.wire import Client

#: What S3 allows (Amazon S3 User Guide, "Multipart upload limits").
_LIMITS = Limits(least=5 * MiB, largest=5 * 1024 * MiB, most=10_000)
LARGEST = 5 * 1024 * 1024 * MiB


class S3Writer(ObjectWriter):
    """An object in one PUT or by a multipart upload.

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
        replace: bool,
        make_bucket: bool = False,
    ) -> None:
        super().__init__(location, size, _LIMITS, part=part, replace=replace)
        self._spec = spec
        self._service = service
        self._client = client
        self._make_bucket = make_bucket
        self._upload: Upload | None = None
        self.realm = f's3 {spec.endpoint}'

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

    def _prepare(self) -> None:
        if self._make_bucket:
            self._service.make_bucket(self._spec.bucket)

    def _send(self, number: int, data: memoryview | DescriptorRange) -> None:
        self._started().put(number, data)

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

    def _publish(self, size: int) -> None:
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

    def _let_go(self) -> None:
        super()._let_go()
        self._upload = None

    def _take_back(self) -> exception.DestinationState:
        """Abort the upload; what the server replaced at once is gone."""
        upload = self._upload
        if upload is not None and not upload.abort():
            self._leftovers.append(
                f'upload {upload.id} of {self._spec.bucket}/{self._spec.key}'
            )
        if not self._copied:
            return 'untouched'
        try:
            with library.mapped('destination', self.location):
                self._service.client.delete_object(
                    Bucket=self._spec.bucket, Key=self._spec.key
                )
        except exception.ImageError:
            self._leftovers.append(f'{self._spec.bucket}/{self._spec.key}')
        return 'modified' if self._replace else 'untouched'

    def _published(self) -> Location:
        return Location(uri.build(self._spec), trusted=True)

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
