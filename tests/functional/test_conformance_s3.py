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

"""The conformance suite on objects in S3: in Ceph's RGW and in rclone."""

import urllib.parse

import pytest

from oslo_image.stores.registry import Stores
from oslo_image.testing.conformance import Harness, StoreConformance
from tests.functional import buckets, clients

MiB = 1 << 20
BUCKET = 'conformance'
_LACKS = {
    'in_place': 'objects are replaced whole',
    'sparse': 'S3 has no holes',
}


def _client(server, keys):
    with clients.s3(server, keys.access_key, keys.secret_key) as client:
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture(scope='module')
def rgw_client(rgw, rgw_user):
    yield from _client(rgw, rgw_user)


@pytest.fixture(scope='module')
def rclone_client(rclone_s3):
    yield from _client(rclone_s3, rclone_s3)


class Objects:
    """What holds of every server."""

    # The smallest part, and what lies around it.
    sizes = (5 * MiB - 1, 5 * MiB, 5 * MiB + 1, 10 * MiB + 1)
    chunk = 5 * MiB
    malformed = (
        's3://host',
        's3:///bucket',
        's3:///bucket/key',
        's3://key@host/bucket/key',
    )

    @pytest.fixture
    def harness(self, account):
        url, access, secret, client = account
        stores = Stores(
            {
                's3_store_host': url,
                's3_store_access_key': access,
                's3_store_secret_key': secret,
                # One PUT up to a part, and parts beyond.
                's3_store_large_object_size': 5,
                's3_store_large_object_chunk_size': 5,
            }
        )

        def uri(name, keys=''):
            host = url.partition('://')[2]
            key = urllib.parse.quote(name, '')
            return f's3://{keys}{host}/{BUCKET}/{key}'

        def objects():
            pages = client.get_paginator('list_objects_v2')
            for page in pages.paginate(Bucket=BUCKET):
                for one in page.get('Contents', ()):
                    yield one['Key']

        def listing():
            yield from objects()
            for one in buckets.uploads(client, BUCKET):
                yield f'{one["Key"]} {one["UploadId"]}'

        yield Harness(
            store=stores.find(stores.location(uri('any'))),
            uri=uri,
            listing=lambda: list(listing()),
            overwrite=lambda name, data: client.put_object(
                Bucket=BUCKET, Key=name, Body=data
            ),
            secret_uri=lambda word: uri('image', f'{access}:{word}@'),
            abandon=lambda name: client.create_multipart_upload(
                Bucket=BUCKET, Key=name
            ),
        )
        # To list them takes rclone a while.
        for key in list(objects()):
            client.delete_object(Bucket=BUCKET, Key=key)


class TestRgw(Objects, StoreConformance):
    lacks = {
        **_LACKS,
        'exclusive': 'RGW 16.2 looks at no condition when it joins parts',
    }

    @pytest.fixture
    def account(self, rgw, rgw_user, rgw_client):
        keys = rgw_user.access_key, rgw_user.secret_key
        return rgw.url, *keys, rgw_client


class TestRclone(Objects, StoreConformance):
    lacks = {
        **_LACKS,
        'exclusive': 'rclone looks at no condition',
    }

    @pytest.fixture
    def account(self, rclone_s3, rclone_client):
        keys = rclone_s3.access_key, rclone_s3.secret_key
        return rclone_s3.url, *keys, rclone_client
