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


"""The object stores of the functional tests, tested themselves."""

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
import swiftclient

from tests.functional import clients
from tests.servers import ceph as ceph_server
from tests.servers import policy

MiB = 1 << 20
DATA = bytes(range(256)) * 4


@pytest.fixture(params=['rgw', 'rclone_s3'])
def s3(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client of each server that speaks S3."""
    server = policy.used(request, request.param)
    user = server
    if request.param == 'rgw':
        user = request.getfixturevalue('rgw_user')
    with clients.s3(server, user.access_key, user.secret_key) as client:
        yield client


@pytest.fixture
def bucket(s3: Any, tmp_path: pathlib.Path) -> str:
    """A bucket of the test's own."""
    name = tmp_path.name.replace('_', '-').lower()
    s3.create_bucket(Bucket=name)
    return name


def body(answer: Any) -> bytes:
    with contextlib.closing(answer['Body']) as stream:
        data: bytes = stream.read()
        return data


class TestS3:
    def test_keeps_an_object(self, s3: Any, bucket: str) -> None:
        where = {'Bucket': bucket, 'Key': 'a/key'}
        put = s3.put_object(**where, Body=DATA)
        assert put['ETag'] == f'"{hashlib.md5(DATA).hexdigest()}"'
        head = s3.head_object(**where)
        assert head['ContentLength'] == len(DATA)
        assert head['ETag'] == put['ETag']
        assert body(s3.get_object(**where)) == DATA
        part = s3.get_object(**where, Range='bytes=10-19')
        assert part['ContentRange'] == f'bytes 10-19/{len(DATA)}'
        assert part['ETag'] == put['ETag']
        assert body(part) == DATA[10:20]
        s3.delete_object(**where)
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(**where)

    def test_copies_an_object(self, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key='one', Body=DATA)
        s3.copy_object(
            Bucket=bucket,
            Key='other',
            CopySource={'Bucket': bucket, 'Key': 'one'},
        )
        assert body(s3.get_object(Bucket=bucket, Key='other')) == DATA

    def test_joins_parts(self, s3: Any, bucket: str) -> None:
        where = {'Bucket': bucket, 'Key': 'parts'}
        upload = s3.create_multipart_upload(**where)['UploadId']
        parts = []
        for number, data in enumerate((bytes(5 * MiB), DATA), 1):
            answer = s3.upload_part(
                **where, UploadId=upload, PartNumber=number, Body=data
            )
            parts.append({'PartNumber': number, 'ETag': answer['ETag']})
        s3.complete_multipart_upload(
            **where, UploadId=upload, MultipartUpload={'Parts': parts}
        )
        assert body(s3.get_object(**where)) == bytes(5 * MiB) + DATA

    def test_forgets_an_aborted_upload(self, s3: Any, bucket: str) -> None:
        where = {'Bucket': bucket, 'Key': 'aborted'}
        upload = s3.create_multipart_upload(**where)['UploadId']
        s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=DATA)
        s3.abort_multipart_upload(**where, UploadId=upload)
        assert 'Uploads' not in s3.list_multipart_uploads(Bucket=bucket)
        assert 'Contents' not in s3.list_objects_v2(Bucket=bucket)

    def test_refuses_a_wrong_key(self, rgw: ceph_server.Rgw) -> None:
        user = rgw.user('another')
        with (
            clients.s3(rgw, user.access_key, 'wrong' * 8) as client,
            pytest.raises(
                botocore.exceptions.ClientError, match='SignatureDoesNotMatch'
            ),
        ):
            client.list_buckets()


@pytest.fixture(params=['rgw', 'swift', 'swift_keystone'])
def client(
    request: pytest.FixtureRequest,
) -> Iterator[swiftclient.Connection]:
    """A client of each server that speaks Swift."""
    server = policy.used(request, request.param)
    if request.param == 'rgw':
        user = request.getfixturevalue('rgw_user')
        opened = clients.swift(
            server.swift_auth_url, user.swift_user, user.swift_key
        )
    elif request.param == 'swift':
        user = server.users[0]
        opened = clients.swift(server.auth_url, user.login, user.key)
    else:
        auth = clients.password(
            request.getfixturevalue('keystone'),
            request.getfixturevalue('keystone_user'),
        )
        opened = clients.swift_by_keystone(auth)
    with opened as connection:
        yield connection


@pytest.fixture
def container(client: swiftclient.Connection, tmp_path: pathlib.Path) -> str:
    """A container of the test's own."""
    client.put_container(tmp_path.name)
    return tmp_path.name


class TestSwift:
    def test_keeps_an_object(
        self, client: swiftclient.Connection, container: str
    ) -> None:
        etag = client.put_object(container, 'an/object', DATA)
        assert etag == hashlib.md5(DATA).hexdigest()
        head = client.head_object(container, 'an/object')
        assert head['content-length'] == str(len(DATA))
        assert head['etag'] == etag
        headers, data = client.get_object(
            container, 'an/object', headers={'Range': 'bytes=10-19'}
        )
        assert headers['content-range'] == f'bytes 10-19/{len(DATA)}'
        assert data == DATA[10:20]
        client.delete_object(container, 'an/object')
        with pytest.raises(swiftclient.ClientException, match='404'):
            client.get_object(container, 'an/object')

    def test_copies_an_object(
        self, client: swiftclient.Connection, container: str
    ) -> None:
        client.put_object(container, 'one', DATA)
        client.copy_object(container, 'one', f'/{container}/other')
        assert client.get_object(container, 'other')[1] == DATA

    def test_joins_segments(
        self, client: swiftclient.Connection, container: str
    ) -> None:
        segments = [
            {
                'path': f'/{container}/segment-{number}',
                'etag': client.put_object(
                    container, f'segment-{number}', data
                ),
                'size_bytes': len(data),
            }
            for number, data in enumerate((DATA, bytes(100)))
        ]
        client.put_object(
            container,
            'large',
            json.dumps(segments),
            query_string='multipart-manifest=put',
        )
        headers, data = client.get_object(container, 'large')
        assert headers['x-static-large-object'] == 'True'
        assert data == DATA + bytes(100)
        client.delete_object(
            container, 'large', query_string='multipart-manifest=delete'
        )
        assert client.get_container(container)[1] == []

    def test_says_what_it_can(self, client: swiftclient.Connection) -> None:
        known = client.get_capabilities()
        assert known['swift']['max_file_size'] > 5_000_000_000
        assert known['slo']['max_manifest_segments'] >= 1000
