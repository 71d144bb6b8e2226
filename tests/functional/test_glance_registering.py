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

"""What a server can clone or copy into Glance's store is registered there."""

import hashlib
import io
import json
import signal
import subprocess
import sys
import urllib.error
import uuid

import pytest
from oslo_config import cfg

from oslo_image import catalog, exception, move, stores
from oslo_image.catalog.base import Bits
from oslo_image.cli import main
from oslo_image.image import Location
from oslo_image.stores.glance import registered
from oslo_image.stores.rbd import connection
from tests.functional import clients, proxy
from tests.functional.glances import Glances, MiB, pattern
from tests.servers import glance as glance_server
from tests.servers import policy

DATA = pattern(2 * MiB)
RAW = {'disk_format': 'raw', 'container_format': 'bare'}


@pytest.fixture
def images(glance):
    return Glances(glance.url)


@pytest.fixture
def image_id():
    return str(uuid.uuid4())


@pytest.fixture(scope='module')
def mover_user(ceph):
    """Who may write into Glance's pool, and read the disks."""
    pools = ('images', 'volumes')
    osd = ', '.join(f'profile rbd pool={pool}' for pool in pools)
    ceph.user('mover', mon='profile rbd', osd=osd)
    return 'mover'


@pytest.fixture
def operator(glance, tmp_path, mover_user):
    """Return the operator's own file, with what is set beside it."""

    def conf(store='ceph', url=glance.url, on=True, user=mover_user, more=''):
        path = tmp_path / f'mover-{uuid.uuid4()}.conf'
        path.write_text(
            '[oslo_image]\ncatalog = glance\nretry_pause = 0.01\n'
            f'[glance_store]\nglance_endpoint = {url}\n'
            f'glance_register_locations = {on}\n'
            f'default_backend = {store}\n{more}\n'
            + (f'[ceph]\nrbd_store_user = {user}\n' if user else '')
        )
        found = cfg.ConfigOpts()
        found(
            [f'--config-file={one}' for one in (glance.conf, path)],
            project='glance',
            default_config_files=[],
        )
        return found

    return conf


@pytest.fixture
def disk(pools, image_id):
    """A disk in Ceph, with a protected snapshot."""
    return pools.volumes.make(
        f'disk-{image_id}', len(DATA), {0: DATA}, snapshot='now'
    )


@pytest.fixture
def stored(bucket):
    """An object in S3."""
    bucket.put('disk', DATA)
    return bucket.uri('disk')


@pytest.fixture
def objects(glance, rgw, rgw_user):
    """Return the keys in Glance's bucket."""

    keys = rgw, rgw_user.access_key, rgw_user.secret_key

    def names():
        with clients.s3(*keys) as client:
            found = client.list_objects_v2(Bucket=glance.bucket)
            return [one['Key'] for one in found.get('Contents', ())]

    return names


@pytest.fixture
def source(request):
    """The source that suits the test's store."""
    name = {'ceph': 'disk', 'objects': 'stored'}
    return request.getfixturevalue(name[request.getfixturevalue('store')])


def copy(source, image_id, conf, needs=None, **options):
    uri = f'glance://{image_id}'
    with stores.open_writer(uri, conf, **options) as writer:
        return move.Mover(source, conf).copy(writer, **(needs or {}))


def plan(source, image_id, conf, **options):
    with stores.open_writer(f'glance://{image_id}', conf, **options) as writer:
        return move.Mover(source, conf).plan(writer)


def reasons(found):
    return {one.strategy: str(one) for one in found.refusals}


@pytest.mark.parametrize('store', ['ceph', 'objects'])
class TestRegistered:
    strategies = {'ceph': 'rbd_clone', 'objects': 's3_copy'}

    def test_nothing_moves(
        self, images, operator, source, image_id, store, pools, objects
    ):
        result = copy(source, image_id, operator(store))
        assert tuple(result) == (True, 0)
        assert result.strategy == self.strategies[store]
        assert str(result.destination) == f'glance://{image_id}'
        record = images.show(image_id)
        assert (record['status'], record['size']) == ('active', len(DATA))
        assert record['stores'] == store
        assert (record['checksum'], record['os_hash_value']) == (None, None)
        assert images.ask('GET', f'/images/{image_id}/file') == DATA
        if store == 'ceph':
            url = pools.images.uri(image_id, 'snap')
            assert pools.images.snapshots(image_id) == ['snap']
            with pools.images.open(image_id) as opened:
                assert opened.is_protected_snap('snap')
        else:
            url = f'{source.rpartition("/")[0].rpartition("/")[0]}/'
            url += f'{record["locations"][0]["url"].split("/")[3]}/{image_id}'
        assert [one['url'] for one in record['locations']] == [url]

    def test_glance_deletes_it(
        self, images, operator, source, image_id, store, pools, objects
    ):
        copy(source, image_id, operator(store))
        there = pools.images.state() if store == 'ceph' else objects()
        assert image_id in there
        images.ask('DELETE', f'/images/{image_id}')
        there = pools.images.state() if store == 'ceph' else objects()
        assert image_id not in there
        # The source is as it was.
        buffer = io.BytesIO()
        assert move.Mover(source, operator(store)).copy(buffer)
        assert buffer.getvalue() == DATA

    def test_what_was_made_is_a_source_like_others(
        self, operator, source, image_id, store, pools, bucket
    ):
        conf = operator(store)
        copy(source, image_id, conf)
        to = {
            'ceph': pools.volumes.uri(f'clone-{image_id}'),
            'objects': bucket.uri('again'),
        }
        with stores.open_writer(to[store], conf) as writer:
            result = move.Mover(image_id, conf).copy(writer)
        assert (result.strategy, result.zero_copy) == (
            self.strategies[store],
            True,
        )
        with stores.open_source(to[store], conf) as opened:
            buffer = bytearray(len(DATA))
            opened.read_into(0, memoryview(buffer))
        assert buffer == DATA

    def test_an_image_that_waits_gets_its_bits(
        self, images, operator, source, store
    ):
        waiting = images.queued(name='mine')
        assert copy(source, waiting, operator(store)).zero_copy
        assert images.show(waiting)['name'] == 'mine'
        assert images.status(waiting) == 'active'

    def test_the_digest_when_it_is_asked_for(
        self, images, operator, source, image_id, store
    ):
        result = copy(source, image_id, operator(store), digest=True)
        assert result.zero_copy
        record = images.show(image_id)
        assert record['checksum'] == hashlib.md5(DATA).hexdigest()
        assert record['os_hash_algo'] == 'sha512'
        assert record['os_hash_value'] == hashlib.sha512(DATA).hexdigest()

    def test_verified_is_uploaded(
        self, images, operator, source, image_id, store
    ):
        needs = {'verify': 'always'}
        result = copy(source, image_id, operator(store), needs)
        assert not result.zero_copy
        assert (
            images.show(image_id)['os_hash_value']
            == hashlib.sha512(DATA).hexdigest()
        )

    def test_the_plan_shows_it(self, operator, source, image_id, store):
        found = plan(source, image_id, operator(store))
        first, *others = found.offers
        assert first.strategy == self.strategies[store]
        assert f'store {store}' in first.note
        assert others
        assert not any(one.zero_copy for one in others)

    def test_planning_makes_nothing(
        self, images, operator, source, image_id, store, pools
    ):
        before = pools.images.state()
        plan(source, image_id, operator(store))
        assert images.status(image_id) == ''
        assert pools.images.state() == before


def test_a_clone_stands_alone(operator, disk, image_id, pools):
    assert copy(disk, image_id, operator()).parent is None
    assert pools.images.parent(image_id) is None
    assert pools.images.read(image_id) == DATA


def test_a_clone_that_depends_on_its_disk(
    images, operator, image_id, pools, mover_user
):
    """Glance's own user reads its own pool only."""
    disk = pools.images.make(
        f'disk-{image_id}', len(DATA), {0: DATA}, snapshot='now'
    )
    result = copy(disk, image_id, operator(more='glance_flatten_clones = no'))
    assert result.parent == ('images', f'disk-{image_id}', 'now')
    assert pools.images.parent(image_id) == result.parent
    assert images.ask('GET', f'/images/{image_id}/file') == DATA
    images.ask('DELETE', f'/images/{image_id}')
    assert pools.images.state() == [f'disk-{image_id}', f'disk-{image_id}@now']


def test_command(operator, images, disk, image_id, glance, tmp_path, capfd):
    operator()
    more = next(tmp_path.glob('mover-*.conf'))
    files = [f'--config-file={path}' for path in (glance.conf, more)]
    assert main.main(['copy', *files, disk, f'glance://{image_id}']) == 0
    assert 'rbd_clone' in capfd.readouterr().err
    assert images.status(image_id) == 'active'


@pytest.fixture(scope='module')
def between(glance):
    with proxy.Proxy(glance.api.port) as running:
        yield running


@pytest.fixture
def on_the_way(between, monkeypatch):
    """A proxy in front of Glance, without faults yet."""
    monkeypatch.setattr(registered, '_PATIENCE', 0.5)
    yield between
    between.clear()


class TestCatalogue:
    """The image API makes images in Glance the same way."""

    def test_nothing_moves(self, images, operator, disk):
        image = catalog.API(operator()).create({'name': 'x', **RAW}, data=disk)
        assert (image.status, image.size) == ('active', len(DATA))
        assert image.checksum is None
        assert images.show(image.id)['stores'] == 'ceph'

    def test_what_is_declared_is_checked(
        self, images, operator, disk, image_id
    ):
        declared = {'os_hash_algo': 'sha512', 'os_hash_value': '0' * 128}
        with pytest.raises(exception.DigestMismatch):
            catalog.API(operator()).create(
                {'id': image_id, **RAW, **declared}, data=disk
            )
        assert images.status(image_id) == ''


_KILLED = """\
import os, signal, sys
from oslo_image.cli import main
from oslo_image.stores.glance import locations
def register(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)
locations.register = register
main.main(sys.argv[1:])
"""


def test_killed_before_it_was_registered(
    operator, images, disk, image_id, glance, tmp_path, pools
):
    """Bits and a queued image stay; without the bits, it is as before."""
    conf = operator()
    more = next(tmp_path.glob('mover-*.conf'))
    files = [f'--config-file={path}' for path in (glance.conf, more)]
    command = [sys.executable, '-c', _KILLED, 'copy', *files]
    done = subprocess.run(
        [*command, disk, f'glance://{image_id}'], check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert images.status(image_id) == 'queued'
    assert pools.images.state() == [image_id, f'{image_id}@snap']
    said = reasons(plan(disk, image_id, conf))['rbd_clone']
    assert f'there is an image images/{image_id}' in said
    stores.delete(pools.images.uri(image_id, 'snap'), conf)
    assert copy(disk, image_id, conf).zero_copy


def test_a_name_that_is_taken_leaves_no_connection_in_use(
    operator, disk, image_id, pools
):
    pools.images.make(image_id, 2 * MiB)
    before = {one for one in connection._OPEN.values() if one._users}
    said = reasons(plan(disk, image_id, operator()))['rbd_clone']
    assert 'there is an image' in said
    assert {one for one in connection._OPEN.values() if one._users} <= before


class TestRefused:
    """What is not registered is uploaded, and the plan says why."""

    def uploaded(self, images, image_id, result):
        assert result.success
        assert not result.zero_copy
        assert images.ask('GET', f'/images/{image_id}/file') == DATA

    def test_unless_the_operator_allows_it(
        self, images, operator, disk, image_id
    ):
        conf = operator(on=False)
        said = reasons(plan(disk, image_id, conf))['rbd_clone']
        assert 'glance_register_locations' in said
        self.uploaded(images, image_id, copy(disk, image_id, conf))

    def test_into_files(self, glance, images, operator, disk, image_id):
        """Glance takes the location of a file from nobody."""
        place = f'file://{glance.images}/{images.stored(DATA)}'
        entry = {'url': place, 'metadata': {}}
        step = {'op': 'add', 'path': '/locations/-', 'value': entry}
        with pytest.raises(urllib.error.HTTPError, match='400') as caught:
            images.patch(images.queued(), step)
        caught.value.close()
        conf = operator('fast')
        assert 'files' in reasons(plan(disk, image_id, conf))['rbd_clone']
        self.uploaded(images, image_id, copy(disk, image_id, conf))

    def test_into_a_store_of_another_kind(
        self, images, operator, disk, image_id
    ):
        said = reasons(plan(disk, image_id, operator('objects')))
        assert 'the writer is not an image in Ceph' in said['rbd_clone']

    def test_into_a_store_that_nobody_knows(
        self, glance, images, disk, image_id, pools
    ):
        conf = {
            **pools.config,
            'glance_endpoint': glance.url,
            'glance_register_locations': True,
        }
        said = reasons(plan(disk, image_id, conf, store='ceph'))['rbd_clone']
        assert "no backend 'ceph'" in said
        assert 'glance-api.conf' in said

    def test_an_image_of_another_glance(
        self, images, operator, disk, image_id, between
    ):
        uri = f'glance+{between.url}/{image_id}'
        with stores.open_writer(uri, operator()) as writer:
            result = move.Mover(disk, operator()).copy(writer)
        assert 'not the Glance' in reasons(result)['rbd_clone']
        self.uploaded(images, image_id, result)

    def test_where_the_clusters_user_may_not_read(
        self, images, operator, disk, image_id, pools
    ):
        """Glance's own user knows Glance's pool only."""
        source = operator()
        with stores.open_writer(
            f'glance://{image_id}', operator(user=None)
        ) as writer:
            result = move.Mover(disk, source).copy(writer)
        assert 'would not clone' in reasons(result)['rbd_clone']
        self.uploaded(images, image_id, result)

    def test_an_image_of_that_name_is_there(
        self, operator, disk, image_id, pools
    ):
        pools.images.make(image_id, MiB)
        said = reasons(plan(disk, image_id, operator()))['rbd_clone']
        assert 'there is an image' in said

    def test_an_empty_image(self, images, operator, bucket, image_id, objects):
        """Glance takes a location of no bytes for none."""
        bucket.put('empty', b'')
        result = copy(bucket.uri('empty'), image_id, operator('objects'))
        assert result.success
        assert 'does not take' in reasons(result)['s3_copy']
        assert images.status(image_id) == 'active'
        assert image_id not in objects()

    def test_who_is_no_service_where_locations_are_hidden(
        self, glance_elsewhere, keystone, keystone_user, disk, image_id, pools
    ):
        conf = {
            'enabled_backends': {'ceph': 'rbd'},
            'ceph': pools.config,
            'default_backend': 'ceph',
            'glance_register_locations': True,
            'glance_endpoint': glance_elsewhere.url,
            'glance_auth_url': keystone.url,
            'glance_username': keystone_user.name,
            'glance_password': keystone_user.password,
            'glance_project_name': keystone_user.project,
        }
        token = keystone.token(keystone_user)
        images = Glances(glance_elsewhere.url, {'X-Auth-Token': token})
        waiting = images.queued()
        # As it is shown, and as it can be known of what is not there yet.
        for one in (waiting, image_id):
            refusal = next(
                one
                for one in plan(disk, one, conf).refusals
                if one.strategy == 'rbd_clone'
            )
            assert 'show_multiple_locations is off' in refusal.reason
            assert 'role service' in refusal.remedy
        # Glance itself says no: from others it takes the web only.
        url = pools.images.uri('any', 'snap')
        with pytest.raises(urllib.error.HTTPError, match='403') as caught:
            images.ask('POST', f'/images/{waiting}/locations', {'url': url})
        caught.value.close()
        result = copy(disk, image_id, conf)
        self.uploaded(images, image_id, result)
        assert pools.images.state() == []


@pytest.fixture(scope='module')
def service_token(keystone):
    user = keystone.user('registering', 'images', 'service', 'member')
    return keystone.token(user)


class TestService:
    """Where records show no locations, services have an API of their own."""

    @pytest.fixture
    def images(self, glance_elsewhere, service_token):
        return Glances(glance_elsewhere.url, {'X-Auth-Token': service_token})

    @pytest.fixture
    def conf(self, images, pools, on_the_way):
        return {
            'enabled_backends': {'ceph': 'rbd'},
            'ceph': pools.config,
            'default_backend': 'ceph',
            'glance_register_locations': True,
            'glance_endpoint': on_the_way.url,
            'glance_token': images.headers['X-Auth-Token'],
        }

    @pytest.fixture
    def on_the_way(self, glance_elsewhere):
        with proxy.Proxy(glance_elsewhere.api.port) as running:
            yield running

    def test_nothing_moves(self, images, conf, disk, image_id, pools):
        result = copy(disk, image_id, conf)
        assert result.zero_copy, result.refusals
        assert images.ask('GET', f'/images/{image_id}/file') == DATA
        assert pools.images.snapshots(image_id) == ['snap']
        assert images.show(image_id)['size'] == len(DATA)

    def test_glance_checks_the_digest(self, images, conf, disk, image_id):
        assert copy(disk, image_id, conf, digest=True).zero_copy
        record = images.show(image_id)
        assert record['os_hash_value'] == hashlib.sha512(DATA).hexdigest()

    @pytest.mark.parametrize('waits', ['for glance', 'for the digest'])
    def test_an_interrupt_ends_the_waiting(
        self, images, conf, disk, image_id, on_the_way, pools, waits
    ):
        """The bits go, unless Glance may have them by then."""
        uri = f'glance://{image_id}'
        digest = waits == 'for the digest'
        with stores.open_writer(uri, conf, digest=digest) as writer:
            if digest:
                writer.interrupt()
            else:
                saving = {'id': image_id, 'status': 'importing', 'tags': []}
                on_the_way.on(
                    'GET',
                    f'{image_id}$',
                    first=3,
                    times=2,
                    before=writer.interrupt,
                    answer=(200, {}, json.dumps(saving).encode()),
                )
            with pytest.raises(exception.ImageError) as caught:
                move.Mover(disk, conf).copy(writer)
        assert isinstance(caught.value, exception.Cancelled)
        assert images.status(image_id) == ''

    def test_bits_that_glance_does_not_find(
        self, images, conf, disk, image_id, on_the_way, pools
    ):
        on_the_way.on('POST', 'locations', before=lambda: pools.images.empty())
        with pytest.raises(exception.ImageError) as caught:
            copy(disk, image_id, conf)
        assert caught.value.destination_state == 'untouched'
        assert images.status(image_id) == ''
        assert pools.images.state() == []


@pytest.fixture(scope='module')
def other(ceph):
    """A Glance that has digests by SHA-256."""
    options = {'hashing_algorithm': 'sha256'}
    with policy.provided(
        glance_server.Glance(cluster=ceph, options=options)
    ) as glance:
        yield glance


class TestOfAnotherAlgorithm:
    """The site has digests by SHA-256 (hashing_algorithm)."""

    def test_the_digest_is_that(
        self, other, operator, disk, image_id, mover_user
    ):
        conf = operator(url=other.url)
        assert copy(disk, image_id, conf, digest=True).zero_copy
        record = Glances(other.url).show(image_id)
        assert record['os_hash_algo'] == 'sha256'
        assert record['os_hash_value'] == hashlib.sha256(DATA).hexdigest()
        assert record['checksum'] == hashlib.md5(DATA).hexdigest()

    def test_a_location_is_added_without(self, other, nginx, image_id):
        (nginx.root / image_id).write_bytes(DATA)
        config = {'catalog': 'glance', 'glance_endpoint': other.url}
        api = catalog.API(config)
        api.create({'id': image_id, **RAW})
        md5, sha512 = (
            hashlib.new(one, DATA).hexdigest() for one in ('md5', 'sha512')
        )
        image = api._driver.add_location(
            image_id,
            Location(nginx.url(image_id)),
            Bits(len(DATA), md5, 'sha512', sha512),
        )
        assert (image.status, image.size) == ('active', len(DATA))
        assert image.digest is None


class TestFaults:
    """Whatever becomes of the registration, no bits are left alone."""

    @pytest.fixture
    def conf(self, operator, on_the_way):
        return operator(url=on_the_way.url)

    def test_denied_is_uploaded(
        self, images, conf, disk, image_id, on_the_way, pools
    ):
        on_the_way.on('PATCH', answer=(403, {}))
        on_the_way.on('POST', 'locations', answer=(403, {}))
        result = copy(disk, image_id, conf)
        assert 'no location' in reasons(result)['rbd_clone']
        assert images.ask('GET', f'/images/{image_id}/file') == DATA
        assert images.show(image_id)['stores'] == 'fast'
        assert pools.images.state() == []

    @pytest.mark.parametrize('status', [409, 500, 503])
    def test_an_error_removes_bits_and_image(
        self, images, conf, disk, image_id, on_the_way, pools, status
    ):
        on_the_way.on('PATCH', answer=(status, {}), times=None)
        with pytest.raises(exception.ImageError) as caught:
            copy(disk, image_id, conf)
        assert caught.value.destination_state == 'untouched'
        assert images.status(image_id) == ''
        assert pools.images.state() == []

    def test_an_image_that_waited_waits_again(
        self, images, conf, disk, on_the_way, pools
    ):
        waiting = images.queued()
        on_the_way.on('PATCH', answer=(500, {}), times=None)
        with pytest.raises(exception.ImageError):
            copy(disk, waiting, conf)
        assert images.status(waiting) == 'queued'
        assert pools.images.state() == []

    def test_a_lost_answer_is_looked_into(
        self, images, conf, disk, image_id, on_the_way
    ):
        on_the_way.on('PATCH', lose_answer=True)
        assert copy(disk, image_id, conf).zero_copy
        assert images.status(image_id) == 'active'
        assert images.ask('GET', f'/images/{image_id}/file') == DATA

    def test_a_lost_request(
        self, images, conf, disk, image_id, on_the_way, pools
    ):
        on_the_way.on('PATCH', cut_request=0, times=None)
        with pytest.raises(exception.ImageError):
            copy(disk, image_id, conf)
        assert images.status(image_id) == ''
        assert pools.images.state() == []

    @pytest.mark.parametrize('answer', ['none', 'hidden'])
    def test_who_cannot_ask_leaves_the_bits_and_says_so(
        self, images, conf, disk, on_the_way, answer
    ):
        """They may be an image's by then."""
        waiting = images.queued()
        active = {'id': waiting, 'status': 'active'}
        answers = {
            'none': (503, {}),
            'hidden': (200, {}, json.dumps(active).encode()),
        }

        def hide():
            on_the_way.on('GET', '/locations$', answer=(403, {}), times=None)
            on_the_way.on(
                'GET', f'{waiting}$', answer=answers[answer], times=None
            )

        on_the_way.on('PATCH', lose_answer=True, before=hide)
        with pytest.raises(exception.ImageError) as caught:
            copy(disk, waiting, conf)
        assert caught.value.destination_state == 'modified'
        assert any(waiting in one for one in caught.value.__notes__)
        assert images.ask('GET', f'/images/{waiting}/file') == DATA

    def test_another_was_first(self, images, conf, disk, on_the_way, pools):
        waiting = images.queued()

        def upload():
            images.ask(
                'PUT',
                f'/images/{waiting}/file',
                b'other',
                **{'Content-Type': 'application/octet-stream'},
            )

        on_the_way.on('PATCH', before=upload, answer=(409, {}))
        with pytest.raises(exception.DestinationExists, match='first'):
            copy(disk, waiting, conf)
        assert images.ask('GET', f'/images/{waiting}/file') == b'other'
        assert pools.images.state() == []

    def test_an_object_goes_and_no_secret_is_shown(
        self,
        stored,
        image_id,
        on_the_way,
        operator,
        rgw_user,
        objects,
        caplog,
    ):
        caplog.set_level('DEBUG')
        there = []
        on_the_way.on(
            'PATCH',
            answer=(500, {}),
            before=lambda: there.extend(objects()),
        )
        conf = operator('objects', url=on_the_way.url)
        with pytest.raises(exception.ImageError) as caught:
            copy(stored, image_id, conf)
        assert image_id in there
        assert image_id not in objects()
        said = f'{caplog.text} {caught.value!r} {caught.value}'
        assert rgw_user.secret_key not in said
