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

"""The example of Nova's image API does what the sketch of it says."""

import importlib.util
import io
import logging
import pathlib
import uuid

import pytest

from oslo_image.testing import scripted
from tests.functional.glances import Glances, MiB, pattern

PATH = pathlib.Path(__file__).parents[2] / 'examples' / 'nova_image_api.py'
DATA = pattern(MiB + 3)


def load():
    spec = importlib.util.spec_from_file_location('nova_image_api', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


nova = load()


@pytest.fixture
def images(glance):
    return Glances(glance.url)


@pytest.fixture
def config(glance):
    return {'catalog': 'glance', 'glance_endpoint': glance.url}


def fetched(api, image_id, path):
    """Copy as Nova's virt drivers would; return the result."""
    writer = io.BufferedWriter(io.FileIO(path, mode='wb'))
    with writer:
        return api.copy(image_id, writer)


def test_zero_copy(images, config, glance, place, caplog):
    caplog.set_level(logging.INFO)
    image_id = images.stored(DATA)
    api = nova.API(
        {**config, 'filesystem_store_datadir': str(glance.images)}, images.url
    )
    assert fetched(api, image_id, place / 'disk') is True
    assert (place / 'disk').read_bytes() == DATA
    assert f'Copied image {image_id} using zero-copy' in caplog.text


def test_copy(images, config, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    image_id = images.stored(DATA, 'ceph')
    api = nova.API(config, images.url)
    assert fetched(api, image_id, tmp_path / 'disk') is True
    assert (tmp_path / 'disk').read_bytes() == DATA
    assert f'Copied {len(DATA)} bytes.' in caplog.text


def test_not_found(images, config, tmp_path):
    api = nova.API(config, images.url)
    with pytest.raises(nova.NotFound):
        fetched(api, str(uuid.uuid4()), tmp_path / 'disk')


@pytest.mark.parametrize(
    'why', ['switched off', 'no Glance there', 'other versions']
)
def test_falls_back_to_the_api(images, config, nginx, tmp_path, why):
    """Where oslo.image must not ask Glance's API, Nova does."""
    image_id = images.stored(DATA)
    if why == 'switched off':
        config = {**config, 'glance_api_download': False}
    elif why == 'other versions':
        config = {**config, 'glance_endpoint': f'{images.url}/elsewhere'}
    else:
        config = {**config, 'glance_endpoint': nginx.url('')}
    api = nova.API(config, images.url)
    assert fetched(api, image_id, tmp_path / 'disk') is True
    assert (tmp_path / 'disk').read_bytes() == DATA


def test_a_fallback_that_fails_says_so(config, nginx, tmp_path):
    config = {**config, 'glance_endpoint': nginx.url('')}
    api = nova.API(config, nginx.url(''))
    assert fetched(api, str(uuid.uuid4()), tmp_path / 'disk') is False


class Stalled:
    """Sends a piece, and then nothing."""

    def __call__(self, exchange):
        exchange.send_head()
        exchange.send_body(exchange.body[:1000])
        exchange.wait(30)


@pytest.mark.parametrize(
    'fault',
    [
        scripted.Short(at=1000),
        scripted.Chunked(at=1000, final=False),
        scripted.Reset(at=1000),
        Stalled(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fallback_that_breaks_off_says_so(nginx, tmp_path, fault):
    config = {'catalog': 'glance', 'glance_endpoint': nginx.url('')}
    with scripted.ScriptedServer(DATA, [fault]) as server:
        api = nova.API(config, server.url, timeout=0.5)
        assert fetched(api, str(uuid.uuid4()), tmp_path / 'disk') is False
