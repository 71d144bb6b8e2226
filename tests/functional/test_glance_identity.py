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

"""Who asks a Glance behind Keystone, and where a token goes."""

import datetime
import io
import json
import os
import subprocess
import sys
import uuid

import pytest
from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

from oslo_image import catalog, exception, move, stores
from oslo_image.cli import main
from oslo_image.testing import scripted
from tests.functional import clients, proxy
from tests.functional.glances import Glances, MiB, pattern

DATA = pattern(MiB + 11)
_COMMAND = (
    'import sys; from oslo_image.cli import main; '
    'sys.exit(main.main(sys.argv[1:]))'
)
#: Other Glances are in other regions of the same Keystone.
REGION = {'glance_region_name': 'RegionOne'}


@pytest.fixture
def token(keystone, keystone_user):
    return keystone.token(keystone_user)


@pytest.fixture
def images(glance_keystone, token):
    return Glances(glance_keystone.url, {'X-Auth-Token': token})


@pytest.fixture
def image_id(images):
    return images.stored(DATA)


def by_password(keystone, user):
    return {
        'glance_auth_url': keystone.url,
        'glance_username': user.name,
        'glance_password': user.password,
        'glance_project_name': user.project,
        **REGION,
    }


def read(image_id, config, auth=None):
    buffer = io.BytesIO()
    config = {'catalog': 'glance', **REGION, **config}
    assert move.Mover(image_id, config, auth=auth).copy(buffer)
    return buffer.getvalue()


class TestKinds:
    """Each finds Glance in Keystone's catalogue, unless it is named."""

    def test_password(self, image_id, keystone, keystone_user):
        assert read(image_id, by_password(keystone, keystone_user)) == DATA

    def test_no_proxy_of_the_environment_is_used(
        self, image_id, keystone, keystone_user, monkeypatch
    ):
        """Neither to ask Keystone nor to ask Glance."""
        for scheme in ('http', 'https', 'all'):
            monkeypatch.setenv(f'{scheme}_proxy', 'http://127.0.0.1:9')
        monkeypatch.setenv('no_proxy', '')
        config = by_password(keystone, keystone_user)
        config['glance_auth_url'] = keystone.url.removesuffix('/v3')
        assert read(image_id, config) == DATA

    def test_a_password_by_ids(self, image_id, keystone, keystone_user):
        config = by_password(keystone, keystone_user)
        del config['glance_project_name']
        config |= {
            'glance_project_id': keystone_user.project_id,
            'glance_user_domain_name': 'Default',
        }
        assert read(image_id, config) == DATA

    def test_application_credential(self, image_id, keystone, keystone_user):
        made = keystone.application_credential(keystone_user)
        config = {
            'glance_auth_url': keystone.url.removesuffix('/v3'),
            'glance_application_credential_id': made.id,
            'glance_application_credential_secret': made.secret,
        }
        assert read(image_id, config) == DATA

    @pytest.mark.parametrize('how', ['auth', 'option'])
    @pytest.mark.parametrize('where', ['endpoint', 'keystone'])
    def test_token(self, image_id, images, keystone, token, how, where):
        config = (
            {'glance_endpoint': images.url}
            if where == 'endpoint'
            else {'glance_auth_url': keystone.url}
        )
        auth = token if how == 'auth' else None
        if how == 'option':
            config['glance_token'] = token
        assert read(image_id, config, auth) == DATA

    @pytest.mark.parametrize('kind', ['session', 'adapter', 'plugin'])
    def test_the_callers_own(self, image_id, keystone, keystone_user, kind):
        auth = clients.password(keystone, keystone_user)
        if kind != 'plugin':
            auth = session.Session(auth)
        if kind == 'adapter':
            auth = adapter.Adapter(auth, service_type='image')
        assert read(image_id, {}, auth) == DATA

    def test_what_the_callers_adapter_names_counts(
        self, image_id, images, keystone, keystone_user
    ):
        own = session.Session(clients.password(keystone, keystone_user))
        config = {'catalog': 'glance', 'glance_region_name': 'Elsewhere'}
        for named in (
            {'endpoint_override': f'{images.url}/v2'},
            {'region_name': 'RegionOne', 'interface': 'public'},
        ):
            mine = adapter.Adapter(own, service_type='image', **named)
            buffer = io.BytesIO()
            assert move.Mover(image_id, config, auth=mine).copy(buffer)
            assert buffer.getvalue() == DATA

    def test_nobody_is_denied(self, image_id, images):
        with pytest.raises(exception.PermissionDenied):
            read(image_id, {'glance_endpoint': images.url})

    def test_a_wrong_password_is_denied(
        self, image_id, keystone, keystone_user
    ):
        config = by_password(keystone, keystone_user)
        config['glance_password'] = 'c4n4ry-wrong'
        with pytest.raises(exception.PermissionDenied) as caught:
            read(image_id, config)
        assert 'c4n4ry' not in f'{caught.value!r} {caught.value}'
        assert caught.value.__cause__ is None

    def test_no_glance_in_the_catalogue(
        self, image_id, glance_keystone, keystone, keystone_user
    ):
        config = by_password(keystone, keystone_user)
        with pytest.raises(exception.ImageInvalidApi, match='no endpoint'):
            read(image_id, {**config, 'glance_region_name': 'Nowhere'})

    def test_no_keystone(self, image_id):
        with pytest.raises(exception.CatalogUnavailable):
            read(
                image_id,
                {
                    'glance_auth_url': 'http://127.0.0.1:1',
                    'glance_username': 'x',
                    'glance_password': 'x',
                },
            )


def test_a_revoked_token_is_renewed(
    images, glance_keystone, keystone, keystone_user
):
    """When a download breaks off after that, and is resumed."""
    data = pattern(16 * MiB)
    image_id = images.stored(data)
    own = session.Session(clients.password(keystone, keystone_user))
    first = own.get_token()
    config = {'catalog': 'glance', 'retry_pause': 0.01}
    buffer = io.BytesIO()
    with proxy.Proxy(glance_keystone.api.port) as between:
        between.on('GET', '/file', cut_answer=8 * MiB)
        between.on(
            'GET', '/file', first=2, before=lambda: keystone.revoke(first)
        )
        mine = adapter.Adapter(own, endpoint_override=between.url)
        result = move.Mover(image_id, config, auth=mine).copy(buffer)
        tokens = [
            one.headers['x-auth-token']
            for one in between.requests
            if one.target.endswith('/file')
        ]
        starts = [
            one.headers.get('range')
            for one in between.requests
            if one.target.endswith('/file')
        ]
    assert tokens[:2] == [first, first]
    assert first not in tokens[2:]
    assert set(tokens[2:]) == {own.get_token()}
    assert starts[1] == starts[2] != starts[0]
    assert result.strategy == 'stream'
    assert result.verified
    assert buffer.getvalue() == data


def test_upload_and_own_the_image(
    images, keystone, keystone_user, glance_keystone
):
    config = {'catalog': 'glance', **by_password(keystone, keystone_user)}
    api = catalog.API(config)
    image = api.create(
        {'name': 'mine', 'disk_format': 'raw', 'container_format': 'bare'},
        data=DATA,
    )
    assert image.owner == keystone_user.project_id
    assert image.id in [one.id for one in api.get_all({'name': 'mine'})]
    with stores.open_source(f'glance://{image.id}', config) as source:
        assert source.size == len(DATA)
    api.delete(image.id)
    assert images.status(image.id) == ''


@pytest.mark.parametrize('store', ['fast', 'archive'])
def test_upload_to_a_store(
    images, token, keystone, keystone_user, store, tmp_path
):
    """Of files, or of Swift, behind Keystone."""
    image_id = str(uuid.uuid4())
    config = by_password(keystone, keystone_user)
    (tmp_path / 'image').write_bytes(DATA)
    uri = f'glance://{image_id}'
    with stores.open_writer(uri, config, store=store) as writer:
        result = move.Mover(f'file://{tmp_path}/image').copy(writer)
    assert result.success
    record = images.show(image_id)
    assert (record['status'], record['stores']) == ('active', store)
    assert images.ask('GET', f'/images/{image_id}/file') == DATA


def test_images_that_are_shared_with_us(images, keystone, image_id):
    """Found by what became of the offer."""
    user = keystone.user(f'guest-{uuid.uuid4()}', 'guests', 'member')
    images.patch(
        image_id, {'op': 'add', 'path': '/visibility', 'value': 'shared'}
    )
    members = f'/images/{image_id}/members'
    images.ask('POST', members, {'member': user.project_id})
    theirs = Glances(images.url, {'X-Auth-Token': keystone.token(user)})
    api = catalog.API({'catalog': 'glance', **by_password(keystone, user)})

    def found(**filters):
        shared = api.get_all({'visibility': 'shared', **filters})
        return image_id in [one.id for one in shared]

    assert found(member_status='pending')
    assert not found()
    theirs.ask('PUT', f'{members}/{user.project_id}', {'status': 'accepted'})
    assert found()
    assert found(member_status='accepted')
    assert found(member_status='all')
    assert not found(member_status='rejected')


def test_a_service_sees_locations_that_are_hidden(
    images, image_id, keystone, glance_keystone
):
    """By the API for services, which needs a role; others are told no."""
    user = keystone.user(f's-{uuid.uuid4()}', 'images', 'service', 'reader')
    config = {'catalog': 'glance', **by_password(keystone, user)}
    found = catalog.API(config).get(image_id)
    (location,) = found.locations
    assert location.scheme == 'file'


class TestTokenGoesNowhereElse:
    """A token is for the endpoints of Keystone's catalogue."""

    def test_an_endpoint_of_the_catalogue(
        self, images, image_id, keystone, keystone_user
    ):
        host = images.url.partition('://')[2]
        uri = f'glance+http://{host}/{image_id}'
        config = by_password(keystone, keystone_user)
        assert read(uri, config) == DATA

    def test_another_server_sees_none(self, image_id, keystone, keystone_user):
        with scripted.ScriptedServer(DATA) as server:
            host = server.url.partition('://')[2].partition('/')[0]
            with pytest.raises(exception.ImageError):
                read(
                    f'glance+http://{host}/{image_id}',
                    by_password(keystone, keystone_user),
                )
        assert server.requests
        for request in server.requests:
            assert 'x-auth-token' not in request.headers

    def test_a_record_names_no_other_endpoint(
        self, image_id, keystone, keystone_user
    ):
        with scripted.ScriptedServer(DATA) as server:
            host = server.url.partition('://')[2].partition('/')[0]
            url = f'glance+http://{host}/{image_id}'
            mover = move.Mover(
                image_id,
                by_password(keystone, keystone_user),
                image={'id': image_id, 'direct_url': url},
            )
            with pytest.raises(exception.LocationDenied):
                mover.copy(io.BytesIO())
        assert not server.requests


def test_an_expired_credential_is_denied(image_id, keystone, keystone_user):
    now = datetime.datetime.now(datetime.UTC)
    made = keystone.application_credential(
        keystone_user,
        (now + datetime.timedelta(seconds=1)).strftime('%Y-%m-%dT%H:%M:%S'),
    )
    auth = v3.ApplicationCredential(
        keystone.url,
        application_credential_id=made.id,
        application_credential_secret=made.secret,
    )
    deadline = now + datetime.timedelta(seconds=10)
    while datetime.datetime.now(datetime.UTC) < deadline:
        try:
            read(image_id, {}, auth)
        except exception.PermissionDenied:
            return
    pytest.fail('it is still accepted')


class TestCommand:
    """The command finds Glance as every client of a cloud does."""

    @pytest.fixture
    def variables(self, monkeypatch, tmp_path, keystone, keystone_user):
        monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(tmp_path / 'none'))
        for name, value in (
            ('AUTH_URL', keystone.url),
            ('USERNAME', keystone_user.name),
            ('PASSWORD', keystone_user.password),
            ('PROJECT_NAME', keystone_user.project),
            ('USER_DOMAIN_NAME', 'Default'),
            ('PROJECT_DOMAIN_NAME', 'Default'),
            ('REGION_NAME', 'RegionOne'),
        ):
            monkeypatch.setenv(f'OS_{name}', value)

    def test_shows_and_copies(
        self, image_id, variables, keystone_user, tmp_path, capsys
    ):
        assert main.main(['image', 'show', image_id, '-f', 'json']) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown['id'] == image_id
        path = tmp_path / 'copy'
        assert main.main(['copy', image_id, str(path)]) == 0
        assert path.read_bytes() == DATA
        said = capsys.readouterr()
        assert keystone_user.password not in f'{said.out}{said.err}'

    @pytest.fixture(params=['cloud', 'credential', 'token', 'password'])
    def whoever(self, request, monkeypatch, tmp_path, keystone, keystone_user):
        """Return what is said of a cloud, and what must not be shown."""
        for name in [one for one in os.environ if one.startswith('OS_')]:
            monkeypatch.delenv(name)
        made = keystone.application_credential(keystone_user)
        credential = {
            'auth_url': keystone.url,
            'application_credential_id': made.id,
            'application_credential_secret': made.secret,
        }
        said = {
            'cloud': credential,
            'credential': credential,
            'token': {
                'auth_url': keystone.url,
                'token': keystone.token(keystone_user),
            },
            'password': {
                'auth_url': keystone.url,
                'user_id': keystone_user.user_id,
                'password': keystone_user.password,
                'project_id': keystone_user.project_id,
            },
        }[request.param]
        kinds = {'token': 'v3token', 'password': 'v3password'}
        kind = kinds.get(request.param, 'v3applicationcredential')
        clouds = tmp_path / 'clouds.yaml'
        monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(clouds))
        if request.param == 'cloud':
            one = {
                'auth': said,
                'auth_type': kind,
                'region_name': 'RegionOne',
            }
            clouds.write_text(json.dumps({'clouds': {'mine': one}}))
            options = ['--os-cloud', 'mine']
        else:
            options = []
            said = {**said, 'auth_type': kind, 'region_name': 'RegionOne'}
            for name, value in said.items():
                monkeypatch.setenv(f'OS_{name.upper()}', value)
        secrets = [
            value
            for name, value in said.items()
            if name.endswith(('secret', 'token', 'password'))
        ]
        return options, [*secrets, 'gAAAA']

    def test_all_that_it_does(self, whoever, tmp_path):
        """Made, listed, shown, changed, planned, copied, deleted."""
        options, secrets = whoever
        (tmp_path / 'image').write_bytes(DATA)
        name = f'made-{uuid.uuid4()}'
        heard = []

        def run(*words):
            done = subprocess.run(
                [sys.executable, '-c', _COMMAND, '--debug', *words] + options,
                capture_output=True,
                check=False,
                text=True,
                timeout=60,
            )
            heard.append(done.stdout + done.stderr)
            assert done.returncode == 0, done.stderr
            return done.stdout

        made = ['--file', str(tmp_path / 'image'), '-f', 'json']
        image_id = json.loads(
            run(
                *('image', 'create', name, *made),
                *('--disk-format', 'raw', '--container-format', 'bare'),
            )
        )['id']
        listed = json.loads(run('image', 'list', '-f', 'json'))
        assert image_id in str(listed)
        run('image', 'set', image_id, '--property', 'mine=yes')
        shown = json.loads(run('image', 'show', name, '-f', 'json'))
        assert (shown['id'], shown['status']) == (image_id, 'active')
        assert 'yes' in str(shown)
        target = str(tmp_path / 'copy')
        assert 'glance' in run('plan', '-f', 'json', image_id, target)
        run('copy', '--json', image_id, target)
        assert (tmp_path / 'copy').read_bytes() == DATA
        run('image', 'delete', image_id)
        listed = json.loads(run('image', 'list', '-f', 'json'))
        assert image_id not in str(listed)
        for said in heard:
            for secret in secrets:
                assert secret not in said
