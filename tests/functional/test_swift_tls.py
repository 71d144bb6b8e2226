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

"""Objects in Swift over TLS, by a certificate authority of its own."""

import pytest
import swiftclient
import trustme

from oslo_image import exception, stores
from tests.functional import boxes, images
from tests.functional.images import MiB
from tests.servers import policy

SIZE = 2 * MiB + 7
DATA = images.noise(SIZE)


@pytest.fixture(scope='module')
def front(swift):
    with policy.provided(swift.tls_proxy()) as running:
        yield running


@pytest.fixture
def box(swift, front, tmp_path):
    user = swift.users[0]
    login = f'{front.url}/auth/v1.0', user.login, user.key
    client = swiftclient.Connection(
        *login, retries=0, cacert=str(front.ca_file)
    )
    options = boxes.options(*login)
    options['swift_store_cacert'] = str(front.ca_file)
    yield boxes.Box(client, options, tmp_path.name)
    client.close()


@pytest.mark.parametrize('size', [0, 7, SIZE])
def test_there_and_back(box, tmp_path, size):
    """The kernel sends nothing by itself here: TLS must see the bytes."""
    path = tmp_path / 'source'
    path.write_bytes(DATA[:size])

    there = box.copy(images.uri(path), 'image')

    assert there.strategy == 'parallel'
    assert box.get('image') == DATA[:size]
    assert box.client.get_auth()[0].startswith('https:')
    box.fetch('image', tmp_path / 'target')
    assert (tmp_path / 'target').read_bytes() == DATA[:size]


def test_copied_by_the_server(box, tmp_path):
    (tmp_path / 'source').write_bytes(DATA)
    box.copy(images.uri(tmp_path / 'source'), 'image')
    assert box.copy(box.uri('image'), 'copy').strategy == 'swift_copy'
    assert box.get('copy') == DATA


@pytest.mark.parametrize('whom', ['tokens', 'objects'])
def test_by_another_authority(swift, box, tmp_path, whom):
    config = {**box.config, 'swift_store_cacert': str(tmp_path / 'other.pem')}
    trustme.CA().cert_pem.write_to_path(config['swift_store_cacert'])
    if whom == 'objects':
        config['swift_store_endpoint'] = box.client.get_auth()[0]
        config['swift_store_auth_address'] = swift.auth_url

    with pytest.raises(exception.SourceError, match='TLS') as caught:
        stores.stat(box.uri('image'), config)
    assert not caught.value.temporary
    with pytest.raises(exception.DestinationError, match='TLS') as caught:
        stores.open_writer(box.uri('image'), config).check(1)
    assert not caught.value.temporary


@pytest.mark.filterwarnings('ignore:Unverified HTTPS')
def test_by_whoever_it_may_be(box, tmp_path):
    """Nobody is verified where the options say so."""
    del box.config['swift_store_cacert']
    with pytest.raises(exception.SourceError, match='TLS'):
        stores.stat(box.uri('image'), box.config)
    box.config['swift_store_auth_insecure'] = True
    (tmp_path / 'source').write_bytes(DATA)
    assert box.copy(images.uri(tmp_path / 'source'), 'image').success
    box.fetch('image', tmp_path / 'target')
    assert (tmp_path / 'target').read_bytes() == DATA
