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

"""Objects in S3, shared with glance_store: each takes what the other made."""

import hashlib
import io

import pytest
from glance_store import backend, location
from glance_store import exceptions as theirs
from oslo_config import cfg

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.images import MiB

NAME = '71c675ab-d94f-49cd-a114-e12490b328d9'
#: Below their smallest limit of a single PUT, and parts beyond it.
SMALL = 9 * MiB + 5
LARGE = 16 * MiB + 5
NOISE = images.noise(LARGE)
SIZES = [SMALL, LARGE]


@pytest.fixture
def config(bucket):
    """One configuration for both."""
    return {
        **bucket.config,
        's3_store_bucket': bucket.name,
        's3_store_large_object_size': 10,
    }


@pytest.fixture
def glance(config):
    """glance_store's s3 driver, as Glance sets it up."""
    conf = cfg.ConfigOpts()
    backend.register_opts(conf)
    conf(args=[], default_config_files=[])
    group = 'glance_store'
    conf.set_override('stores', ['s3'], group)
    conf.set_override('default_store', 's3', group)
    for name, value in config.items():
        if name.startswith('s3_'):
            conf.set_override(name, value, group)
    backend.create_stores(conf)
    return Glance(conf)


class Glance:
    def __init__(self, conf):
        self.conf = conf
        self.store = backend.get_store_from_scheme('s3')

    def add(self, data, size):
        """Store an image, of a size that need not be known."""
        uri, count, _, digest, _ = self.store.add(
            NAME, io.BytesIO(data), size, 'sha512'
        )
        assert count == len(data)
        assert digest == hashlib.sha512(data).hexdigest()
        return uri

    def get(self, uri):
        chunks, size = self.store.get(self._location(uri))
        data = b''.join(chunks)
        assert len(data) == size
        return data

    def delete(self, uri):
        self.store.delete(self._location(uri))

    def _location(self, uri):
        return location.get_location_from_uri(uri, conf=self.conf)


def with_keys(bucket, uri):
    """Return a URI as older glance_stores have it."""
    return uri.replace('://', f'://{":".join(bucket.keys)}@')


class TestTheirs:
    """What glance_store has written."""

    @pytest.mark.parametrize('size', SIZES)
    @pytest.mark.parametrize('known', [True, False])
    def test_is_read(self, bucket, config, glance, size, known):
        """By the keys of the options, and of an old URI."""
        uri = glance.add(NOISE[:size], size if known else 0)
        assert uri == bucket.uri(NAME)

        for one, its in ((uri, config), (with_keys(bucket, uri), None)):
            target = io.BytesIO()
            result = move.Mover(one, its).copy(target)
            assert tuple(result) == (True, size)
            assert target.getvalue() == NOISE[:size]
            assert bucket.keys[1] not in f'{result!r} {result.source}'

    @pytest.mark.parametrize('size', SIZES)
    def test_is_copied_by_the_server(self, bucket, config, glance, size):
        uri = glance.add(NOISE[:size], size)

        result = move.Mover(uri, config).copy(
            stores.open_writer(bucket.uri('copy'), config)
        )

        assert result.strategy == 's3_copy'
        assert bucket.read('copy') == NOISE[:size]

    def test_is_copied_to_a_file(self, config, glance, tmp_path):
        uri = glance.add(NOISE, LARGE)
        target = images.uri(tmp_path / 'target')

        result = move.Mover(uri, config).copy(stores.open_writer(target))

        assert result.strategy == 'parallel'
        assert (tmp_path / 'target').read_bytes() == NOISE

    def test_is_deleted(self, bucket, config, glance):
        uri = glance.add(NOISE, LARGE)

        stores.delete(uri, config)

        assert bucket.state() == []
        with pytest.raises(theirs.NotFound):
            glance.get(uri)


class TestOurs:
    """What was written here."""

    @pytest.fixture(params=SIZES)
    def data(self, request):
        return NOISE[: request.param]

    @pytest.fixture
    def uri(self, bucket, config, data):
        with stores.open_writer(
            bucket.uri(NAME), config, size=len(data)
        ) as writer:
            writer.write(data)
            return writer.commit().reveal()

    def test_is_read(self, bucket, glance, uri, data):
        assert glance.get(uri) == data
        assert glance.get(with_keys(bucket, uri)) == data

    def test_is_deleted(self, bucket, config, glance, uri):
        glance.delete(uri)

        assert bucket.state() == []
        with pytest.raises(exception.ImageNotFound):
            stores.stat(uri, config)

    def test_is_at_the_same_place(self, bucket, config, glance, uri, data):
        """Theirs is refused where ours lies."""
        assert uri == bucket.uri(NAME)
        with pytest.raises(theirs.Duplicate):
            glance.add(b'another', 7)
        assert bucket.read(NAME) == data


def test_copy_is_read(bucket, config, glance):
    """A copy that the server made is an image to glance_store."""
    glance.add(NOISE, LARGE)
    bucket.copy(NAME, 'copy')
    assert glance.get(bucket.uri('copy')) == NOISE
