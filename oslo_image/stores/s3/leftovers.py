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

import datetime
import email.utils
from collections.abc import Iterator
from typing import Any, NamedTuple

from oslo_image.image import Location
from oslo_image.stores.base import Leftover
from oslo_image.stores.s3 import library, uri
from oslo_image.stores.s3.service import Service

#: By so much a Date may be early.
_ROUNDED = datetime.timedelta(seconds=1)


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
    """Yield the uploads to a key, below a prefix or in a bucket.

    Their age is by the server's clock.
    """
    with library.mapped('destination', about):
        found, now = uploads(service.client, spec.bucket, spec.key)
    before = now - datetime.timedelta(seconds=older_than)
    for one in found:
        if one['Initiated'] <= before:
            key = Key(service, spec.bucket, one['Key'], one['UploadId'])
            name = f'upload {key.upload} of {spec.bucket}/{key.key}'
            begun = one['Initiated'].timestamp()
            yield Leftover(name, None, begun, key)


def uploads(
    client: Any, bucket: str, key: str
) -> tuple[list[Any], datetime.datetime]:
    """Return the uploads that are not done, and the server's time.

    :param key: of all, where it is empty; of all that begin so, where it ends
        in a slash.
    :raises: boto3's errors.
    """
    errors = library.load().exceptions
    found: list[Any] = []
    now = datetime.datetime.now(datetime.UTC)
    pages = client.get_paginator('list_multipart_uploads')
    try:
        for page in pages.paginate(Bucket=bucket, Prefix=key):
            date = page['ResponseMetadata']['HTTPHeaders'].get('date')
            if date:
                now = email.utils.parsedate_to_datetime(date) + _ROUNDED
            found += page.get('Uploads', ())
    except errors.ClientError as error:
        # What rclone says when there is none.
        if library.code_of(error) != 'NoSuchUpload':
            raise
    if key and not key.endswith('/'):
        found = [one for one in found if one['Key'] == key]
    return found, now


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
