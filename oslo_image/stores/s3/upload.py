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
import urllib.parse
from collections.abc import Mapping
from typing import Any

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange
from oslo_image.stores.s3 import library
from oslo_image.stores.s3.service import (
    ATTEMPTS,
    CHECKSUM,
    PATIENCE,
    Service,
)
from oslo_image.stores.s3.unheard import Unheard
from oslo_image.stores.wire import Client, Persistence, Watch

#: What an upload is called that is no more; by RGW 16.2, what its key is.
_GONE = ('NoSuchUpload', 'NoSuchKey')


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
        persistence: Persistence,
    ) -> None:
        self._service = service
        self._client = client
        self._where = {'Bucket': bucket, 'Key': key}
        self._about = about
        self._persistence = persistence
        self._etags: dict[int, str] = {}
        self._checksums: dict[int, str] = {}
        self._lock = threading.Lock()
        self._unheard = Unheard(service, self._where)
        #: None: S3 has not told yet.
        self.id: str | None = None
        # Once: to have a URL made takes longer than to sign a request.
        self._url = service.url(bucket, key)

    @property
    def _named(self) -> dict[str, Any]:
        return {**self._where, 'UploadId': self.id}

    def begin(self, settings: Mapping[str, Any] | None = None) -> None:
        """Have S3 begin it.

        :param settings: what the object is to have beside its bytes, as boto3
            names it.
        """
        more = dict(settings or {})
        if self._service.checksums:
            more['ChecksumAlgorithm'] = 'CRC32'

        def ask(watch: Watch) -> Any:
            try:
                with library.mapped('destination', self._about):
                    return self._service.client.create_multipart_upload(
                        **self._where, **more
                    )
            except exception.ImageError as error:
                if error.temporary:
                    self._unheard.note(ATTEMPTS)
                raise

        answer = self._persistence.run(ask, PATIENCE)
        self.id = str(answer['UploadId'])
        again = answer['ResponseMetadata'].get('RetryAttempts')
        if again:
            self._unheard.note(again)

    def put(self, number: int, data: memoryview | DescriptorRange) -> None:
        """Send a part, again where the server cannot take it now.

        :param number: from 1 to 10000, in the order of the bytes.
        """

        headers = self._service.checksum([data])

        def send(watch: Watch) -> None:
            query = {'partNumber': number, 'uploadId': self.id}
            response = self._client.request(
                'PUT',
                f'{self._url}?{urllib.parse.urlencode(query)}',
                headers=headers,
                body=data,
                auth=self._service,
                trusted=True,
                side='destination',
                about=self._about,
                watch=watch,
            )
            if response.status != 200:
                raise library.refused(response, 'destination')
            etag = response.headers.get('ETag')
            self._note(number, etag, headers.get(CHECKSUM))
            response.close()

        self._persistence.run(send)

    def copy(self, number: int, source: Mapping[str, Any]) -> None:
        """Have the server make a part of a range of an object.

        :param source: CopySource and what goes with it, as boto3 has them.
        """

        def ask(watch: Watch) -> Any:
            with library.mapped('destination', self._about):
                return self._service.client.upload_part_copy(
                    **self._named, **source, PartNumber=number
                )

        answer = self._persistence.run(ask, PATIENCE)
        found = answer.get('CopyPartResult', {})
        self._note(number, found.get('ETag'), found.get('ChecksumCRC32'))

    def _note(
        self, number: int, etag: str | None, checksum: str | None
    ) -> None:
        """Keep what the completion names of a part."""
        if not etag:
            raise exception.DestinationError(
                f'S3 gave no ETag for part {number}', side='destination'
            )
        with self._lock:
            self._etags[number] = etag
            if checksum:
                self._checksums[number] = checksum

    def complete(self, size: int, *, exclusive: bool) -> None:
        """Make the parts an object.

        :param size: of the object, in bytes.
        :param exclusive: whether there must be none of its name yet.
        :raises DestinationExists: where the server looks.
        """
        parts = [
            {'PartNumber': number, 'ETag': etag}
            | (
                {'ChecksumCRC32': self._checksums[number]}
                if number in self._checksums
                else {}
            )
            for number, etag in sorted(self._etags.items())
        ]
        more: dict[str, Any] = {'IfNoneMatch': '*'} if exclusive else {}
        more['MultipartUpload'] = {'Parts': parts}
        self._unheard.drop(self.id)
        self._persistence.run(
            lambda watch: self._complete(size, more), PATIENCE
        )

    def _complete(self, size: int, more: Mapping[str, Any]) -> None:
        errors = library.load().exceptions
        try:
            with library.mapped('destination', self._about):
                try:
                    self._service.client.complete_multipart_upload(
                        **self._named, **more
                    )
                except errors.ClientError as error:
                    # It was asked again, and the first answer was lost.
                    if library.code_of(error) not in _GONE or not (
                        self._became(size)
                    ):
                        raise
        except exception.DestinationExists:
            if self._is_open() or not self._became(size):
                raise
        except exception.ImageError as error:
            if not error.temporary or self._is_open():
                raise
            if not self._became(size):
                raise

    def interrupt(self) -> None:
        """Wake who waits for another try."""
        self._persistence.interrupt()

    def abort(self) -> list[str]:
        """Drop the parts.

        :returns: the names of what is left, or may be.
        """
        left = self._unheard.drop(self.id)
        if self.id is not None and not self._abort():
            name = '{Bucket}/{Key}'.format(**self._where)
            left.append(f'upload {self.id} of {name}')
        return left

    def _abort(self) -> bool:
        client = self._service.client
        errors = library.load().exceptions
        try:
            client.abort_multipart_upload(**self._named)
        except errors.ClientError as error:
            return library.code_of(error) in _GONE
        except errors.BotoCoreError:
            return False
        return self._is_open() is False

    def _is_open(self) -> bool | None:
        """Tell whether the upload is there; None: the server does not say."""
        errors = library.load().exceptions
        try:
            self._service.client.list_parts(**self._named)
        except errors.ClientError as error:
            return False if library.code_of(error) in _GONE else None
        except errors.BotoCoreError:
            return None
        return True

    def _became(self, size: int) -> bool:
        """Tell whether the object is there that an upload, now gone, became.

        Its ETag is the MD5 of those of the parts, and their number; but for
        rclone's, of which only the size can be compared.
        """
        try:
            with library.mapped('destination', self._about):
                found = self._service.client.head_object(**self._where)
        except exception.ImageError:
            return False
        etag = str(found.get('ETag') or '').strip('"')
        if '-' in etag and (expected := self._etag()):
            return etag == expected
        return bool(found['ContentLength'] == size)

    def _etag(self) -> str:
        """Return the ETag of the whole; '' where those of parts are no MD5."""
        try:
            digests = [
                bytes.fromhex(etag.strip('"'))
                for _, etag in sorted(self._etags.items())
            ]
        except ValueError:
            return ''
        whole = hashlib.md5(b''.join(digests), usedforsecurity=False)
        return f'{whole.hexdigest()}-{len(digests)}'
