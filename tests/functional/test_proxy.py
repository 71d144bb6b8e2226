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

"""The proxy of the tests, tested itself, in front of a scripted server."""

import contextlib
import http.client

import pytest

from oslo_image.testing.scripted import ScriptedServer
from tests.functional import proxy

DATA = bytes(range(256)) * 1024
FAILURES = (OSError, http.client.HTTPException)


@pytest.fixture
def server():
    with ScriptedServer(DATA) as running:
        yield running


@pytest.fixture
def before(server):
    port = int(server.url.rpartition(':')[2].partition('/')[0])
    with proxy.Proxy(port) as running:
        yield running


@pytest.fixture
def ask(before):
    """Ask by one connection; return status, fields and body."""
    connection = http.client.HTTPConnection(proxy.HOST, before.port, timeout=5)
    with contextlib.closing(connection):

        def asking(method='GET', path='/a', **more):
            connection.request(method, path, **more)
            with connection.getresponse() as response:
                return response.status, response.headers, response.read()

        yield asking


def test_passes_on_what_came(server, before, ask):
    status, headers, body = ask(headers={'Range': 'bytes=5-9'})

    assert (status, body) == (206, DATA[5:10])
    assert headers['Content-Range'] == f'bytes 5-9/{len(DATA)}'
    assert ask('HEAD')[2] == b''
    assert ask()[2] == DATA
    assert [one.method for one in before.requests] == ['GET', 'HEAD', 'GET']
    host = f'{proxy.HOST}:{before.port}'
    assert server.requests[0].headers['host'] == host


def test_answers_the_nth(before, ask):
    before.on(
        'GET', first=2, answer=(503, {'Retry-After': '1'}, b'slow'), times=2
    )

    found = [ask()[0] for _ in range(4)]

    assert found == [200, 503, 503, 200]
    assert before.asked('GET', '^/a$') == 4


def test_answers_after_a_body(server, before, ask):
    before.on('PUT', 'name', answer=(500, {}))

    assert ask('PUT', '/name', body=DATA)[0] == 500
    assert server.requests == []


def test_cuts_an_answer(before, ask):
    before.on('GET', cut_answer=100_000)

    with pytest.raises(FAILURES):
        ask()


def test_cuts_a_request(server, before, ask):
    before.on('PUT', cut_request=10)

    with pytest.raises(FAILURES):
        ask('PUT', body=DATA)


def test_loses_an_answer(server, before, ask):
    before.on('GET', lose_answer=True)

    with pytest.raises(FAILURES):
        ask()
    assert len(server.requests) == 1


def test_changes_fields(before, ask):
    before.on('GET', fields={'ETag': '"other"', 'Accept-Ranges': None})

    _, headers, body = ask()

    assert headers['ETag'] == '"other"'
    assert 'Accept-Ranges' not in headers
    assert body == DATA


def test_acts_before_it_passes_on(server, before, ask):
    seen = []
    before.on('GET', before=lambda: seen.append(len(server.requests)))

    ask()

    assert seen == [0]
