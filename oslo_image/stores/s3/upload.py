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

import contextlib
import email.utils
import hashlib
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange
from oslo_image.stores.s3 import library
from oslo_image.stores.s3.service import CHECKSUM, PATIENCE, Service
from oslo_image.stores.s3.unheard import Unheard
from oslo_image.stores.wire import Client, Persistence, Watch

if TYPE_CHECKING:
    from oslo_image.stores.s3.transport import Asked

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
        #: Whether an object may have become of it unheard.
        self.unsure = False
        #: When S3 last had a good answer, by its clock.
        self._date = ''
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
            with self._asking(watch) as asked:
                try:
                    return self._service.client.create_multipart_upload(
                        **self._where, **more
                    )
                finally:
                    self._unheard.note(asked.unheard)

        answer = self._persistence.run(ask, PATIENCE)
        self.id = str(answer['UploadId'])
        self._note_date(answer)

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
            self._date = response.headers.get('Date') or self._date
            response.close()

        self._persistence.run(send)

    def copy(self, number: int, source: Mapping[str, Any]) -> None:
        """Have the server make a part of a range of an object.

        :param source: CopySource and what goes with it, as boto3 has them.
        """

        def ask(watch: Watch) -> Any:
            with self._asking(watch):
                return self._service.client.upload_part_copy(
                    **self._named, **source, PartNumber=number
                )

        answer = self._persistence.run(ask, PATIENCE)
        self._note_date(answer)
        found = answer.get('CopyPartResult', {})
        self._note(number, found.get('ETag'), found.get('ChecksumCRC32'))

    def _note_date(self, answer: Mapping[str, Any]) -> None:
        fields = answer['ResponseMetadata'].get('HTTPHeaders', {})
        self._date = fields.get('date') or self._date

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

    def complete(self, size: int, *, exclusive: bool) -> list[str]:
        """Make the parts an object.

        :param size: of the object, in bytes.
        :param exclusive: whether there must be none of its name yet.
        :returns: the names of what may be left.
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
        left = self._unheard.drop(self.id)

        def ask(watch: Watch) -> None:
            with self._service.watched(watch):
                self._complete(size, more)

        self._persistence.run(ask, PATIENCE)
        self.unsure = False
        return left

    @contextlib.contextmanager
    def _asking(self, watch: Watch) -> Iterator[Asked]:
        with (
            self._service.watched(watch) as asked,
            library.mapped('destination', self._about),
        ):
            yield asked

    def _complete(self, size: int, more: Mapping[str, Any]) -> None:
        errors = library.load().exceptions
        try:
            with library.mapped('destination', self._about):
                try:
                    self._service.client.complete_multipart_upload(
                        **self._named, **more
                    )
                except errors.ClientError as error:
                    if library.code_of(error) not in _GONE:
                        raise
                    # It was asked again, and the first answer was lost?
                    became = self._became(size)
                    self.unsure = became is None
                    if not became:
                        raise
        except exception.DestinationExists:
            if self._is_open() or not self._became(size):
                raise
        except exception.ImageError as error:
            if not error.temporary or (is_open := self._is_open()):
                raise
            became = self._became(size)
            self.unsure = None in (is_open, became)
            if not became:
                raise

    def interrupt(self) -> None:
        """Wake who waits for another try."""
        self._persistence.interrupt()

    def abort(self) -> list[str]:
        """Drop the parts.

        :returns: the names of what is left, or may be.
        """
        left = self._unheard.drop(self.id)
        # As long as it is open, it is no object.
        self.unsure = self.unsure and not self._is_open()
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

    def _became(self, size: int) -> bool | None:
        """Tell whether the object is there that an upload, now gone, became.

        None: the server does not say.

        Its ETag is the MD5 of those of the parts, and their number; but for
        rclone's, of which only the size can be compared, and that it is no
        older than the last part.
        """
        try:
            with library.mapped('destination', self._about):
                found = self._service.find(**self._where)
        except exception.ImageError:
            return None
        if found is None:
            return False
        etag = str(found.get('ETag') or '').strip('"')
        if '-' in etag and (expected := self._etag()):
            return etag == expected
        return bool(
            found['ContentLength'] == size
            and self._date
            and found['LastModified']
            >= email.utils.parsedate_to_datetime(self._date)
        )

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
