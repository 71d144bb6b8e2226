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

"""The conformance suite on images of a real Glance, through its API."""

import json
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

import pytest

from oslo_image import exception
from oslo_image.cli import main
from oslo_image.stores.glance import leftovers
from oslo_image.stores.registry import Stores
from oslo_image.testing.conformance import Harness, StoreConformance
from oslo_image.testing.conformance.harness import drain

MiB = 1 << 20
_KILLED = """
import os, signal, time, urllib.request
from oslo_image import stores
writer = stores.open_writer({uri!r}, {{'glance_endpoint': {url!r}}})
writer.write(bytes(1 << 20))
image = {url!r} + '/v2/images/' + {uri!r}.partition('://')[2]
while b'"saving"' not in urllib.request.urlopen(image).read():
    time.sleep(0.02)
os.kill(os.getpid(), signal.SIGKILL)
"""
NAMES = uuid.UUID('00000000-0000-4000-8000-000000000000')


class TestApi(StoreConformance):
    chunk = MiB
    # What the first request asks for, and what lies around it.
    sizes = ((1 << 16) - 1, 1 << 16, (1 << 16) + 1)
    malformed = (
        'glance://',
        'glance://host/id',
        'glance://a b',
        'glance+http://id',
        'glance+http:///id',
        'glance+http://user@host/id',
        'glance+https://host/',
        'glance+https://host/a%2Fb',
    )
    lacks = {
        'reuse': 'Glance gives the id of a deleted image to no other',
        'exclusive': 'the first upload to begin wins',
        'contended': 'the first upload to begin wins',
        'replace': 'an image of Glance never gets other bits',
        'in_place': 'an image of Glance never gets other bits',
        'grows': 'an image of Glance never gets other bits',
        'pinned': 'an image of Glance never gets other bits',
        'positioned': 'an upload is one stream',
        'sparse': 'an upload is one stream',
        'descriptors': 'an upload is one stream',
        'secrets': 'nobody has credentials in these URIs',
    }

    @pytest.fixture
    def harness(self, glance, ceph):
        # What is put is uploaded, whatever a server could make there.
        stores = Stores(
            {
                'glance_endpoint': glance.url,
                'glance_register_locations': True,
                'default_backend': 'ceph',
                'enabled_backends': {'ceph': 'rbd'},
                'ceph': {'rbd_store_ceph_conf': str(ceph.conf)},
            }
        )

        def uri(name):
            return f'glance://{uuid.uuid5(NAMES, name)}'

        def listing():
            # A queued image has no bits, and its id is had no second time; so
            # only one that an upload has made, and left, is to be seen.
            found, path = [], '/v2/images?limit=100'
            while path:
                with urllib.request.urlopen(glance.url + path) as answer:
                    page = json.load(answer)
                found += [
                    f'{one["id"]} {one["status"]}'
                    for one in page['images']
                    if one['status'] != 'queued'
                    or leftovers.MARK in one['tags']
                ]
                path = page.get('next')
            return [*found, *glance.images.iterdir()]

        return Harness(
            store=stores.find(stores.location(uri('any'))),
            uri=uri,
            listing=listing,
            abandon=lambda name: abandoned(glance, uri(name)),
        )


@pytest.fixture
def store(glance):
    stores = Stores({'glance_endpoint': glance.url})
    return stores.find(stores.location('glance://any'))


def statuses(glance, image_id):
    try:
        with urllib.request.urlopen(
            f'{glance.url}/v2/images/{image_id}'
        ) as answer:
            return json.load(answer)['status']
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def record(glance, image_id):
    with urllib.request.urlopen(
        f'{glance.url}/v2/images/{image_id}'
    ) as answer:
        return json.load(answer)


def abandoned(glance, uri):
    """Be killed in the midst of an upload."""
    code = _KILLED.format(url=glance.url, uri=uri)
    done = subprocess.run([sys.executable, '-c', code], check=False)
    assert done.returncode == -signal.SIGKILL
    while statuses(glance, uri.partition('://')[2]) != 'queued':
        time.sleep(0.02)


class TestWriter:
    @pytest.fixture
    def image_id(self):
        return str(uuid.uuid4())

    @pytest.fixture
    def where(self, store, image_id):
        return store.parse(f'glance://{image_id}')

    @pytest.mark.parametrize('size', [None, 3 * MiB])
    def test_an_image_made_for_it_is_deleted(
        self, glance, store, where, image_id, size
    ):
        with store.open_writer(where, size=size) as writer:
            writer.write(bytes(MiB))
            while statuses(glance, image_id) == 'queued':
                time.sleep(0.01)
            assert statuses(glance, image_id) == 'saving'
        assert statuses(glance, image_id) == 404
        assert not (glance.images / image_id).exists()

    def test_an_image_that_was_there_is_queued_again(
        self, glance, store, where, image_id
    ):
        body = {'id': image_id, 'name': 'mine', 'disk_format': 'raw'}
        request = urllib.request.Request(
            f'{glance.url}/v2/images',
            json.dumps({**body, 'container_format': 'bare'}).encode(),
            {'Content-Type': 'application/json'},
        )
        urllib.request.urlopen(request).close()
        with store.open_writer(where) as writer:
            writer.write(bytes(MiB))
        assert statuses(glance, image_id) == 'queued'
        with store.open_writer(where) as writer:
            writer.write(b'abc')
            writer.commit()
        assert statuses(glance, image_id) == 'active'
        assert (glance.images / image_id).read_bytes() == b'abc'

    @pytest.mark.parametrize('name', ['fast', 'ceph', 'objects'])
    def test_goes_to_the_store_that_is_named(
        self, glance, store, where, image_id, name
    ):
        data = random.Random(1).randbytes(5 * MiB + 1)
        with store.open_writer(where, store=name, name='x') as writer:
            writer.write(data)
            writer.commit()
        with urllib.request.urlopen(
            f'{glance.url}/v2/images/{image_id}'
        ) as answer:
            found = json.load(answer)
        assert (found['stores'], found['name']) == (name, 'x')
        with store.open_source(where) as source:
            # Glance serves ranges of files only.
            assert source.ranged == (name == 'fast')
            assert drain(source.open_stream()) == data
        store.delete(where)

    @pytest.mark.parametrize('size', [None, 64 * MiB])
    def test_an_unknown_store_is_an_error_that_says_so(
        self, glance, store, where, image_id, size
    ):
        with (
            pytest.raises(exception.DestinationError, match='nowhere'),
            store.open_writer(where, store='nowhere', size=size) as writer,
        ):
            for _ in range(64):
                writer.write(bytes(MiB))
            writer.commit()
        assert statuses(glance, image_id) == 404

    def test_it_bears_no_mark_when_it_has_its_bits(
        self, glance, store, where, image_id
    ):
        with store.open_writer(where, tags=['mine']) as writer:
            writer.write(b'abc')
            assert leftovers.MARK in record(glance, image_id)['tags']
            writer.commit()
        assert record(glance, image_id)['tags'] == ['mine']

    def test_the_command_removes_what_was_killed(
        self, glance, store, where, image_id, tmp_path, capsys
    ):
        """Of all images, those that wait for an upload which made them."""
        killed = str(uuid.uuid4())
        abandoned(glance, f'glance://{killed}')
        conf = tmp_path / 'mover.conf'
        conf.write_text(f'[glance_store]\nglance_endpoint = {glance.url}\n')
        command = ['gc', 'glance://*', '--config-file', str(conf)]
        assert main.main([*command, '-f', 'csv']) == 0
        assert killed not in capsys.readouterr().out
        with store.open_writer(where) as writer:
            writer.write(bytes(MiB))
            while statuses(glance, image_id) != 'saving':
                time.sleep(0.01)
            assert main.main([*command, '--older-than', '0s']) == 0
            said = capsys.readouterr().out
            assert f'image {killed} in Glance' in said
            assert image_id not in said
            writer.commit()
        assert statuses(glance, killed) == 404
        assert statuses(glance, image_id) == 'active'

    @pytest.mark.parametrize('uri', ['glance://*', 'glance+http://host/*'])
    def test_all_images_are_no_image(self, store, uri):
        everything = store.parse(uri)
        for use in (store.open_source, store.open_writer, store.delete):
            with pytest.raises(exception.InvalidLocation, match='all images'):
                use(everything)
