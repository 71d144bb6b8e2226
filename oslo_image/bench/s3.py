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

"""A bucket of an S3 server as a place: the tests' own, or an operator's."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oslo_image import exception
from oslo_image.bench.objects import Objects
from oslo_image.bench.places import Enter, Missing, Place
from oslo_image.bench.shared import PREFIX
from oslo_image.stores.registry import Stores
from oslo_image.stores.s3 import library, uri
from oslo_image.stores.s3.service import S3Auth, Settings, service

_HOUR = 3600


class S3Bucket(Objects):
    """The bucket that a configuration names.

    :param config: with ``s3_store_host``, ``s3_store_access_key``,
        ``s3_store_secret_key`` and ``s3_store_bucket``.
    :raises Missing: when boto3 or the bucket are not there.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        options = _options(config)
        self.endpoint = uri.endpoint(options.s3_store_host)
        self.bucket: str = options.s3_store_bucket
        self.access: str = options.s3_store_access_key or ''
        self.secret: str = options.s3_store_secret_key or ''
        keys = S3Auth(self.access, self.secret) if self.access else None
        own = service(Settings(self.endpoint, auth=keys, addressing='path'))
        try:
            #: boto3's client, for what is measured without making one.
            self.client = own.client
            if options.s3_store_create_bucket_on_put:
                own.make_bucket(self.bucket)
            with library.mapped('destination'):
                self.client.head_bucket(Bucket=self.bucket)
        except exception.ImageError as error:
            raise Missing(f'the bucket {self.bucket}: {error}') from error

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program needs: in its arguments, all could read the keys."""
        return {
            **{
                name: text
                for name, text in os.environ.items()
                if not name.startswith(('AWS_', 'RCLONE_'))
            },
            'AWS_ACCESS_KEY_ID': self.access,
            'AWS_SECRET_ACCESS_KEY': self.secret,
            'AWS_REGION': 'us-east-1',
            'RCLONE_CONFIG': '/dev/null',
            'RCLONE_CONFIG_BENCH_TYPE': 's3',
            'RCLONE_CONFIG_BENCH_PROVIDER': 'Ceph',
            'RCLONE_CONFIG_BENCH_REGION': 'us-east-1',
            'RCLONE_CONFIG_BENCH_NO_CHECK_BUCKET': 'true',
            'RCLONE_CONFIG_BENCH_ENDPOINT': self.endpoint,
            'RCLONE_CONFIG_BENCH_ACCESS_KEY_ID': self.access,
            'RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY': self.secret,
        }

    def where(self, location: str) -> dict[str, str]:
        """Return an object's bucket and key, as boto3 names them."""
        return {'Bucket': self.bucket, 'Key': self.key(location)}

    def key(self, location: str) -> str:
        """Return an object's key."""
        return uri.parse(location).key

    def signed(self, method: str, **where: Any) -> str:
        """Return a URL at which whoever has it may do this for an hour.

        :param method: of boto3's client.
        """
        url: str = self.client.generate_presigned_url(
            method, Params=where, ExpiresIn=_HOUR
        )
        return url

    def uri(self, name: str) -> str:
        """Return the URI of an object."""
        return uri.build(uri.Spec(self.endpoint, self.bucket, name))

    def discard(self, target: str) -> None:
        """Remove the object, and abort what uploads of it are unfinished."""
        where = self.where(target)
        self.client.delete_object(**where)
        for one in self._uploads(where['Key']):
            if one['Key'] == where['Key']:
                self.client.abort_multipart_upload(
                    **where, UploadId=one['UploadId']
                )

    def forgotten(self, before: float) -> Iterable[str]:
        """Return the objects and uploads of killed runs."""
        objects = self._listed('list_objects_v2', 'Contents', PREFIX)
        keys = {
            one['Key']
            for found, when in (
                (objects, 'LastModified'),
                (self._uploads(PREFIX), 'Initiated'),
            )
            for one in found
            if one[when].timestamp() < before
        }
        return map(self.uri, sorted(keys))

    def _uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        return self._listed('list_multipart_uploads', 'Uploads', prefix)

    def _listed(
        self, method: str, field: str, prefix: str
    ) -> Iterator[dict[str, Any]]:
        pages = self.client.get_paginator(method)
        for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
            yield from page.get(field, ())


def configured(config: Any) -> Mapping[str, Enter]:
    """Return the places that a configuration adds, by name."""
    if config is None:
        return {}
    options = _options(config)
    if options.s3_store_host and options.s3_store_bucket:
        return {'s3': functools.partial(_enter, config)}
    return {}


@contextlib.contextmanager
def _enter(config: Any, work: pathlib.Path) -> Iterator[Place]:
    with S3Bucket(config) as place:
        yield place


def _options(config: Any) -> Any:
    found = Stores(config)
    return found.find(found.location('s3://any/any/any')).options
