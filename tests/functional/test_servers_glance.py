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

"""The Glance of the functional tests, tested itself."""

import json
import pathlib
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest

from tests.servers import base, policy
from tests.servers import glance as glance_server
from tests.servers import keystone as keystone_server
from tests.servers.glance import server as api_server

DATA = bytes(range(256)) * 4096


def ask(
    url: str, method: str, path: str, body: Any = None, **headers: str
) -> Any:
    """Send a request; return what is answered, as JSON or bytes."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault('Content-Type', 'application/json')
    request = urllib.request.Request(
        f'{url}{path}', body, headers, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        data = answer.read()
    if answer.headers.get_content_type() == 'application/json':
        return json.loads(data)
    return data


def stored(url: str, store: str, **headers: str) -> Any:
    """Make an image in a store; return its record."""
    fields = {'disk_format': 'raw', 'container_format': 'bare'}
    made = ask(url, 'POST', '/v2/images', fields, **headers)
    path = f'/v2/images/{made["id"]}'
    octets = {'Content-Type': 'application/octet-stream'}
    named = {'X-Image-Meta-Store': store}
    ask(url, 'PUT', f'{path}/file', DATA, **octets, **named, **headers)
    assert ask(url, 'GET', f'{path}/file', **headers) == DATA
    return ask(url, 'GET', path, **headers)


@pytest.mark.parametrize(
    ('store', 'scheme'),
    [('fast', 'file'), ('ceph', 'rbd'), ('objects', 's3')],
)
def test_keeps_an_image_in_each_store(
    glance: glance_server.Glance, store: str, scheme: str
) -> None:
    image = stored(glance.url, store)
    assert (image['status'], image['stores']) == ('active', store)
    (location,) = image['locations']
    assert location['url'].startswith(f'{scheme}://')
    assert location['metadata'] == {'store': store}
    assert image['direct_url'] == location['url']
    ask(glance.url, 'DELETE', f'/v2/images/{image["id"]}')


def test_file_store_lies_where_it_is_said(
    glance: glance_server.Glance, xfs: pathlib.Path
) -> None:
    image = stored(glance.url, 'fast')
    assert (xfs / 'glance' / image['id']).read_bytes() == DATA
    ask(glance.url, 'DELETE', f'/v2/images/{image["id"]}')
    assert not (xfs / 'glance' / image['id']).exists()


class TestKeystone:
    @pytest.fixture
    def headers(
        self,
        keystone: keystone_server.Keystone,
        keystone_user: keystone_server.User,
    ) -> dict[str, str]:
        return {'X-Auth-Token': keystone.token(keystone_user)}

    @pytest.mark.parametrize(
        ('store', 'scheme'), [('fast', 'file'), ('archive', 'swift+config')]
    )
    def test_keeps_an_image_of_a_user(
        self,
        glance_keystone: glance_server.Glance,
        keystone_user: keystone_server.User,
        headers: dict[str, str],
        store: str,
        scheme: str,
    ) -> None:
        image = stored(glance_keystone.url, store, **headers)
        assert image['owner'] == keystone_user.project_id
        assert image['direct_url'].startswith(f'{scheme}://')

    @pytest.mark.parametrize('token', [None, 'nonsense'])
    def test_knows_whom_it_does_not_know(
        self, glance_keystone: glance_server.Glance, token: str | None
    ) -> None:
        headers = {'X-Auth-Token': token} if token else {}
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(glance_keystone.url, 'GET', '/v2/images', **headers)
        caught.value.close()
        assert caught.value.code == 401

    def test_a_service_reads_locations(
        self,
        glance_keystone: glance_server.Glance,
        keystone: keystone_server.Keystone,
        headers: dict[str, str],
    ) -> None:
        url = glance_keystone.url
        user = keystone.user(f's-{uuid.uuid4()}', 'images', 'service')
        service = {'X-Auth-Token': keystone.token(user)}
        image = stored(url, 'fast', **headers)
        path = f'/v2/images/{image["id"]}/locations'
        assert ask(url, 'GET', path, **service) == image['locations']
        with pytest.raises(urllib.error.HTTPError, match='403') as caught:
            ask(url, 'GET', path, **headers)
        caught.value.close()


def test_keeps_its_images_while_it_is_away_and_leaves_nothing() -> None:
    options = {'show_multiple_locations': 'false'}
    with policy.provided(glance_server.Glance(options=options)) as glance:
        directory = glance.directory
        image = stored(glance.url, 'fast')
        assert 'locations' not in image
        glance.api.stop()
        with pytest.raises(urllib.error.URLError, match='refused'):
            ask(glance.url, 'GET', '/')
        glance.api.start()
        path = f'/v2/images/{image["id"]}/file'
        assert ask(glance.url, 'GET', path) == DATA
    with pytest.raises(urllib.error.URLError, match='refused'):
        ask(glance.url, 'GET', '/')
    assert not directory.exists()


def test_shows_why_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = api_server.conf.GUNICORN.replace('wsgi.api', 'wsgi.nonsense')
    monkeypatch.setattr(api_server.conf, 'GUNICORN', wrong)
    glance = glance_server.Glance()
    with pytest.raises(base.StartError, match=r'wsgi\.nonsense'):
        glance.start()
    assert not glance.directory.exists()
