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

"""``oslo-image bench`` with an operator's own bucket."""

import subprocess
import sys

import pytest

from oslo_image.bench import s3, shape, shared
from oslo_image.bench.places import Missing

BENCH = (sys.executable, '-m', 'oslo_image.cli.main', 'bench')


@pytest.fixture
def config(bucket):
    found = {**bucket.config, 's3_store_bucket': bucket.name}
    return {name: one for name, one in found.items() if name[:3] == 's3_'}


def test_no_object_but_its_own_is_touched(bucket, config, tmp_path):
    """All cells run, and leave what is somebody else's."""
    bucket.put('somebody-elses', b'object')
    path = tmp_path / 'glance-api.conf'
    lines = (f'{name} = {value}' for name, value in config.items())
    path.write_text('[glance_store]\n' + '\n'.join(lines))

    done = subprocess.run(
        [
            *(*BENCH, '--config-file', path, 's3-*', 'file-s3'),
            *('memory-*s3*', '--quick', '--directory', tmp_path),
        ],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    for way in (
        'Mover.copy | ours',
        'boto3 copy | peer',
        'boto3 download_file | peer',
        'boto3 upload_file | peer',
        'bare CopyObject | limit',
        'raw recv/pwrite, 4 ranges | limit',
        'raw sendfile of parts | limit',
        'parallel | ours',
        's3_copy | ours',
        'only import boto3 | limit',
    ):
        assert f'| {way} |' in done.stdout
    assert bucket.keys[1] not in done.stdout + done.stderr
    assert bucket.state() == ['somebody-elses']


def test_a_copy_that_is_wrong_is_found(bucket, config):
    image = shape.dense(shape.MiB)
    with s3.S3Bucket(config) as place:
        made = place.put(image)
        target = place.target()
        bucket.copy(place.key(made), place.key(target))
        place.compare(target, image)
        bucket.put(place.key(target), b'\1' * shape.MiB)
        with pytest.raises(shape.Differs):
            place.compare(target, image)
        place.discard(target)
    assert bucket.state() == []


def test_what_a_failed_way_has_begun_is_aborted(bucket, config):
    with s3.S3Bucket(config) as place:
        target = place.target()
        for one in (target, f'{target}1'):
            begin(place, one)
        place.discard(target)
        (left,) = bucket.client.list_multipart_uploads(Bucket=bucket.name)[
            'Uploads'
        ]
        assert left['Key'] == place.key(f'{target}1')
        place.discard(f'{target}1')
    assert bucket.state() == []


def begin(place, target):
    where = place.where(target)
    made = place.client.create_multipart_upload(**where)
    place.client.upload_part(
        **where, UploadId=made['UploadId'], PartNumber=1, Body=b'part'
    )


def test_the_next_run_removes_what_a_killed_one_left(
    bucket, config, monkeypatch
):
    bucket.put('somebody-elses', b'object')
    killed = s3.S3Bucket(config)
    killed.put(shape.dense(shape.MiB))
    begin(killed, killed.target())
    before = bucket.state()

    with s3.S3Bucket(config):
        assert bucket.state() == before
    monkeypatch.setattr(shared, '_OLD', -3600)
    with s3.S3Bucket(config):
        assert bucket.state() == ['somebody-elses']


def test_a_bucket_that_is_not_there_is_missing(config):
    with pytest.raises(Missing, match='the bucket none'):
        s3.S3Bucket({**config, 's3_store_bucket': 'none'})
