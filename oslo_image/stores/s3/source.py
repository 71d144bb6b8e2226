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

from typing import Any

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.facets import S3Object
from oslo_image.stores.object_source import ObjectSource
from oslo_image.stores.s3 import library, uri
from oslo_image.stores.s3.service import Service
from oslo_image.stores.wire import Client, WireSource

#: What CopyObject takes over, and a multipart upload has to be told.
_SETTINGS = (
    'CacheControl',
    'ContentDisposition',
    'ContentLanguage',
    'ContentType',
    'Expires',
    'Metadata',
)
#: What neither does.
_OWN = {
    'ServerSideEncryption': 'encryption',
    'SSEKMSKeyId': 'its key',
    'ObjectLockMode': 'object lock',
    'ObjectLockLegalHoldStatus': 'legal hold',
    'StorageClass': 'storage class',
    'WebsiteRedirectLocation': 'redirection to',
}


class S3Source(ObjectSource):
    """One version of an object."""

    served = S3Object

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

    def _open(self) -> WireSource:
        query = {'versionId': self._version_id} if self._version_id else {}
        with library.mapped('source', self.location):
            url = self._service.url(self._spec.bucket, self._spec.key, **query)
        return WireSource(
            self.location,
            self._client,
            url,
            auth=self._service,
            headers={'If-Match': self._etag} if self._etag else None,
            refused=library.refused,
            # Where it leads was checked when the store was asked.
            trusted=True,
        )

    def _look_again(self) -> tuple[str, int]:
        found = self._look(self._version_id)
        return str(found.get('ETag') or ''), int(found['ContentLength'])

    def _serve(self) -> S3Object:
        return S3Object(
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
