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

"""Multipart uploads that killed copies left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from oslo_image.image import Location
from oslo_image.stores.base import Leftover
from oslo_image.stores.s3 import library, uri
from oslo_image.stores.s3.service import Service


class Key(NamedTuple):
    """By what an upload is known again."""

    service: Service
    bucket: str
    key: str
    upload: str

    def __repr__(self) -> str:
        return f'<upload {self.upload} of {self.bucket}/{self.key}>'


def find(
    service: Service, spec: uri.Spec, older_than: float, about: Location
) -> Iterator[Leftover]:
    """Yield the uploads to one key."""
    before = time.time() - older_than
    errors = library.load().exceptions
    found = []
    with library.mapped('destination', about):
        pages = service.client.get_paginator('list_multipart_uploads')
        try:
            found = [
                one
                for page in pages.paginate(Bucket=spec.bucket, Prefix=spec.key)
                for one in page.get('Uploads', ())
                if one['Key'] == spec.key
            ]
        except errors.ClientError as error:
            # What rclone says when there is none.
            if library.code_of(error) != 'NoSuchUpload':
                raise
    for one in found:
        begun = one['Initiated'].timestamp()
        if begun <= before:
            key = Key(service, spec.bucket, spec.key, one['UploadId'])
            name = f'upload {key.upload} of {spec.bucket}/{spec.key}'
            yield Leftover(name, None, begun, key)


def remove(key: Key) -> bool:
    """Abort an upload; one that is gone is gone."""
    errors = library.load().exceptions
    with library.mapped('destination'):
        try:
            key.service.client.abort_multipart_upload(
                Bucket=key.bucket, Key=key.key, UploadId=key.upload
            )
        except errors.ClientError as error:
            if library.code_of(error) not in ('NoSuchUpload', 'NoSuchKey'):
                raise
    return True
