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

"""Images in Swift, shared with glance_store: each takes the other's."""

import hashlib
import io

import pytest
from glance_store import backend, location
from glance_store import exceptions as theirs
from oslo_config import cfg

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.images import MiB

# glance_store's use of keystoneclient
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')
NAME = '71c675ab-d94f-49cd-a114-e12490b328d9'
SIZE = 3 * MiB + 5
DATA = images.noise(SIZE)
#: What the driver makes segments of.
_LARGE = {
    'swift_store_large_object_size': 1,
    'swift_store_large_object_chunk_size': 1,
}


class Glance:
    """glance_store's swift driver, as Glance sets it up."""

    def __init__(self, box, **options):
        self.dynamic = options.get('swift_store_large_object_size') == 1
        conf = cfg.ConfigOpts()
        backend.register_opts(conf)
        conf(args=[], default_config_files=[])
        group = 'glance_store'
        values = {
            **box.config,
            'stores': ['swift'],
            'default_store': 'swift',
            'swift_store_container': box.name,
            **options,
        }
        for name, value in values.items():
            conf.set_override(name, value, group)
        backend.create_stores(conf)
        self.conf = conf
        self.store = backend.get_store_from_scheme('swift')

    def add(self, name=NAME):
        # Of a known size it cannot end in a short segment: it waits for bytes
        # that do not come.
        size = 0 if self.dynamic else SIZE
        uri, count, _, digest, _ = self.store.add(
            name, io.BytesIO(DATA), size, 'sha512'
        )
        assert count == SIZE
        assert digest == hashlib.sha512(DATA).hexdigest()
        return uri

    def get(self, uri):
        return b''.join(self.store.get(self._location(uri))[0])

    def delete(self, uri):
        self.store.delete(self._location(uri))

    def _location(self, uri):
        return location.get_location_from_uri(uri, conf=self.conf)


@pytest.fixture(params=['whole', 'dynamic'])
def glance(request, keystone_box):
    large = _LARGE if request.param == 'dynamic' else {}
    options = {**large} or {'swift_store_large_object_chunk_size': 200}
    return Glance(keystone_box, **options)


class TestTheirs:
    """What glance_store has written, credentials in its URI and all."""

    def test_is_read(self, keystone_box, glance):
        uri = glance.add()
        assert uri.startswith('swift+http://images%3Aglance:')
        writer = io.BytesIO()

        result = move.Mover(uri, keystone_box.config).copy(writer)

        assert tuple(result) == (True, SIZE)
        assert writer.getvalue() == DATA
        assert stores.stat(uri, keystone_box.config).size == SIZE

    def test_is_copied(self, keystone_box, glance):
        uri = glance.add()

        result = keystone_box.copy(uri, 'copy')

        assert result.strategy == 'swift_copy'
        glance.delete(uri)
        assert keystone_box.get('copy') == DATA

    def test_is_deleted(self, keystone_box, glance):
        uri = glance.add()
        other = glance.add(f'{NAME}-other')
        names = keystone_box.names()

        stores.delete(uri, keystone_box.config)

        left = [one for one in names if one.startswith(f'{NAME}-other')]
        assert keystone_box.names() == left
        assert glance.get(other) == DATA
        with pytest.raises(theirs.NotFound):
            glance.get(uri)

    def test_is_replaced(self, keystone_box, glance):
        uri = glance.add()
        with stores.open_writer(
            uri, keystone_box.config, if_exists='replace', size=3
        ) as writer:
            writer.write(b'new')
            writer.commit()
        assert keystone_box.names() == [NAME]
        assert glance.get(uri) == b'new'


class TestOurs:
    """What was written here, by segments and in one."""

    @pytest.fixture(params=[SIZE, 1000])
    def data(self, request):
        return DATA[: request.param]

    @pytest.fixture
    def uri(self, keystone_box, data):
        uri = keystone_box.uri(NAME)
        with stores.open_writer(
            uri, keystone_box.config, size=len(data)
        ) as writer:
            writer.write(data)
            assert writer.commit().reveal() == uri
        return uri

    def test_is_read(self, keystone_box, uri, data):
        assert Glance(keystone_box).get(uri) == data

    def test_is_deleted(self, keystone_box, uri):
        Glance(keystone_box).delete(uri)

        assert keystone_box.names() == []
        with pytest.raises(exception.ImageNotFound):
            stores.stat(uri, keystone_box.config)


@pytest.mark.parametrize('seed', [0, 1, 3, 10])
def test_containers_have_the_same_names(keystone_box, seed):
    """A URI without one means that of glance_store."""
    config = {
        **keystone_box.config,
        'swift_store_container': keystone_box.name,
        'swift_store_multiple_containers_seed': seed,
        'swift_store_create_container_on_put': True,
    }
    with stores.open_writer(f'swift:///{NAME}', config) as writer:
        writer.write(DATA)
        uri = writer.commit().reveal()

    glance = Glance(keystone_box, **config)
    theirs_at = glance.store.create_location(NAME)

    assert uri == f'swift+config://ref1/{theirs_at.container}/{NAME}'
    assert glance.get(uri) == DATA
    stores.delete(f'swift:///{NAME}', config)


def test_their_references_are_ours(keystone_box, tmp_path):
    path = tmp_path / 'swift.conf'
    config = keystone_box.config
    path.write_text(
        '[mine]\n'
        f'auth_address = {config["swift_store_auth_address"]}\n'
        f'user = {config["swift_store_user"]}\n'
        f'key = {config["swift_store_key"]}\n'
    )
    options = {
        'swift_store_config_file': str(path),
        'default_swift_reference': 'mine',
        'swift_store_container': keystone_box.name,
    }
    glance = Glance(keystone_box, **options)

    uri = glance.add()

    assert uri == f'swift+config://mine/{keystone_box.name}/{NAME}'
    assert stores.stat(uri, options).size == SIZE
