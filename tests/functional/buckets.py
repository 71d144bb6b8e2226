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

"""A bucket of a real server, and what a test asks of it."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.s3 import copying
from tests.functional import clients, images
from tests.functional.images import MiB

#: The smallest part.
PART = 5 * MiB


def uploads(client: Any, bucket: str) -> list[Any]:
    """Return what the server tells of the uploads that are not done."""
    try:
        found = client.list_multipart_uploads(Bucket=bucket)
    except client.exceptions.NoSuchUpload:
        return []  # what rclone says when there is none
    return list(found.get('Uploads', ()))


class Bucket:
    """One bucket, and the options that lead to it.

    :param url: the endpoint that the copies use; a proxy's, for instance.
    :param client: a plain client of the server itself.
    :param keys: access and secret key.
    """

    def __init__(
        self, url: str, client: Any, keys: tuple[str, str], name: str
    ) -> None:
        self.url = url
        self.client = client
        self.keys = keys
        self.name = name
        self.pause = 0.01

    def via(self, url: str) -> Bucket:
        """Return the same bucket at the end of another way."""
        return Bucket(url, self.client, self.keys, self.name)

    def slow(self) -> Bucket:
        """Return the same bucket, with pauses as they are by default."""
        other = self.via(self.url)
        other.pause = 0.5
        return other

    @property
    def config(self) -> dict[str, Any]:
        """Small parts, and no long waits."""
        return {
            's3_store_host': self.url,
            's3_store_access_key': self.keys[0],
            's3_store_secret_key': self.keys[1],
            's3_store_large_object_size': 5,
            's3_store_large_object_chunk_size': 5,
            'retry_pause': self.pause,
        }

    def uri(self, key: str) -> str:
        host = self.url.partition('://')[2]
        return f's3://{host}/{self.name}/{urllib.parse.quote(key, "")}'

    def put(self, key: str, data: bytes, **more: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.client.put_object(
            Bucket=self.name, Key=key, Body=data, **more
        )
        return answer

    def read(self, key: str) -> bytes:
        answer = self.client.get_object(Bucket=self.name, Key=key)
        with contextlib.closing(answer['Body']) as body:
            data: bytes = body.read()
            return data

    def head(self, key: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.client.head_object(
            Bucket=self.name, Key=key
        )
        return found

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name)
        return [one['Key'] for one in found.get('Contents', ())]

    def uploads(self) -> list[str]:
        """Return the ids of the uploads that are not done."""
        return [one['UploadId'] for one in uploads(self.client, self.name)]

    def state(self) -> list[str]:
        """Return all that the bucket holds."""
        return [*self.names(), *self.uploads()]

    def writer(self, key: str, **options: Any) -> Any:
        return stores.open_writer(self.uri(key), self.config, **options)

    def send(self, source: str, key: str, **more: Any) -> move.CopyResult:
        """Copy an image to an object by parallel requests."""
        mover = move.Mover(source, self.config)
        more.setdefault('disabled', images.all_but('parallel'))
        if_exists = more.pop('if_exists', 'fail')
        return mover.copy(self.writer(key, if_exists=if_exists), **more)

    def fetch(self, key: str, writer: Any, **more: Any) -> move.CopyResult:
        """Copy an object to somewhere by parallel requests."""
        mover = move.Mover(self.uri(key), self.config)
        more.setdefault('disabled', images.all_but('parallel'))
        return mover.copy(writer, **more)

    def copy(self, key: str, to: str, **more: Any) -> move.CopyResult:
        """Have the server copy an object."""
        more.setdefault('disabled', images.all_but('s3_copy'))
        return self.send(self.uri(key), to, **more)

    def empty(self) -> None:
        """Delete all that it holds."""
        for one in uploads(self.client, self.name):
            self.client.abort_multipart_upload(
                Bucket=self.name, Key=one['Key'], UploadId=one['UploadId']
            )
        for name in self.names():
            self.delete(name)


def copy_in_parts(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let no server copy more than so many bytes at once."""
    real = copying.whole

    def whole(origin: Any, *more: Any) -> Any:
        if origin.size > most:
            raise exception.TooLarge('more than the server copies at once')
        return real(origin, *more)

    monkeypatch.setattr(copying, 'ONE_REQUEST', most)
    monkeypatch.setattr(copying, '_PART', PART)
    monkeypatch.setattr(copying, 'whole', whole)


@contextlib.contextmanager
def made(server: Any, user: Any, name: str) -> Iterator[Bucket]:
    """A bucket of a test's own; what lies in it goes with the test."""
    keys = user.access_key, user.secret_key
    with clients.s3(server, *keys) as client:
        client.create_bucket(Bucket=name)
        bucket = Bucket(server.url, client, keys, name)
        yield bucket
        bucket.empty()
