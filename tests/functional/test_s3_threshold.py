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

"""Where one PUT ends and parts begin."""

import pytest

from oslo_image import move, stores
from tests.functional import images
from tests.functional.buckets import PART
from tests.functional.images import MiB

#: More than two parts, so that size alone would make it parts.
THRESHOLD = 11 * MiB
DATA = images.noise(2 * THRESHOLD)


def send(bucket, s3_proxy, path, size, verify='auto', **options):
    """Copy a file; return how many PUTs sent it, whole and in parts."""
    path.write_bytes(DATA[:size])
    config = {**bucket.config, **options}
    result = move.Mover(images.uri(path)).copy(
        stores.open_writer(bucket.uri('image'), config), verify=verify
    )
    assert tuple(result) == (True, size)
    assert bucket.read('image') == DATA[:size]
    assert bucket.state() == ['image']
    # What was sent whole has an MD5 for an ETag, without a number of parts.
    parts = s3_proxy.asked('PUT', 'partNumber')
    assert ('-' in bucket.head('image')['ETag']) == (parts > 0)
    return s3_proxy.asked('PUT') - parts, parts


@pytest.mark.parametrize(
    ('size', 'expected'),
    [(THRESHOLD - 1, (1, 0)), (THRESHOLD, (0, 3)), (THRESHOLD + 1, (0, 3))],
    ids=['below', 'at', 'above'],
)
def test_of_a_file(faulty, s3_proxy, tmp_path, size, expected):
    """It takes no memory, so the option alone decides."""
    sent = send(
        faulty,
        s3_proxy,
        tmp_path / 'source',
        size,
        s3_store_large_object_size=THRESHOLD // MiB,
    )
    assert sent == expected


@pytest.mark.parametrize(
    ('size', 'expected'),
    [(PART - 1, (1, 0)), (PART, (1, 0)), (PART + 1, (0, 2))],
    ids=['below', 'at', 'above'],
)
def test_of_what_passes_through_memory(
    faulty, s3_proxy, tmp_path, size, expected
):
    """No more than a part is held."""
    sent = send(
        faulty,
        s3_proxy,
        tmp_path / 'source',
        size,
        'always',
        s3_store_large_object_size=THRESHOLD // MiB,
    )
    assert sent == expected


def test_by_default(faulty, s3_proxy, tmp_path):
    """100 MiB, and parts of 10."""
    options = {
        's3_store_large_object_size': 100,
        's3_store_large_object_chunk_size': 10,
    }
    assert not set(options.items()) <= set(faulty.config.items())
    size = len(DATA) - 1
    path = tmp_path / 'source'
    assert send(faulty, s3_proxy, path, size, **options) == (1, 0)
    s3_proxy.clear()
    faulty.delete('image')
    assert send(faulty, s3_proxy, path, size, 'always', **options) == (0, 3)
