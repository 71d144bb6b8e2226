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


import dataclasses
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from oslo_image import catalog, exception, move, stores
from oslo_image.catalog import registry
from oslo_image.image import Image, Location
from oslo_image.stores.file import uri_for
from oslo_image.testing.scripted import ScriptedServer

BITS = hashlib.shake_128(b'bits').digest(3_000_000)
MD5 = hashlib.md5(BITS).hexdigest()
SHA512 = hashlib.sha512(BITS).hexdigest()
#: What the first request for an image asks for, in bytes.
PROBE = 65_536
ABSENT = '00000000-0000-4000-8000-000000000000'


@pytest.fixture
def outside(tmp_path):
    """A directory of files that are not ours, which locations may name."""
    path = tmp_path / 'outside'
    path.mkdir()
    return path


@pytest.fixture(params=['sqlite', 'memory'])
def config(request, tmp_path, outside):
    return {
        'catalog': request.param,
        'catalog_database': str(tmp_path / 'state' / 'catalog.sqlite'),
        'filesystem_store_datadir': str(outside),
        'http_allow_local_addresses': True,
        'retry_pause': 0.0,
    }


@pytest.fixture
def api(config):
    return catalog.API(config)


@pytest.fixture
def datadir(tmp_path):
    return tmp_path / 'state' / 'images'


@pytest.fixture
def path(outside):
    found = outside / 'disk.raw'
    found.write_bytes(BITS)
    return found


def copied(api, image_id, **copying):
    writer = io.BytesIO()
    result = api.copy(image_id, writer, **copying)
    assert result.success
    return writer.getvalue()


def files(directory):
    return sorted(os.listdir(directory)) if directory.exists() else []


def assert_read_once(server):
    """All bytes were asked for once, but for the probe that pins a version."""
    size = len(server.content)
    ranges = [one.range for one in server.requests]
    read = sum(min(end + 1, size) - start for start, end in ranges)
    if size <= PROBE:
        assert len(ranges) == 1
    assert read == size + (PROBE if size > PROBE else 0)


class TestCreate:
    def test_a_record_without_bits(self, api, datadir):
        image = api.create(
            {'name': 'a', 'min_disk': 1, 'hw_disk_bus': 'virtio'}
        )
        assert api.get(image.id) == image
        assert api.get_all({'name': 'a'}) == [image]
        assert image.properties == {'hw_disk_bus': 'virtio'}
        assert image.status == 'queued'
        assert not datadir.exists()

    def test_an_empty_record(self, api):
        assert api.create().id

    def test_an_image(self, api):
        assert api.create(Image(name='a')).name == 'a'

    @pytest.mark.parametrize(
        'record',
        [
            {'custom': 7},
            {'custom': ['a']},
            {'tags': 'abc'},
            {'tags': [7]},
            {'tags': 0},
            {'properties': 'abc'},
            {'properties': {'custom': 7}},
            {'properties': {'file': 'x'}},
            {'name': 'bytes \udcff'},
            {'size': '5'},
            {7: 'x'},
        ],
        ids=ascii,
    )
    def test_nothing_is_left_out_silently(self, api, record):
        with pytest.raises(exception.InvalidOption):
            api.create(record)
        assert api.get_all() == []

    def test_what_is_none_is_missing(self, api):
        image = api.create(
            {'tags': None, 'properties': None, 'kernel_id': None}
        )
        assert (image.tags, image.properties) == ((), {})

    @pytest.mark.parametrize(
        'given',
        ['path', 'str', 'uri', 'bytes', 'reader', 'callable', 'iterator'],
    )
    def test_with_bits(self, api, path, datadir, given):
        data = {
            'path': path,
            'str': str(path),
            'uri': uri_for(path),
            'bytes': BITS,
            'reader': io.BytesIO(BITS),
            'callable': lambda: io.BytesIO(BITS),
            'iterator': lambda: iter([BITS[:5], BITS[5:]]),
        }[given]
        image = api.create({'disk_format': 'raw'}, data=data)
        assert api.get(image.id) == image
        assert image.status == 'active'
        assert image.size == len(BITS)
        assert image.checksum == MD5
        assert image.digest == ('sha512', SHA512)
        (location,) = image.locations
        assert location.reveal() == uri_for(datadir / image.id)
        assert not location.external
        assert files(datadir) == [image.id]
        assert (datadir / image.id).read_bytes() == BITS
        assert copied(api, image.id) == BITS

    def test_no_bytes_are_bits_too(self, api):
        image = api.create(data=b'')
        assert (image.status, image.size) == ('active', 0)
        assert copied(api, image.id) == b''

    @pytest.mark.parametrize('size', [1, 4095, 4096, 65_536, 5_000_000])
    def test_bits_are_read_and_sent_once(self, api, size):
        """Small images, below any threshold for large ones, are too."""
        with ScriptedServer(BITS[:1] * size) as server:
            image = api.create(data=server.url)
        assert image.size == size
        assert_read_once(server)

    def test_a_reader_is_read_once(self, api):
        pieces = []

        class Reader(io.BytesIO):
            def read(self, size):
                pieces.append(super().read(size))
                return pieces[-1]

        assert api.create(data=Reader(BITS)).size == len(BITS)
        assert b''.join(pieces) == BITS

    @pytest.mark.parametrize(
        'declared',
        [
            {'checksum': MD5.upper()},
            {'os_hash_algo': 'sha512', 'os_hash_value': SHA512},
            {
                'os_hash_algo': 'sha256',
                'os_hash_value': hashlib.sha256(BITS).hexdigest(),
            },
            {'size': len(BITS)},
            {
                'checksum': MD5,
                'os_hash_algo': 'sha512',
                'os_hash_value': SHA512,
            },
        ],
        ids=lambda declared: '-'.join(declared),
    )
    def test_declared_digests_are_checked(self, api, declared):
        image = api.create(declared, data=BITS)
        assert image.checksum == MD5
        for name, value in declared.items():
            if name != 'checksum':
                assert getattr(image, name) == value

    @pytest.mark.parametrize(
        'declared',
        [
            {'checksum': '0' * 32},
            {'os_hash_algo': 'sha512', 'os_hash_value': '0' * 128},
            {'os_hash_algo': 'sha256', 'os_hash_value': '0' * 64},
            {'size': 5},
            {
                'checksum': '0' * 32,
                'os_hash_algo': 'sha512',
                'os_hash_value': SHA512,
            },
        ],
        ids=lambda declared: '-'.join(declared),
    )
    @pytest.mark.parametrize('protected', [False, True])
    def test_other_bits_than_declared(
        self, api, path, datadir, declared, protected
    ):
        with pytest.raises(exception.IntegrityError):
            api.create({**declared, 'protected': protected}, data=path)
        assert api.get_all() == []
        assert files(datadir) == []

    @pytest.mark.parametrize(
        ('data', 'error'),
        [
            ('/no/such/file', exception.ImageNotFound),
            ('file:///no/such/file', exception.ImageNotFound),
            ('gopher://host/x', exception.UnknownScheme),
            ('/', exception.ImageError),
            (7, exception.InvalidSource),
            (lambda: io.StringIO('text'), exception.InvalidSource),
        ],
    )
    def test_failure_leaves_nothing(self, api, datadir, data, error):
        with pytest.raises(error):
            api.create(data=data)
        assert api.get_all() == []
        assert files(datadir) == []

    def test_unsafe_content_leaves_nothing(self, api, datadir):
        with pytest.raises(exception.UnsafeImage):
            api.create({'disk_format': 'qcow2'}, data=BITS)
        assert api.get_all() == []
        assert files(datadir) == []

    def test_a_cancelled_one_leaves_nothing(self, api, path, datadir):
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(exception.Cancelled):
            api.create(data=path, cancel=cancel)
        assert api.get_all() == []
        assert files(datadir) == []

    def test_ctrl_c_leaves_nothing(self, api, path, datadir):
        def progress(done, size):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            api.create(data=path, progress=progress)
        assert api.get_all() == []
        assert files(datadir) == []

    def test_where_no_strategy_may_read(self, api, path, datadir):
        with pytest.raises(exception.SourceError, match='switched off'):
            api.create(data=path, disabled=['parallel', 'stream'])
        assert api.get_all() == []
        assert files(datadir) == []

    def test_a_killed_one_leaves_a_record_to_fill(self, tmp_path):
        config = {'catalog_database': str(tmp_path / 'c.sqlite')}
        code = f"""
import os, signal
from oslo_image import catalog
kill = lambda *progress: os.kill(os.getpid(), signal.SIGKILL)
catalog.API({config!r}).create(data=bytes(10**7), progress=kill)
"""
        done = subprocess.run([sys.executable, '-c', code])
        assert done.returncode == -signal.SIGKILL
        api = catalog.API(config)
        (image,) = api.get_all()
        assert image.status == 'queued'
        assert files(tmp_path / 'images') == []
        assert copied(api, api.update(image.id, data=BITS).id) == BITS

    def test_a_cap(self, config, datadir):
        api = catalog.API({**config, 'image_size_cap': len(BITS) - 1})
        with pytest.raises(exception.TooLarge):
            api.create(data=BITS)
        assert api.get_all() == []
        assert files(datadir) == []

    @pytest.mark.parametrize('name', ['verify', 'verifier'])
    def test_digests_are_not_for_the_caller_to_leave_out(self, api, name):
        with pytest.raises(exception.InvalidOption, match=name):
            api.create(data=BITS, **{name: 'never'})
        assert api.get_all() == []

    def test_a_catalogue_that_fails_leaves_no_bits(
        self, api, path, datadir, monkeypatch
    ):
        def fail(*arguments):
            raise exception.NoSpace('full')

        monkeypatch.setattr(api._driver, 'add_location', fail)
        with pytest.raises(exception.NoSpace):
            api.create(data=path)
        assert api.get_all() == []
        assert files(datadir) == []

    def test_a_record_that_cannot_be_taken_back_is_named(
        self, api, monkeypatch
    ):
        def fail(*arguments):
            raise exception.CatalogError('it broke')

        monkeypatch.setattr(api._driver, 'delete', fail)
        with pytest.raises(exception.ImageNotFound) as caught:
            api.create({'id': 'an-id'}, data='/no/such/file')
        assert caught.value.__notes__ == ['the record an-id is left: it broke']

    def test_an_id_that_is_taken(self, api, path, datadir):
        image = api.create({'id': 'an-id'}, data=path)
        with pytest.raises(exception.DestinationExists):
            api.create({'id': 'an-id'}, data=b'other')
        assert api.get('an-id') == image
        assert copied(api, 'an-id') == BITS

    @pytest.mark.parametrize('image_id', ['../x', '/etc/passwd', '.', 'a/b'])
    def test_an_id_that_is_a_path(self, api, datadir, image_id):
        with pytest.raises(exception.InvalidLocation):
            api.create({'id': image_id}, data=b'bits')
        assert files(datadir) == []

    def test_secrets_of_the_source_are_not_shown(self, api):
        with pytest.raises(exception.ImageError) as caught:
            api.create(data='http://user:hunter2@127.0.0.1:1/x')
        assert 'hunter2' not in f'{caught.value!r} {caught.value}'


class TestUpdate:
    def test_fields(self, api):
        image = api.create({'a': '1', 'b': '2'})
        image = api.update(image.id, {'name': 'n', 'c': '3'}, remove=['a'])
        assert image.name == 'n'
        assert image.properties == {'b': '2', 'c': '3'}
        assert api.get(image.id) == image

    def test_bits_for_a_record(self, api, datadir):
        image = api.create({'checksum': MD5})
        image = api.update(image.id, {'name': 'n'}, data=BITS)
        assert (image.status, image.name) == ('active', 'n')
        assert api.get(image.id) == image
        assert copied(api, image.id) == BITS

    @pytest.mark.parametrize(
        'changes', [{'name': 'new'}, {'status': 'nonsense'}]
    )
    def test_failure_leaves_the_record_as_it_was(self, api, datadir, changes):
        image = api.create({'checksum': '0' * 32, 'name': 'old'})
        with pytest.raises(exception.ImageError):
            api.update(image.id, changes, data=BITS)
        assert api.get(image.id) == image
        assert files(datadir) == []

    @pytest.mark.parametrize('method', ['add_location', 'update'])
    def test_a_late_failure_leaves_the_record_as_it_was(
        self, api, datadir, monkeypatch, method
    ):
        before = {'name': 'old', 'changed': '1', 'removed': '2'}
        image = api.create({**before, 'tags': ['a']})
        plain = getattr(api._driver, method)

        def fail(*arguments, **keywords):
            monkeypatch.setattr(api._driver, method, plain)
            raise exception.NoSpace('full')

        monkeypatch.setattr(api._driver, method, fail)
        changes = {'name': 'new', 'tags': ['b'], 'changed': '3', 'added': '4'}
        with pytest.raises(exception.NoSpace):
            api.update(image.id, changes, remove=['removed'], data=BITS)
        after = api.get(image.id)
        assert files(datadir) == []
        assert after == dataclasses.replace(image, updated_at=after.updated_at)
        api.update(image.id, changes, remove=['removed'], data=b'other bits')
        assert copied(api, image.id) == b'other bits'
        assert api.get(image.id).properties == {'changed': '3', 'added': '4'}

    def test_a_change_that_cannot_be_taken_back_is_named(
        self, api, monkeypatch
    ):
        image = api.create()

        def fail(*arguments, **keywords):
            raise exception.CatalogError('it broke')

        def store(*arguments):
            monkeypatch.setattr(api._driver, 'update', fail)
            fail()

        monkeypatch.setattr(api._driver, 'add_location', store)
        with pytest.raises(exception.CatalogError) as caught:
            api.update(image.id, {'name': 'new'}, data=BITS)
        assert caught.value.__notes__ == [
            f'the record {image.id} stays changed: it broke'
        ]

    def test_after_one_that_was_killed_before_its_record(self, tmp_path):
        config = {'catalog_database': str(tmp_path / 'c.sqlite')}
        api = catalog.API(config)
        image = api.create()
        code = f"""
import os, signal
from oslo_image import catalog
api = catalog.API({config!r})
api._driver.add_location = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
api.update({image.id!r}, data=bytes(10**6))
"""
        done = subprocess.run([sys.executable, '-c', code])
        assert done.returncode == -signal.SIGKILL
        assert files(tmp_path / 'images') == [image.id]
        assert api.get(image.id).status == 'queued'
        assert api.update(image.id, data=BITS).size == len(BITS)
        assert copied(api, image.id) == BITS
        assert files(tmp_path / 'images') == [image.id]

    @pytest.mark.parametrize('recorded', ['not yet', 'meanwhile'])
    def test_bits_of_one_at_work_are_not_taken_for_abandoned(
        self, api, datadir, monkeypatch, recorded
    ):
        """Another upload has published, and records before we look, or not."""
        image = api.create()
        plain = api._driver.add_location
        published, go_on = threading.Event(), threading.Event()

        def wait(*arguments):
            published.set()
            assert go_on.wait(60)
            return plain(*arguments)

        def other():
            api.update(image.id, data=BITS)

        monkeypatch.setattr(api._driver, 'add_location', wait)
        thread = threading.Thread(target=other)
        thread.start()
        assert published.wait(60)
        remove = api._bits.remove_abandoned

        def late(*arguments):
            go_on.set()
            thread.join()
            remove(*arguments)

        if recorded == 'meanwhile':
            monkeypatch.setattr(api._bits, 'remove_abandoned', late)
        try:
            with pytest.raises(exception.DestinationExists):
                api.update(image.id, data=b'other')
        finally:
            go_on.set()
            thread.join()
        assert copied(api, image.id) == BITS
        assert files(datadir) == [image.id]

    def test_abandoned_bits_that_cannot_be_removed(self, api, datadir):
        image = api.create()
        (datadir / image.id).mkdir(parents=True)
        with pytest.raises(exception.ImageError, match='Is a directory'):
            api.update(image.id, data=BITS)

    def test_bits_are_immutable(self, api):
        image = api.create(data=BITS)
        with pytest.raises(exception.DestinationExists, match='has its bits'):
            api.update(image.id, data=b'other')
        assert copied(api, image.id) == BITS

    def test_one_of_many_uploads_wins(self, api, datadir):
        image = api.create()
        barrier = threading.Barrier(4, timeout=60)
        won = []

        def upload(content):
            barrier.wait()
            try:
                api.update(image.id, data=content)
                won.append(content)
            except exception.DestinationExists:
                pass

        threads = [
            threading.Thread(target=upload, args=(BITS[:n] * 2,))
            for n in (1000, 2000, 3000, 4000)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert copied(api, image.id) == won[0]
        assert files(datadir) == [image.id]


class TestDelete:
    def test_record_and_bits(self, api, datadir):
        image = api.create(data=BITS)
        api.delete(image.id)
        assert api.get_all() == []
        assert files(datadir) == []
        with pytest.raises(exception.ImageNotFound):
            api.delete(image.id)

    def test_never_external_bits(self, api, path, datadir):
        image = api.create(data=BITS)
        api.add_location(image.id, uri_for(path))
        api.delete(image.id)
        assert api.get_all() == []
        assert files(datadir) == []
        assert path.read_bytes() == BITS

    def test_bits_elsewhere_that_are_ours(self, api, path):
        image = api.create()
        api.add_location(image.id, uri_for(path), external=False)
        api.delete(image.id)
        assert not path.exists()

    def test_a_protected_image_stays(self, api, datadir):
        image = api.create({'protected': True}, data=BITS)
        with pytest.raises(exception.PermissionDenied, match='protected'):
            api.delete(image.id)
        assert api.get(image.id) == image
        assert copied(api, image.id) == BITS

    def test_bits_that_are_gone_already(self, api, datadir):
        image = api.create(data=BITS)
        (datadir / image.id).unlink()
        api.delete(image.id)
        assert api.get_all() == []

    def test_bits_that_a_killed_upload_left(self, api, datadir):
        image = api.create()
        datadir.mkdir(parents=True)
        (datadir / image.id).write_bytes(b'published, not recorded')
        api.delete(image.id)
        assert files(datadir) == []

    def test_external_bits_in_the_place_of_its_own(self, api, datadir):
        """As an earlier release recorded them."""
        image = api.create()
        own = datadir / image.id
        datadir.mkdir(parents=True)
        own.write_bytes(BITS)
        location = Location(f'filesystem://{own}', external=True)
        api._driver.add_location(image.id, location)
        api.delete(image.id)
        assert own.read_bytes() == BITS

    def test_bits_that_cannot_be_deleted(self, api, path):
        """The image stays, with what is left of it."""
        image = api.create(data=BITS)
        with ScriptedServer(BITS) as server:
            api.add_location(image.id, server.url, external=False)
            with pytest.raises(exception.ImageError):
                api.delete(image.id)
            (left,) = api.get(image.id).locations
            assert left.reveal() == server.url
            assert copied(api, image.id) == BITS


class TestLocations:
    def test_registering_reads_once_and_records(self, api):
        image = api.create()
        with ScriptedServer(BITS) as server:
            image = api.add_location(image.id, server.url, name='eu')
        assert_read_once(server)
        assert (image.status, image.size) == ('active', len(BITS))
        assert image.checksum == MD5
        assert image.digest == ('sha512', SHA512)
        (location,) = image.locations
        assert (location.name, location.external) == ('eu', True)
        assert api.get(image.id) == image

    def test_a_small_image_is_one_request(self, api):
        image = api.create()
        with ScriptedServer(b'small') as server:
            api.add_location(image.id, server.url)
            assert len(server.requests) == 1

    def test_all_locations_have_the_same_bits(self, api, outside, path):
        image = api.create(data=BITS)
        before = api.get(image.id)
        for number, other in enumerate((BITS[:-1], BITS[:-1] + b'!')):
            wrong = outside / f'{number}'
            wrong.write_bytes(other)
            with pytest.raises(exception.IntegrityError):
                api.add_location(image.id, uri_for(wrong))
        assert api.get(image.id) == before
        assert len(api.add_location(image.id, uri_for(path)).locations) == 2

    @pytest.mark.parametrize('same_size', [False, True])
    @pytest.mark.parametrize('served', ['file', 'http'])
    @pytest.mark.parametrize('to', ['memory', 'file', 'store'])
    def test_a_copy_of_changed_bits_is_an_integrity_error(
        self, api, path, tmp_path, served, to, same_size
    ):
        """By no path are they taken unseen."""
        changed = BITS[:-1] + bytes([BITS[-1] ^ 1])
        changed = changed if same_size else changed + b'!'
        with ScriptedServer(BITS) as server:
            url = server.url if served == 'http' else uri_for(path)
            image = api.add_location(api.create().id, url)
            assert copied(api, image.id) == BITS
            path.write_bytes(changed)
            server.content = changed
            destination = tmp_path / 'copy'
            writer = {
                'memory': io.BytesIO,
                'file': lambda: open(destination, 'wb'),
                'store': lambda: stores.open_writer(uri_for(destination)),
            }[to]()
            with writer, pytest.raises(exception.IntegrityError):
                api.copy(image.id, writer)
        if to != 'memory':
            assert not destination.exists() or not destination.stat().st_size

    def test_zero_copy_of_external_bits_is_a_clean_no(self, api, path):
        image = api.add_location(api.create().id, uri_for(path))
        with open(path.parent / 'copy', 'wb') as writer:
            result = api.copy(image.id, writer, zero_copy='require')
        assert tuple(result) == (False, 0)
        (reason,) = {
            one.remedy for one in result.refusals if one.strategy == 'reflink'
        }
        assert 'verify="never"' in reason

    def test_own_bits_take_the_cheap_path(self, api, path, tmp_path):
        image = api.create(data=path)
        api.add_location(image.id, uri_for(path))
        with open(tmp_path / 'copy', 'wb') as writer:
            result = api.copy(image.id, writer)
        assert result.strategy in ('reflink', 'kernel_copy')
        assert not result.source.external

    def test_by_name(self, api, config, path, outside):
        other = outside / 'other'
        other.write_bytes(BITS)
        image = api.create()
        api.add_location(image.id, uri_for(path), name='us')
        api.add_location(image.id, uri_for(other), name='eu')
        for name, where in (('eu', other), ('us', path)):
            result = api.copy(image.id, io.BytesIO(), location=name)
            assert result.source.reveal() == uri_for(where)
        with pytest.raises(exception.ImageNotFound, match='eu, us'):
            api.copy(image.id, io.BytesIO(), location='asia')
        if config['catalog'] == 'sqlite':
            mover = move.Mover(image.id, config, location='eu')
            source = mover.copy(io.BytesIO()).source
            assert source.reveal() == uri_for(other)

    def test_what_policy_forbids_is_not_registered(self, api, tmp_path):
        forbidden = tmp_path / 'secret'
        forbidden.write_bytes(BITS)
        image = api.create()
        with pytest.raises(exception.LocationDenied) as caught:
            api.add_location(image.id, uri_for(forbidden))
        assert 'destination' not in str(caught.value)
        assert api.get(image.id) == image

    def test_a_link_out_of_the_directories(self, api, tmp_path, outside):
        (tmp_path / 'secret').write_bytes(BITS)
        (outside / 'link').symlink_to(tmp_path / 'secret')
        image = api.create()
        with pytest.raises(exception.LocationDenied):
            api.add_location(image.id, uri_for(outside / 'link'))

    def test_the_catalogues_own_directory_is_allowed(self, api, datadir):
        datadir.mkdir(parents=True)
        (datadir / 'laid-by-hand').write_bytes(BITS)
        image = api.create()
        api.add_location(image.id, uri_for(datadir / 'laid-by-hand'))
        assert copied(api, image.id) == BITS

    def test_the_images_own_place_is_not_external(self, api, datadir):
        image = api.create()
        datadir.mkdir(parents=True)
        (datadir / image.id).write_bytes(BITS)
        uri = uri_for(datadir / image.id)
        with pytest.raises(exception.InvalidOption, match='not external'):
            api.add_location(image.id, uri)
        api.add_location(image.id, uri, external=False)
        assert copied(api, image.id) == BITS
        api.delete(image.id)
        assert files(datadir) == []

    @pytest.mark.parametrize('by', ['uri', 'scheme', 'detour', 'link'])
    def test_bits_of_another_image_are_not_ours(
        self, api, datadir, outside, by
    ):
        other = api.create(data=BITS)
        place = datadir / other.id
        (outside / 'link').symlink_to(place)
        uri = {
            'uri': uri_for(place),
            'scheme': f'filesystem://{place}',
            'detour': f'file://{datadir}/../images/{other.id}',
            'link': uri_for(outside / 'link'),
        }[by]
        image = api.create()
        with pytest.raises(exception.InvalidOption, match='only be external'):
            api.add_location(image.id, uri, external=False)
        assert api.get(image.id) == image
        api.add_location(image.id, uri)
        api.delete(image.id)
        assert copied(api, other.id) == BITS

    def test_a_protected_image_keeps_its_bits(self, api, path, datadir):
        image = api.create({'protected': True}, data=BITS)
        own = image.locations[0].reveal()
        api.add_location(image.id, uri_for(path), name='eu')
        with pytest.raises(exception.PermissionDenied, match='protected'):
            api.remove_location(image.id, own)
        assert files(datadir) == [image.id]
        assert len(api.get(image.id).locations) == 2
        assert api.remove_location(image.id, 'eu').locations[0].reveal() == own
        assert path.exists()

    def test_removing_bits_may_be_ended_later(self, api, datadir, monkeypatch):
        image = api.create(data=BITS)
        own = image.locations[0].reveal()

        def fail(*arguments):
            raise exception.CatalogUnavailable('busy')

        with monkeypatch.context() as patched:
            patched.setattr(api._driver, 'remove_location', fail)
            with pytest.raises(exception.CatalogUnavailable):
                api.remove_location(image.id, own)
        assert api.remove_location(image.id, own).locations == ()
        assert files(datadir) == []

    def test_unknown_image(self, api, path):
        with pytest.raises(exception.ImageNotFound):
            api.add_location(ABSENT, uri_for(path))

    def test_removed(self, api, path, datadir):
        image = api.create(data=BITS)
        api.add_location(image.id, uri_for(path), name='eu')
        api.remove_location(image.id, 'eu')
        assert path.exists()
        image = api.remove_location(image.id, uri_for(datadir / image.id))
        assert (image.status, image.locations) == ('queued', ())
        assert files(datadir) == []
        with pytest.raises(exception.ImageNotFound):
            api.remove_location(image.id, 'eu')

    def test_removed_bits_come_back_as_they_were_only(self, api):
        image = api.create(data=BITS)
        api.remove_location(image.id, image.locations[0].reveal())
        with pytest.raises(exception.IntegrityError):
            api.update(image.id, data=b'other')
        assert api.update(image.id, data=BITS).status == 'active'


class TestCopy:
    def test_a_uri(self, api, path):
        assert copied(api, uri_for(path)) == BITS

    def test_no_such_id(self, api):
        with pytest.raises(exception.ImageNotFound, match=ABSENT):
            api.copy(ABSENT, io.BytesIO())

    def test_a_path_is_no_id(self, api, path):
        with pytest.raises(exception.InvalidLocation, match='file:///'):
            api.copy(str(path), io.BytesIO())

    def test_none_of_its_locations_holds_the_bits(self, api, path, datadir):
        image = api.create(data=BITS)
        api.add_location(image.id, uri_for(path))
        (datadir / image.id).unlink()
        assert copied(api, image.id) == BITS
        path.unlink()
        with pytest.raises(exception.ImageNotFound, match='none of the 2'):
            api.copy(image.id, io.BytesIO())

    @pytest.mark.parametrize(
        ('status', 'error'),
        [
            ('queued', exception.SourceUnavailable),
            ('saving', exception.SourceUnavailable),
            ('deactivated', exception.PermissionDenied),
            ('killed', exception.ImageNotFound),
            ('pending_delete', exception.ImageNotFound),
        ],
    )
    def test_an_image_that_is_not_active(self, api, status, error):
        image = api.create(data=BITS)
        api.update(image.id, {'status': status})
        with pytest.raises(error, match=f'is {status}, not active'):
            api.copy(image.id, io.BytesIO())


class TestConfiguration:
    def test_making_one_touches_nothing(self, api, tmp_path):
        assert api.get_all() == []
        assert not (tmp_path / 'state').exists()

    def test_no_such_driver(self):
        with pytest.raises(exception.InvalidOption, match='memory, sqlite'):
            catalog.API({'catalog': 'oracle'})

    def test_a_driver_that_does_not_load(self, monkeypatch):
        classes, _ = registry.plugins()
        monkeypatch.setattr(
            registry, 'plugins', lambda: (classes, {'odd': 'ImportError: x'})
        )
        with pytest.raises(exception.InvalidOption, match='ImportError: x'):
            catalog.API({'catalog': 'odd'})

    def test_another_datadir(self, tmp_path):
        api = catalog.API(
            {
                'catalog_database': str(tmp_path / 'state' / 'c.sqlite'),
                'catalog_datadir': str(tmp_path / 'bits'),
            }
        )
        image = api.create(data=BITS)
        assert files(tmp_path / 'bits') == [image.id]
        assert files(tmp_path / 'state') == ['c.sqlite']
        assert copied(api, image.id) == BITS

    def test_with_a_backend_of_files(self, tmp_path, config):
        """Whichever file store serves the scheme, our directory is in it."""
        config.update(
            enabled_backends='fast:file',
            fast={'filesystem_store_datadir': str(tmp_path / 'fast')},
            default_backend='fast',
        )
        api = catalog.API(config)
        image = api.create(data=BITS)
        assert copied(api, image.id) == BITS
        api.delete(image.id)

    def test_a_datadir_that_ends_like_a_priority(self, tmp_path):
        api = catalog.API(
            {
                'catalog_database': str(tmp_path / 'c.sqlite'),
                'catalog_datadir': str(tmp_path / 'bits:7'),
            }
        )
        assert copied(api, api.create(data=BITS).id) == BITS

    def test_it_can_be_written_by_what_glance_writes(self, config, path):
        """A record of Glance's own API, noise and all."""
        api = catalog.API(config)
        image = api.create(
            {
                'id': ABSENT,
                'name': None,
                'file': '/v2/images/x/file',
                'schema': '/v2/schemas/image',
                'self': '/v2/images/x',
                'stores': 'ceph',
                'os_glance_importing_to_stores': '',
                'created_at': '2015-11-29T22:21:42Z',
                'visibility': 'public',
                'status': 'active',
                'locations': [],
                'direct_url': 'rbd://fsid/pool/image/snap',
                'tags': [],
                'checksum': None,
                'hw_disk_bus': 'virtio',
            },
            data=path,
        )
        assert image.properties == {'hw_disk_bus': 'virtio'}
        assert image.status == 'active'


def test_the_api_of_the_seed(api):
    """get_all, get, create, update, delete, copy; and a base class below."""
    image_id = api.create({'name': 'a'}, data=BITS).id
    assert [one.id for one in api.get_all()] == [image_id]
    assert api.get(image_id).name == 'a'
    assert api.update(image_id, {'name': 'b'}).name == 'b'
    success, bytes_written = api.copy(image_id, io.BytesIO())
    assert (success, bytes_written) == (True, len(BITS))
    api.delete(image_id)
    assert api.get_all() == []
    assert re.search('sqlite|memory', type(api._driver).__name__.lower())
