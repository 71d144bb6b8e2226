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

"""An object in S3 as a source, pinned by its version or ETag."""

from __future__ import annotations

import threading
from typing import Any, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import F, MiB, Reader, Source
from oslo_image.stores.facets import S3Object
from oslo_image.stores.s3 import library, uri
from oslo_image.stores.s3.service import Service
from oslo_image.stores.wire import Client, WireSource

#: What CopyObject takes over, and a multipart upload has to be told.
_SETTINGS = (
    'CacheControl',
    'ContentDisposition',
    'ContentLanguage',
    'ContentType',
    'Metadata',
)
#: What neither does.
_OWN = {
    'ServerSideEncryption': 'encryption',
    'StorageClass': 'storage class',
    'WebsiteRedirectLocation': 'redirection to',
}


class S3Source(Source):
    """One version of an object. Its bytes are asked for when they are read."""

    chunk = 8 * MiB

    def __init__(
        self,
        location: Location,
        spec: uri.Spec,
        service: Service,
        client: Client,
    ) -> None:
        super().__init__(location)
        self._spec = spec
        self._service = service
        self._client = client
        self._lock = threading.Lock()
        self._wire: WireSource | None = None
        #: Whether a server's answer has shown that it copied this version.
        self._copied = threading.Event()
        self._head = self._look(None)
        self.size = int(self._head['ContentLength'])
        self._etag = str(self._head.get('ETag') or '')
        # "null" is the version of what was there before versioning.
        self._version_id = str(self._head.get('VersionId') or '')
        if self._version_id == 'null':
            self._version_id = ''
        self.version = ' '.join(
            filter(None, (f'ETag {self._etag}', self._version_id))
        )
        self.realm = f's3 {spec.endpoint}'

    def _look(self, version_id: str | None) -> dict[str, Any]:
        where = {'Bucket': self._spec.bucket, 'Key': self._spec.key}
        if version_id:
            where['VersionId'] = version_id
        with library.mapped('source', self.location):
            found: dict[str, Any] = self._service.client.head_object(**where)
        if found.get('ContentEncoding') not in (None, '', 'identity'):
            raise exception.InvalidSource(
                f'the object is stored as {found["ContentEncoding"]}',
                side='source',
            )
        return found

    def _reading(self) -> WireSource:
        with self._lock:
            if self._wire is None:
                query = {}
                if self._version_id:
                    query['versionId'] = self._version_id
                with library.mapped('source', self.location):
                    url = self._service.url(
                        self._spec.bucket, self._spec.key, **query
                    )
                wire = WireSource(
                    self.location,
                    self._client,
                    url,
                    auth=self._service,
                    headers={'If-Match': self._etag} if self._etag else None,
                    refused=library.refused,
                )
                self._compare(wire)
                self._wire = wire
            return self._wire

    def _compare(self, wire: WireSource) -> None:
        """See that what is read is what was looked at; not all servers do."""
        same = wire.size == self.size and (
            not self._etag or wire.version == f'ETag {self._etag}'
        )
        if not (same and wire.ranged):
            wire.close()
            raise exception.SourceChanged(
                'the object was replaced'
                if wire.ranged
                else 'the server does not serve ranges any more',
                side='source',
            )

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream over one ranged request; none for no bytes."""
        if not self.size:
            return super().open_stream(offset, length)
        return self._reading().open_stream(offset, length)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the buffer; what lies in the head costs no request."""
        if not self.size:
            return 0
        return self._reading().read_into(offset, buffer)

    def check_unchanged(self) -> None:
        """Look whether the object is still the one that was opened.

        Ranges were compared one by one; what the server copied was not.
        """
        if self._wire is not None or self._copied.is_set():
            return
        found = self._look(self._version_id)
        if (found.get('ETag'), found['ContentLength']) != (
            self._head.get('ETag'),
            self.size,
        ):
            raise exception.SourceChanged(
                'the object was replaced', side='source'
            )

    def facet(self, kind: type[F]) -> F | None:
        """Return the object, for a copy by the server."""
        if kind is not S3Object:
            return None
        found = S3Object(
            endpoint=self._spec.endpoint,
            bucket=self._spec.bucket,
            key=self._spec.key,
            version_id=self._version_id or None,
            etag=self._etag,
            size=self.size or 0,
            settings={
                name: self._head[name]
                for name in _SETTINGS
                if self._head.get(name)
            },
            own=tuple(
                f'{words} {self._head[name]}'
                for name, words in _OWN.items()
                if self._head.get(name)
            ),
            copied=self._copied.set,
        )
        return cast('F', found)

    def interrupt(self) -> None:
        """Wake who waits for the server."""
        if self._wire is not None:
            self._wire.interrupt()

    def close(self) -> None:
        """Let go of the connection."""
        if self._wire is not None:
            self._wire.close()
