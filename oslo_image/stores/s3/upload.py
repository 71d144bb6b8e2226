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

"""A multipart upload: its parts, its completion, its end without one."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange
from oslo_image.stores.s3 import library
from oslo_image.stores.s3.service import Service
from oslo_image.stores.wire import Client


class Upload:
    """Parts on their way to become an object; shared by threads.

    :param about: the location, for errors.
    """

    def __init__(
        self,
        service: Service,
        client: Client,
        bucket: str,
        key: str,
        about: object,
    ) -> None:
        self._service = service
        self._client = client
        self._where = {'Bucket': bucket, 'Key': key}
        self._about = about
        self._etags: dict[int, str] = {}
        self._lock = threading.Lock()
        with library.mapped('destination', about):
            answer = service.client.create_multipart_upload(**self._where)
        self.id = str(answer['UploadId'])

    def put(self, number: int, data: memoryview | DescriptorRange) -> None:
        """Send a part.

        :param number: from 1 to 10000, in the order of the bytes.
        """
        url = self._service.url(
            *self._where.values(), partNumber=str(number), uploadId=self.id
        )
        response = self._client.request(
            'PUT',
            url,
            body=data,
            auth=self._service,
            trusted=True,
            side='destination',
            about=self._about,
        )
        if response.status != 200:
            raise library.refused(response, 'destination')
        self.note(number, response.headers.get('ETag') or '')
        response.close()

    def copy(self, number: int, source: dict[str, Any]) -> None:
        """Have the server make a part of a range of an object.

        :param source: CopySource and what goes with it, as boto3 has them.
        """
        with library.mapped('destination', self._about):
            answer = self._service.client.upload_part_copy(
                **self._where,
                **source,
                UploadId=self.id,
                PartNumber=number,
            )
        self.note(number, str(answer['CopyPartResult']['ETag']))

    def note(self, number: int, etag: str) -> None:
        """Keep a part's ETag, which the completion names."""
        if not etag:
            raise exception.DestinationError(
                f'S3 gave no ETag for part {number}', side='destination'
            )
        with self._lock:
            self._etags[number] = etag

    def complete(self, *, exclusive: bool) -> None:
        """Make the parts an object.

        :param exclusive: whether there must be none of its name yet.
        :raises DestinationExists: where the server looks.
        """
        parts = [
            {'PartNumber': number, 'ETag': etag}
            for number, etag in sorted(self._etags.items())
        ]
        more = {'IfNoneMatch': '*'} if exclusive else {}
        try:
            with library.mapped('destination', self._about):
                self._service.client.complete_multipart_upload(
                    **self._where,
                    UploadId=self.id,
                    MultipartUpload={'Parts': parts},
                    **more,
                )
        except exception.ImageError as error:
            # An answer may be lost after the deed.
            if not self._is_there():
                raise error from None

    def abort(self) -> bool:
        """Drop the parts; return whether none is left."""
        client = self._service.client
        errors = library.load().exceptions
        try:
            client.abort_multipart_upload(**self._where, UploadId=self.id)
            client.list_parts(**self._where, UploadId=self.id)
        except errors.ClientError as error:
            # RGW names the key, once the upload is gone.
            return library.code_of(error) in ('NoSuchUpload', 'NoSuchKey')
        except errors.BotoCoreError:
            return False
        return False

    def _is_there(self) -> bool:
        """Tell whether the object is there, by the ETag that it must have.

        That of an object in parts is the MD5 of their MD5s, and their number.
        """
        try:
            digests = [
                bytes.fromhex(etag.strip('"'))
                for _, etag in sorted(self._etags.items())
            ]
            with library.mapped('destination', self._about):
                found = self._service.client.head_object(**self._where)
        except (ValueError, exception.ImageError):
            return False
        whole = hashlib.md5(b''.join(digests), usedforsecurity=False)
        return (
            str(found.get('ETag')) == f'"{whole.hexdigest()}-{len(digests)}"'
        )
