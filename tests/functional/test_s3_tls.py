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

"""Objects in S3 over TLS, by a certificate authority of the server's own."""

import io

import boto3
import botocore.config
import pytest
import trustme

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.buckets import PART, Bucket
from tests.servers import policy, rclone

SIZE = 2 * PART + 7
DATA = images.noise(SIZE)


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp('rclone')
    with policy.provided(rclone.RcloneS3(root, tls=True)) as running:
        yield running


class TlsBucket(Bucket):
    ca_file = ''

    @property
    def config(self):
        return {**super().config, 's3_store_cacert': str(self.ca_file)}

    def uri(self, key):
        return super().uri(key).replace('s3://', 's3+https://')


@pytest.fixture
def bucket(server, tmp_path):
    keys = server.access_key, server.secret_key
    client = boto3.client(
        's3',
        endpoint_url=server.url,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        region_name='us-east-1',
        verify=str(server.ca_file),
        config=botocore.config.Config(s3={'addressing_style': 'path'}),
    )
    name = tmp_path.name.replace('_', '-').lower()
    client.create_bucket(Bucket=name)
    own = TlsBucket(server.url, client, keys, name)
    own.ca_file = server.ca_file
    yield own
    client.close()


@pytest.mark.parametrize('size', [0, 7, SIZE])
def test_there_and_back(bucket, tmp_path, size):
    """The kernel sends nothing by itself here: TLS must see the bytes."""
    path = tmp_path / 'source'
    path.write_bytes(DATA[:size])

    there = bucket.send(images.uri(path), 'image')

    assert there.destination.reveal() == bucket.uri('image')
    target = stores.open_writer(images.uri(tmp_path / 'target'))
    assert bucket.fetch('image', target).success
    assert (tmp_path / 'target').read_bytes() == DATA[:size]


def test_copied_by_the_server(bucket, tmp_path):
    (tmp_path / 'source').write_bytes(DATA)
    bucket.send(images.uri(tmp_path / 'source'), 'image')

    assert bucket.copy('image', 'copy').zero_copy

    target = io.BytesIO()
    move.Mover(bucket.uri('copy'), bucket.config).copy(target)
    assert target.getvalue() == DATA


def test_by_another_authority(bucket, tmp_path):
    bucket.ca_file = tmp_path / 'other.pem'
    trustme.CA().cert_pem.write_to_path(str(bucket.ca_file))

    with pytest.raises(exception.SourceError, match='TLS') as caught:
        stores.stat(bucket.uri('image'), bucket.config)
    assert not caught.value.temporary
    with pytest.raises(exception.DestinationError, match='TLS') as caught:
        bucket.writer('image').check(1)
    assert not caught.value.temporary


def test_keys_of_http_are_not_sent_over_tls(bucket):
    """The options' keys are for their endpoint, whose scheme counts."""
    config = bucket.config
    config['s3_store_host'] = bucket.url.replace('https:', 'http:')
    with pytest.raises(exception.PermissionDenied):
        stores.stat(bucket.uri('image'), config)
