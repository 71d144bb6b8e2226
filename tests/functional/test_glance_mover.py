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

"""An image's id becomes its cheapest location, on a real Glance."""

import concurrent.futures
import hashlib
import io
import uuid

import pytest

from oslo_image import catalog, exception, move, stores
from oslo_image.stores import wire
from tests.functional import glances
from tests.functional.glances import Glances, MiB, pattern
from tests.servers import glance as glance_server
from tests.servers import policy

DATA = pattern(2 * MiB + 17)
ABSENT = '00000000-0000-4000-8000-000000000001'
RAW = {'disk_format': 'raw', 'container_format': 'bare'}


@pytest.fixture
def images(glance):
    return Glances(glance.url)


@pytest.fixture
def config(glance):
    """What says where Glance is, and nothing of what is behind it."""
    return {'catalog': 'glance', 'glance_endpoint': glance.url}


@pytest.fixture
def operator(glance, tmp_path):
    """The operator's own file, and where Glance is."""
    return glances.operator(glance, tmp_path / 'mover.conf')


@pytest.fixture
def requests(monkeypatch):
    """The requests that go to Glance."""
    sent = []
    ask = wire.Client.request

    def request(self, method, url, **keywords):
        sent.append(f'{method} {url}')
        return ask(self, method, url, **keywords)

    monkeypatch.setattr(wire.Client, 'request', request)
    return sent


class TestOperatorsFile:
    """The very file that runs Glance says how its stores are reached."""

    def test_a_file_is_shared(self, images, operator, place, requests):
        image_id = images.stored(DATA)
        path = place / 'copy'
        with path.open('wb') as file:
            result = move.Mover(image_id, operator).copy(file)
        assert (result.strategy, result.zero_copy) == ('reflink', True)
        assert tuple(result) == (True, 0)
        assert path.read_bytes() == DATA
        assert len(requests) == 1

    def test_a_disk_in_ceph_is_cloned(self, images, operator, pools, requests):
        image_id = images.stored(DATA, 'ceph')
        uri = pools.volumes.uri(f'clone-{image_id}')
        with stores.open_writer(uri, pools.config) as writer:
            result = move.Mover(image_id, operator).copy(writer)
        assert tuple(result) == (True, 0)
        assert result.strategy == 'rbd_clone'
        assert result.parent[1:] == (image_id, 'snap')
        assert len(requests) == 1

    def test_what_is_compressed_is_not_cloned(self, images, operator, pools):
        image_id = images.stored(DATA, 'ceph', container_format='compressed')
        uri = pools.volumes.uri(f'no-clone-{image_id}')
        with stores.open_writer(uri, pools.config) as writer:
            plan = move.Mover(image_id, operator).plan(writer)
        said = {one.strategy: one.reason for one in plan.refusals}
        assert 'rbd_clone' not in {one.strategy for one in plan.offers}
        assert 'compressed' in said['rbd_clone']

    def test_a_digest_that_glance_does_not_have_is_absent(
        self, images, operator, pools
    ):
        """As of Nova's snapshots, which are registered and not read."""
        image_id = images.queued()
        disk = f'snapshot-{image_id}'
        url = pools.images.make(disk, len(DATA), {0: DATA}, snapshot='snap')
        value = {'url': url, 'metadata': {}}
        images.patch(
            image_id, {'op': 'add', 'path': '/locations/-', 'value': value}
        )
        assert images.show(image_id)['os_hash_value'] is None
        buffer = io.BytesIO()
        result = move.Mover(image_id, operator).copy(buffer)
        assert buffer.getvalue() == DATA
        assert (result.digest_state, result.verified) == ('absent', False)

    @pytest.mark.parametrize('store', ['fast', 'ceph', 'objects'])
    def test_each_store_is_read_directly(
        self, images, operator, requests, store
    ):
        image_id = images.stored(DATA, store)
        buffer = io.BytesIO()
        result = move.Mover(image_id, operator).copy(buffer)
        assert buffer.getvalue() == DATA
        assert result.verified, result.refusals
        scheme = {'fast': 'file', 'ceph': 'rbd', 'objects': 's3'}[store]
        assert result.source.scheme.partition('+')[0] == scheme, result
        assert [one for one in requests if 'v2' in one] == [
            f'GET {images.url}/v2/images/{image_id}'
        ]

    def test_the_api_is_the_last_location(self, images, operator):
        image_id = images.stored(DATA)
        plan = move.Mover(image_id, operator).plan(io.BytesIO())
        assert [one.source.scheme for one in plan.offers] == [
            'file',
            'glance+http',
        ]


class TestApi:
    """What lies behind Glance is not to be reached from here."""

    @pytest.mark.parametrize(
        ('store', 'strategy'),
        [
            ('fast', 'stream'),
            ('fast', 'parallel'),
            ('ceph', 'stream'),
            ('objects', 'stream'),
        ],
    )
    def test_gives_the_bits(self, images, config, tmp_path, store, strategy):
        image_id = images.stored(DATA, store)
        path = tmp_path / 'copy'
        others = {'stream', 'parallel'} - {strategy}
        given = {**config, 'disabled_strategies': [*others]}
        with stores.open_writer(f'file://{path}') as writer:
            result = move.Mover(image_id, given).copy(writer)
        assert tuple(result) == (True, len(DATA))
        assert result.source.scheme == 'glance+http'
        assert result.strategy == strategy
        assert result.verified
        assert result.digests['sha512'] == hashlib.sha512(DATA).hexdigest()
        assert path.read_bytes() == DATA

    def test_is_asked_once_rather_than_by_parts(
        self, images, config, tmp_path
    ):
        image_id = images.stored(DATA)
        with stores.open_writer(f'file://{tmp_path}/copy') as writer:
            plan = move.Mover(image_id, config).plan(writer)
        offers = [(one.strategy, str(one.cost)) for one in plan.offers]
        assert offers == [('stream', 'stream'), ('parallel', 'stream')]

    def test_empty_image(self, images, config):
        buffer = io.BytesIO()
        image_id = images.stored(b'')
        result = move.Mover(image_id, config).copy(buffer)
        assert tuple(result) == (True, 0)
        assert buffer.getvalue() == b''

    def test_unseen_bytes_of_another_image_are_an_error(
        self, glance, images, config
    ):
        """What Glance hands out is held against what it says of it."""
        image_id = images.stored(DATA)
        (glance.images / image_id).write_bytes(pattern(len(DATA), 1))
        with pytest.raises(exception.DigestMismatch):
            move.Mover(image_id, config).copy(io.BytesIO())

    def test_bits_that_are_gone_are_not_found(self, glance, images, config):
        image_id = images.stored(DATA)
        (glance.images / image_id).unlink()
        with pytest.raises(exception.ImageNotFound):
            move.Mover(image_id, config).copy(io.BytesIO())

    @pytest.mark.parametrize('image_id', [ABSENT, 'no-uuid'])
    def test_an_unknown_image_is_not_found(self, config, image_id):
        with pytest.raises(exception.ImageNotFound, match=image_id):
            move.Mover(image_id, config)

    def test_an_image_without_bits_is_not_there_yet(self, images, config):
        with pytest.raises(exception.SourceUnavailable, match='queued'):
            move.Mover(images.queued(), config)

    def test_a_deactivated_image_is_denied(self, images, config):
        image_id = images.stored(DATA)
        images.ask('POST', f'/images/{image_id}/actions/deactivate')
        with pytest.raises(exception.PermissionDenied, match='deactivated'):
            move.Mover(image_id, config)

    def test_the_cap_holds(self, images, config):
        image_id = images.stored(DATA)
        mover = move.Mover(image_id, {**config, 'image_size_cap': MiB})
        with pytest.raises(exception.TooLarge):
            mover.copy(io.BytesIO())

    def test_goes_on_when_glance_comes_back(self, tmp_path):
        """Stopped in the middle and started again, it is resumed."""
        with policy.provided(glance_server.Glance()) as glance:
            data = pattern(24 * MiB)
            image_id = Glances(glance.url).stored(data)
            config = {'catalog': 'glance', 'glance_endpoint': glance.url}
            stopped = []

            def progress(done, total):
                if not stopped:
                    stopped.append(done)
                    glance.api.stop()
                    glance.api.start()

            path = tmp_path / 'copy'
            with stores.open_writer(f'file://{path}') as writer:
                result = move.Mover(
                    image_id,
                    {**config, 'filesystem_store_datadirs': []},
                ).copy(writer, progress=progress, rate_limit=200 * MiB)
        assert stopped[0] < len(data)
        assert result.verified
        assert path.read_bytes() == data


@pytest.fixture(scope='module')
def fifty(glance):
    """Fifty images, in four stores."""
    images = Glances(glance.url)
    names = ('fast', 'spare', 'ceph', 'objects')
    return [
        images.stored(pattern(MiB // 4, seed), names[seed % 4])
        for seed in range(50)
    ]


@pytest.mark.parametrize('way', ['config', 'operator'])
def test_fifty_at_once(request, way, fifty, tmp_path):
    """By the API, and from where they lie."""
    conf = request.getfixturevalue(way)

    def copy(seed):
        path = tmp_path / f'{seed}'
        with stores.open_writer(f'file://{path}') as writer:
            result = move.Mover(fifty[seed], conf).copy(writer)
        assert path.read_bytes() == pattern(MiB // 4, seed)
        return result.source.scheme.partition('+')[0]

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        found = set(pool.map(copy, range(50)))
    expected = {'config': {'glance'}, 'operator': {'file', 'rbd', 's3'}}
    assert found == expected[way]


class TestInvalidApi:
    def test_another_server_is_no_glance(self, nginx):
        config = {'catalog': 'glance', 'glance_endpoint': nginx.url('')}
        with pytest.raises(exception.ImageInvalidApi, match='version 2'):
            move.Mover(str(uuid.uuid4()), config)

    @pytest.mark.parametrize('asks', ['id', 'list', 'bits', 'upload'])
    def test_a_glance_offers_other_versions(self, glance, images, asks):
        """It does not know the path, and answers 300."""
        image_id = images.stored(DATA)
        place = f'{glance.url}/elsewhere'
        config = {'catalog': 'glance', 'glance_endpoint': place}
        uri = f'glance://{image_id}'
        with pytest.raises(exception.ImageInvalidApi, match='version 2'):
            if asks == 'id':
                move.Mover(image_id, config)
            elif asks == 'list':
                catalog.API(config).get_all()
            elif asks == 'bits':
                move.Mover(uri, config).copy(io.BytesIO())
            else:
                stores.open_writer(uri, config).check(None)

    def test_nobody_says_where_glance_is(self):
        with pytest.raises(exception.ImageInvalidApi, match='glance_endpoint'):
            move.Mover(str(uuid.uuid4()), {'catalog': 'glance'})

    def test_hidden_locations_and_no_api(self, tmp_path):
        hidden = {
            'show_multiple_locations': 'false',
            'show_image_direct_url': 'false',
        }
        with policy.provided(glance_server.Glance(options=hidden)) as glance:
            image_id = Glances(glance.url).stored(DATA)
            config = {'catalog': 'glance', 'glance_endpoint': glance.url}
            buffer = io.BytesIO()
            assert move.Mover(image_id, config).copy(buffer)
            assert buffer.getvalue() == DATA
            config['glance_api_download'] = False
            mover = move.Mover(image_id, config)
            with pytest.raises(exception.ImageInvalidApi, match='api_down'):
                mover.copy(io.BytesIO())


class TestCatalogue:
    """The image API over Glance, bits and all."""

    def test_made_with_bits_and_copied(self, images, config, tmp_path):
        path = tmp_path / 'image'
        path.write_bytes(DATA)
        api = catalog.API(config)
        image = api.create({'name': 'disk', **RAW}, data=path)
        assert (image.status, image.size) == ('active', len(DATA))
        assert image.digest == ('sha512', hashlib.sha512(DATA).hexdigest())
        buffer = io.BytesIO()
        assert api.copy(image.id, buffer)
        assert buffer.getvalue() == DATA
        api.delete(image.id)
        assert images.status(image.id) == ''

    def test_other_bits_than_declared_leave_nothing(self, images, config):
        image_id = str(uuid.uuid4())
        declared = {'os_hash_algo': 'sha512', 'os_hash_value': '0' * 128}
        with pytest.raises(exception.DigestMismatch):
            catalog.API(config).create(
                {'id': image_id, **RAW, **declared}, data=DATA
            )
        assert images.status(image_id) == ''

    def test_queued_first_and_filled_later(self, images, config):
        api = catalog.API(config)
        image = api.create({'name': 'later', **RAW})
        assert image.status == 'queued'
        image = api.update(image.id, {'name': 'now'}, data=DATA)
        assert (image.name, image.status) == ('now', 'active')
        with pytest.raises(exception.DestinationExists):
            api.update(image.id, data=DATA)

    def test_changes_are_taken_back_without_the_bits(self, images, config):
        api = catalog.API(config)
        image = api.create({**RAW, 'name': 'old', 'kept': '1', 'gone': '2'})
        changes = {'name': 'new', 'kept': '3', 'added': '4'}
        with pytest.raises(exception.ImageNotFound):
            api.update(image.id, changes, remove=['gone'], data='/no/file')
        after = api.get(image.id)
        assert (after.name, after.status) == ('old', 'queued')
        assert after.properties == image.properties
        api.delete(image.id)


class TestTrust:
    """What a record of Glance names is not trusted."""

    @pytest.mark.parametrize(
        'url',
        [
            'file:///etc/passwd',
            'http://127.0.0.1:1/',
            'http://169.254.169.254/latest/meta-data',
            'glance+http://127.0.0.1:1/other',
            'swift+config://ref/container/object',
        ],
    )
    def test_is_denied(self, operator, url):
        record = {'id': 'x', 'locations': [{'url': url, 'metadata': {}}]}
        mover = move.Mover('x', operator, image=record)
        with pytest.raises(
            (exception.LocationDenied, exception.InvalidLocation)
        ):
            mover.copy(io.BytesIO())
