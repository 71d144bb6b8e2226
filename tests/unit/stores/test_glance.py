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

"""What the Glance store says without a Glance, or of one that misbehaves."""

import contextlib
import hashlib
import io
import json
import os
import random
import signal
import threading
import warnings
import weakref

import pytest
from keystoneauth1 import adapter, plugin, session, token_endpoint
from keystoneauth1.identity import v3

from oslo_image import catalog, exception, move, stores
from oslo_image.catalog.glance import GlanceDriver
from oslo_image.image import Location
from oslo_image.stores.glance import answers, identity, uri
from oslo_image.stores.glance.access import Access
from oslo_image.stores.registry import Stores
from oslo_image.testing import scripted
from oslo_image.testing.conformance.harness import drain
from oslo_image.testing.scripted import Good, ScriptedServer

DATA = random.Random(3).randbytes(3 << 16)
MD5 = hashlib.md5(DATA).hexdigest()
ID = '4c9a2a1e-0000-4000-8000-000000000000'
RECORD = {
    'id': ID,
    'status': 'active',
    'size': len(DATA),
    'checksum': MD5,
    'disk_format': 'raw',
    'container_format': 'bare',
}
VERSIONS = {'versions': [{'id': 'v2.17'}, {'id': 'v2.0'}]}
LIST = 'os_hidden=false&limit=100&sort=created_at%3Adesc%2Cid%3Adesc'
#: JSON that no Glance shows as an image.
STRANGE = [
    [],
    {},
    {'id': ID},
    {**RECORD, 'status': None},
    {**RECORD, 'size': '5'},
    {**RECORD, 'name': {}},
    {**RECORD, 'locations': 5},
    {**RECORD, 'locations': [5]},
    {**RECORD, 'locations': [{'url': None}]},
    {**RECORD, 'tags': [5]},
]
PLAIN = {'ETag': None, 'Content-MD5': MD5}


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (f'glance://{ID}', (ID, '')),
        (f'glance+http://h:9292/{ID}', (ID, 'http://h:9292')),
        (f'glance+https://H/image/{ID}', (ID, 'https://h/image')),
        (f'glance+https://h/image/v2/{ID}', (ID, 'https://h/image')),
    ],
)
def test_uris(text, expected):
    assert tuple(uri.parse(text)) == expected


@pytest.mark.parametrize(
    'endpoint', ['http://H/', 'http://h/v2', 'HTTP://h/v2.17/', 'http://h']
)
def test_an_endpoint_has_one_spelling(endpoint):
    assert uri.normal(endpoint) == 'http://h'
    assert uri.build(endpoint, ID) == f'glance+http://h/{ID}'


@pytest.mark.parametrize(
    ('status', 'body', 'words'),
    [
        (409, b'409 Conflict\n\nImage exists!\n\n  ', 'Image exists!'),
        (403, b'{"message": "Not &quot;allowed&quot;"}', 'Not "allowed"'),
        (
            500,
            b'<html><head><title>x</title></head><h1>500 Error</h1>a<br />b',
            'a b',
        ),
        (500, b'\xff\x00x', '\ufffd?x'),
        (400, b'a' * 9999, 'a' * 300),
        (400, b'{"message": 5}', '5'),
    ],
)
def test_what_glance_says(status, body, words):
    assert answers.Reply(status, body).words() == words


class Scripted:
    """A Glance of a few lines: what is at which path."""

    def __init__(self, **answers):
        self.answers = {
            '/': scripted_json(VERSIONS),
            f'/v2/images/{ID}': scripted_json(RECORD),
            f'/v2/images/{ID}/file': Good(PLAIN),
            **answers,
        }
        self.asked = []

    def __call__(self, number, request):
        self.asked.append(request.path)
        answer = self.answers.get(request.path, scripted.status(404))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer


def scripted_json(value, status=200):
    body = json.dumps(value).encode()
    return Good({'ETag': None}, status=status, body=body)


def opened(server):
    config = {'glance_endpoint': server.url.removesuffix('/image')}
    return stores.open_source(f'glance://{ID}', config)


def file_answers(*answers):
    return {f'/v2/images/{ID}/file': list(answers)}


class TestPinning:
    """Glance sends no ETag; the MD5 of the whole stands for it."""

    def test_ranges_of_one_version(self):
        script = Scripted()
        with ScriptedServer(DATA, script) as server, opened(server) as source:
            assert source.ranged
            assert source.version == f'Content-MD5 {MD5}'
            buffer = bytearray(1000)
            assert source.read_into(1 << 17, memoryview(buffer)) == 1000
            assert buffer == DATA[1 << 17 :][:1000]
        for request in server.requests:
            assert 'if-match' not in request.headers

    def test_another_version(self):
        other = Good({**PLAIN, 'Content-MD5': '0' * 32})
        script = Scripted(**file_answers(Good(PLAIN), other))
        with ScriptedServer(DATA, script) as server, opened(server) as source:
            with pytest.raises(exception.SourceChanged, match='Content-MD5'):
                source.read_into(1 << 17, memoryview(bytearray(9)))

    def test_no_version_any_more(self):
        other = Good({'ETag': None})
        script = Scripted(**file_answers(Good(PLAIN), other))
        with ScriptedServer(DATA, script) as server, opened(server) as source:
            with pytest.raises(exception.ProtocolViolation):
                source.read_into(1 << 17, memoryview(bytearray(9)))

    def test_without_an_md5_there_is_one_stream(self):
        record = {**RECORD, 'checksum': None, 'size': 0}
        script = Scripted(
            **{f'/v2/images/{ID}': scripted_json(record)},
            **file_answers(Good({'ETag': None})),
        )
        with ScriptedServer(DATA, script) as server, opened(server) as source:
            assert not source.ranged
            assert source.size == len(DATA)
            assert source.version is None

    def test_another_size_than_the_records(self):
        record = {**RECORD, 'size': 5}
        script = Scripted(**{f'/v2/images/{ID}': scripted_json(record)})
        with ScriptedServer(DATA, script) as server:
            with pytest.raises(exception.SizeMismatch):
                opened(server)


def test_no_store_has_the_bits():
    script = Scripted(**file_answers(scripted.status(204)))
    with ScriptedServer(DATA, script) as server:
        with pytest.raises(exception.ImageNotFound, match='none of its'):
            opened(server)


def test_only_the_ranges_are_not_to_be_had():
    """Glance says so of the last of its locations, and others may serve."""
    script = Scripted(**file_answers(scripted.status(204), Good(PLAIN)))
    with ScriptedServer(DATA, script) as server, opened(server) as source:
        assert not source.ranged
        assert drain(source.open_stream()) == DATA


class TestInvalidApi:
    def moved(self, script):
        with ScriptedServer(DATA, script) as server:
            config = {
                'catalog': 'glance',
                'glance_endpoint': server.url.removesuffix('/image'),
            }
            move.Mover(ID, config).copy(io.BytesIO())

    def listed(self, script):
        with ScriptedServer(DATA, script) as server:
            config = {
                'catalog': 'glance',
                'glance_endpoint': server.url.removesuffix('/image'),
            }
            catalog.API(config).get_all()

    @pytest.mark.parametrize('status', [300, 404])
    def test_version_1(self, status):
        """Glance itself answers 300, and what stands before it may not."""
        only = {'versions': [{'id': 'v1.1'}]}
        script = Scripted(
            **{
                '/': scripted_json(only, 300),
                f'/v2/images/{ID}': scripted_json(only, status),
            }
        )
        with pytest.raises(exception.ImageInvalidApi, match='version 2'):
            self.moved(script)

    @pytest.mark.parametrize('status', [404, 300])
    def test_a_list_of_version_1(self, status):
        asked = f'/v2/images?{LIST}'
        script = Scripted(
            **{'/': scripted.status(404), asked: scripted.status(status)}
        )
        with pytest.raises(exception.ImageInvalidApi, match='version 2'):
            self.listed(script)
        assert asked in script.asked

    @pytest.mark.parametrize(
        ('status', 'kind'),
        [
            (503, exception.CatalogUnavailable),
            (429, exception.CatalogUnavailable),
            (401, exception.PermissionDenied),
        ],
    )
    def test_nobody_can_tell_for_the_moment(self, status, kind):
        script = Scripted(
            **{
                '/': scripted.status(status),
                f'/v2/images/{ID}': scripted.status(404),
            }
        )
        with pytest.raises(kind):
            self.moved(script)

    @pytest.mark.parametrize(
        'versions', [[], {}, {'versions': 5}, {'versions': [5, {'id': None}]}]
    )
    def test_no_versions(self, versions):
        script = Scripted(
            **{
                '/': scripted_json(versions),
                f'/v2/images/{ID}': scripted.status(404),
            }
        )
        with pytest.raises(exception.ImageInvalidApi, match='version 2'):
            self.moved(script)

    @pytest.mark.parametrize('record', STRANGE, ids=str)
    def test_json_that_is_no_image(self, record):
        script = {f'/v2/images/{ID}': scripted_json(record)}
        with pytest.raises(exception.ImageInvalidApi, match='as the Images'):
            self.moved(Scripted(**script))
        with ScriptedServer(DATA, Scripted(**script)) as server:
            config = {'glance_endpoint': server.url.removesuffix('/image')}
            with pytest.raises(exception.ImageInvalidApi):
                stores.open_writer(f'glance://{ID}', config).check(None)
            with pytest.raises(exception.ImageInvalidApi):
                stores.stat(f'glance://{ID}', config)

    @pytest.mark.parametrize(
        'page', [[], {}, {'images': 5}, *({'images': [s]} for s in STRANGE)]
    )
    def test_json_that_is_no_list(self, page):
        script = Scripted(**{f'/v2/images?{LIST}': scripted_json(page)})
        with pytest.raises(exception.ImageInvalidApi, match='as the Images'):
            self.listed(script)

    @pytest.mark.parametrize('found', [{}, [5], [{'url': 5}]])
    def test_json_that_is_no_list_of_locations(self, found):
        path = f'/v2/images/{ID}/locations'
        script = Scripted(**{path: scripted_json(found)})
        with pytest.raises(exception.ImageInvalidApi, match='as the Images'):
            self.moved(script)

    def test_a_page_for_people(self):
        page = Good({'ETag': None}, status=200, body=b'<html>hello</html>')
        script = Scripted(**{f'/v2/images/{ID}': page})
        with pytest.raises(exception.ImageInvalidApi, match='as the Images'):
            self.moved(script)

    def test_no_such_image(self):
        script = Scripted(**{f'/v2/images/{ID}': scripted.status(404)})
        with pytest.raises(exception.ImageNotFound):
            self.moved(script)

    @pytest.mark.parametrize('status', [500, 503, 429])
    def test_an_error_is_not_no_image(self, status):
        script = Scripted(**{f'/v2/images/{ID}': scripted.status(status)})
        with pytest.raises(exception.CatalogUnavailable):
            self.moved(script)


@pytest.mark.parametrize(
    ('status', 'asked'), [(404, 2), (401, 2), (403, 1), (405, 1)]
)
def test_locations_that_are_hidden_are_not_asked_for_again(status, asked):
    """An image that was gone for a moment hides nothing of the others."""
    path = f'/v2/images/{ID}/locations'
    shown = scripted_json([{'url': 'http://h/x', 'metadata': {}}])
    script = Scripted(**{path: [scripted.status(status), shown]})
    with ScriptedServer(DATA, script) as server:
        api = catalog.API(
            {
                'catalog': 'glance',
                'glance_endpoint': server.url.removesuffix('/image'),
            }
        )
        assert api.get(ID).locations == ()
        assert len(api.get(ID).locations) == asked - 1
    assert script.asked.count(path) == asked


class TestWhoAsks:
    def identity(self, auth=None, place='', **config):
        found = Stores(config)
        options = found.conf['glance_store']
        return identity.identity(options, auth, place)

    def test_nobody(self):
        assert self.identity().sign('GET', 'http://h', {}) == {}

    def test_a_token_for_its_endpoint(self):
        who = self.identity('t0ken', glance_endpoint='http://h/v2/')
        assert who.sign('GET', 'http://h', {}) == {'X-Auth-Token': 't0ken'}
        assert who.knows('http://h')
        assert not who.knows('http://other')
        assert 't0ken' not in repr(who)

    def test_a_token_for_the_place_beside_it(self):
        assert self.identity('t0ken', 'http://h').knows('http://h')

    def test_a_token_for_no_place(self):
        with pytest.raises(exception.InvalidOption, match='glance_endpoint'):
            self.identity('t0ken')

    def test_no_user(self):
        with pytest.raises(exception.InvalidOption, match='neither a user'):
            self.identity(glance_auth_url='http://h')

    @pytest.mark.parametrize(
        ('config', 'kind', 'wanted'),
        [
            (
                {'user_id': 'u', 'password': 'p', 'trust_id': 't'},
                v3.Password,
                {'trust_id': 't', 'project_id': None},
            ),
            (
                {'username': 'u', 'password': 'p', 'system_scope': 'all'},
                v3.Password,
                {'system_scope': 'all', 'domain_id': None},
            ),
            (
                {'username': 'u', 'password': 'p', 'domain_name': 'd'},
                v3.Password,
                {'domain_name': 'd', 'domain_id': None},
            ),
            (
                {
                    'username': 'u',
                    'application_credential_name': 'n',
                    'application_credential_secret': 's',
                },
                v3.ApplicationCredential,
                {},
            ),
        ],
    )
    def test_what_a_password_is_for(self, config, kind, wanted):
        named = {f'glance_{name}': value for name, value in config.items()}
        who = self.identity(glance_auth_url='http://k', **named)
        found = who._plugin
        assert isinstance(found, kind)
        assert {name: getattr(found, name) for name in wanted} == wanted
        (method,) = found.auth_methods
        for name in ('user_id', 'username', 'application_credential_name'):
            if hasattr(method, name):
                assert getattr(method, name) == config.get(name)

    @pytest.mark.parametrize(
        'config',
        [
            {'username': 'u'},
            {'username': 'u', 'application_credential_name': 'n'},
            {'application_credential_secret': 's'},
        ],
    )
    def test_half_of_it_is_an_error(self, config):
        named = {f'glance_{name}': value for name, value in config.items()}
        with pytest.raises(exception.InvalidOption, match='neither a user'):
            self.identity(glance_auth_url='http://k', **named)

    def test_other_stores_credentials_are_not_ours(self):
        assert self.identity(('user', 'password')).sign('', '', {}) == {}

    def test_no_secret_is_shown(self):
        config = {'glance_auth_url': 'http://h', 'glance_password': 'c4n4ry'}
        found = Stores(config).conf['glance_store']
        assert 'c4n4ry' not in repr(identity.settings(found))


class TestAccess:
    """Who is known already, and whose requests are whose."""

    @pytest.fixture
    def access(self):
        options = Stores({}).conf['glance_store']
        with contextlib.closing(Access(options)) as access:
            yield access

    def test_an_adapter_at_the_address_of_another(self, access):
        for number in range(50):
            user = token_endpoint.Token('http://g', f'user{number}')
            mine = adapter.Adapter(session.Session(user))
            who = access.service(mine).identity
            fields = who.sign('GET', 'http://g', {})
            assert fields['X-Auth-Token'] == f'user{number}'
            del mine

    def test_many_tokens_are_not_kept(self, access):
        services = [
            weakref.ref(access.service(f't{number}', 'http://g'))
            for number in range(1000)
        ]
        assert sum(one() is not None for one in services) < 100
        last = access.service('t999', 'http://g')
        assert services[-1]() is last

    @pytest.mark.parametrize('forks', [False, True])
    def test_nobody_waits_for_anothers_keystone(
        self, access, monkeypatch, forks
    ):
        asked, answer = threading.Event(), threading.Event()
        real = identity.identity

        def slow(options, auth, place):
            if auth == 'slow':
                asked.set()
                answer.wait(30)
            return real(options, auth, place)

        monkeypatch.setattr(identity, 'identity', slow)
        other = threading.Thread(
            target=access.service, args=('slow', 'http://g')
        )
        other.start()
        try:
            assert asked.wait(30)
            if forks:
                assert forked(lambda: access.service('quick', 'http://g')) == 0
            else:
                assert access.service('quick', 'http://g')
            assert other.is_alive()
        finally:
            answer.set()
            other.join()

    def test_a_change_at_a_fork(self):
        """Who was changing an image is not there in the child."""
        script = Scripted()
        with ScriptedServer(DATA, script) as server:
            found = Stores(
                {'glance_endpoint': server.url.removesuffix('/image')}
            )
            driver = GlanceDriver(found.conf['glance_store'])
            with driver._changing:
                assert forked(lambda: driver.update(ID, {})) == 0

    @pytest.mark.parametrize(
        ('named', 'config', 'endpoint'),
        [
            ({'endpoint_override': 'http://mine/v2'}, {}, 'http://mine'),
            (
                {'endpoint_override': 'http://mine'},
                {'glance_endpoint': 'http://other'},
                'http://mine',
            ),
            ({}, {'glance_endpoint': 'http://other'}, 'http://other'),
            ({}, {}, 'http://public.one'),
            ({'region_name': 'two'}, {}, 'http://public.two'),
            (
                {'region_name': 'two', 'interface': 'internal'},
                {'glance_region_name': 'one'},
                'http://internal.two',
            ),
        ],
    )
    def test_what_an_adapter_names_counts(self, named, config, endpoint):
        class Cloud(plugin.BaseAuthPlugin):
            def get_token(self, session, **more):
                return 't0ken'

            def get_endpoint(self, session, **more):
                region = more.get('region_name') or 'one'
                return f'http://{more["interface"]}.{region}'

        mine = adapter.Adapter(session.Session(Cloud()), **named)
        options = Stores(config).conf['glance_store']
        service = Access(options).service(mine)
        assert service.endpoint == endpoint
        signed = service.identity.sign('GET', endpoint, {})
        assert signed['X-Auth-Token'] == 't0ken'


def forked(act):
    """Do something in a forked child, for a while; return its code."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        child = os.fork()
    if not child:
        signal.alarm(20)
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


class TestStore:
    def test_unknown_options_of_a_writer(self):
        with pytest.raises(exception.InvalidOption, match='colour'):
            stores.open_writer(f'glance://{ID}', colour='red')

    @pytest.mark.parametrize('how', ['replace', 'in_place'])
    def test_bits_are_never_replaced(self, how):
        with pytest.raises(exception.InvalidOption, match=how):
            stores.open_writer(f'glance://{ID}', if_exists=how)

    def test_the_backend_of_an_endpoint(self):
        found = Stores(
            {
                'enabled_backends': {'eu': 'glance', 'us': 'glance'},
                'eu': {'glance_endpoint': 'http://eu'},
                'us': {'glance_endpoint': 'http://us/v2'},
            }
        )
        store = found.find(Location(f'glance+http://us/{ID}'))
        assert store.options.glance_endpoint == 'http://us/v2'


@pytest.mark.parametrize('disabled', [[], ['stream']])
def test_a_store_behind_glance_that_has_no_ranges(tmp_path, disabled):
    """Expected while planned, and known better once it is pinned."""
    script = Scripted(**file_answers(scripted.status(400), Good(PLAIN)))
    path = tmp_path / 'copy'
    with ScriptedServer(DATA, script) as server:
        config = {
            'catalog': 'glance',
            'glance_endpoint': server.url.removesuffix('/image'),
            'disabled_strategies': disabled,
        }
        mover = move.Mover(ID, config)
        with stores.open_writer(f'file://{path}') as writer:
            plan = mover.plan(writer)
            assert [one.strategy for one in plan.offers] == [
                *({'stream'} - {*disabled}),
                'parallel',
            ]
            assert not [one for one in script.asked if one.endswith('file')]
            result = mover.copy(writer)
    if disabled:
        assert tuple(result) == (False, 0)
        reasons = {one.strategy: one.reason for one in result.refusals}
        assert 'no ranges' in reasons['parallel']
        return
    assert result.strategy == 'stream'
    assert path.read_bytes() == DATA
