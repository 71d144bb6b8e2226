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


"""Keystone, with an SQLite database, under gunicorn."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import pathlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.servers import base

DOMAIN = 'default'
REGION = 'RegionOne'

_CONFIGURATION = """\
[database]
connection = sqlite:///{directory}/keystone.sqlite
[fernet_tokens]
key_repository = {directory}/keys
[fernet_receipts]
key_repository = {directory}/keys
[credential]
key_repository = {directory}/keys
[identity]
# A password is checked in 1 ms, rather than in 300.
password_hash_rounds = 4
max_password_length = 72
[token]
expiration = {token_seconds}
[oslo_policy]
# There is no such file; the defaults are in the code.
policy_file = {directory}/policy.yaml
"""
_GUNICORN = """\
bind = '{host}:{port}'
control_socket_disable = True
threads = 4
worker_class = 'gthread'
worker_tmp_dir = '{directory}'
wsgi_app = 'keystone.wsgi.api:application'
"""


class User(NamedTuple):
    """Somebody of the domain ``default``, with a role in one project."""

    name: str
    password: str
    project: str
    user_id: str
    project_id: str


class Credential(NamedTuple):
    """An application credential."""

    id: str
    secret: str


class Keystone(base.Server):
    """Keystone with the roles that its bootstrap makes.

    :param token_seconds: how long a token is good for
    """

    name = 'keystone'
    start_seconds = 60
    poll_seconds = 0.1

    def __init__(self, *, token_seconds: int = 3600) -> None:
        super().__init__()
        self._token_seconds = token_seconds
        self._password = secrets.token_urlsafe(20)

    @property
    def url(self) -> str:
        """What clients take for ``auth_url``: version 3."""
        return base.url_of(self.port, '/v3')

    def command(self) -> Sequence[str]:
        gunicorn = base.server_program('gunicorn')
        configuration = self._write('keystone.conf', _CONFIGURATION)
        served = self._write('gunicorn.conf.py', _GUNICORN)
        self._make_keys()
        self._manage('db_sync')
        self._manage(
            'bootstrap',
            f'--bootstrap-password={self._password}',
            f'--bootstrap-public-url={self.url}',
            f'--bootstrap-internal-url={self.url}',
            f'--bootstrap-region-id={REGION}',
        )
        # Keystone would take gunicorn's arguments for its own.
        return [
            base.program('env'),
            f'OS_KEYSTONE_CONFIG_FILES={configuration}',
            f'GUNICORN_CMD_ARGS=-c {served}',
            gunicorn,
        ]

    def is_ready(self) -> bool:
        return base.answers(self.port, '/v3')

    def user(self, name: str, project: str, *roles: str) -> User:
        """Make a user with these roles in a project, made if need be."""
        password = secrets.token_urlsafe(20)
        found = self.admin('GET', f'/projects?name={project}')['projects']
        project_id = (
            found[0]['id'] if found else self._make('project', name=project)
        )
        user_id = self._make('user', name=name, password=password)
        for role in roles:
            known = self.admin('GET', f'/roles?name={role}')['roles']
            role_id = (
                known[0]['id'] if known else self._make('role', name=role)
            )
            self.admin(
                'PUT',
                f'/projects/{project_id}/users/{user_id}/roles/{role_id}',
            )
        return User(name, password, project, user_id, project_id)

    def endpoint(
        self, kind: str, url: str | Mapping[str, str], region: str = REGION
    ) -> None:
        """Put a service into the catalogue, for a region made if need be.

        :param url: of all interfaces, or of each
        """
        regions = self.admin('GET', '/regions')['regions']
        if region not in [one['id'] for one in regions]:
            self._make('region', id=region)
        service = self._make('service', type=kind, name=kind)
        for interface in ('public', 'internal', 'admin'):
            self._make(
                'endpoint',
                service_id=service,
                interface=interface,
                region_id=region,
                url=url if isinstance(url, str) else url[interface],
            )

    def token(self, user: User) -> str:
        """Return a token of a user's, for his project."""
        return self._token(user.name, user.password, user.project)

    def revoke(self, token: str) -> None:
        """Make a token worthless."""
        self.admin('DELETE', '/auth/tokens', {'X-Subject-Token': token})

    def application_credential(
        self, user: User, expires_at: str | None = None
    ) -> Credential:
        """Make a credential with the rights that the user has.

        :param expires_at: a time as ISO 8601 writes it, in UTC; a token that
            the credential gives lives no longer
        """
        _, answer = self._ask(
            'POST',
            f'/users/{user.user_id}/application_credentials',
            {'X-Auth-Token': self.token(user)},
            {
                'application_credential': {
                    'name': secrets.token_hex(4),
                    'expires_at': expires_at,
                }
            },
        )
        made = answer['application_credential']
        return Credential(made['id'], made['secret'])

    def admin(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """Send a request as the administrator; return what is answered."""
        token = self._token('admin', self._password, 'admin')
        sent = {'X-Auth-Token': token, **(headers or {})}
        return self._ask(method, path, sent, body)[1]

    def _make(self, kind: str, **values: str) -> str:
        body = {kind: values}
        made: str = self.admin('POST', f'/{kind}s', body=body)[kind]['id']
        return made

    def _token(self, name: str, password: str, project: str) -> str:
        domain = {'id': DOMAIN}
        user = {'name': name, 'password': password, 'domain': domain}
        request = {
            'auth': {
                'identity': {
                    'methods': ['password'],
                    'password': {'user': user},
                },
                'scope': {'project': {'name': project, 'domain': domain}},
            }
        }
        headers, _ = self._ask('POST', '/auth/tokens', {}, request)
        return headers['X-Subject-Token']

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: Any
    ) -> tuple[Mapping[str, str], Any]:
        connection = http.client.HTTPConnection(
            base.HOST, self.port, timeout=30
        )
        with contextlib.closing(connection):
            connection.request(
                method,
                f'/v3{path}',
                None if body is None else json.dumps(body),
                {'Content-Type': 'application/json', **headers},
            )
            response = connection.getresponse()
            text = response.read()
            if response.status >= 300:
                raise RuntimeError(f'{method} {path}: {text.decode()}')
            return dict(response.headers), json.loads(text or 'null')

    def _write(self, name: str, text: str) -> pathlib.Path:
        path = self.directory / name
        path.write_text(
            text.format(
                directory=self.directory,
                host=base.HOST,
                port=self.port,
                token_seconds=self._token_seconds,
            )
        )
        return path

    def _make_keys(self) -> None:
        """Do as ``keystone-manage fernet_setup``, which takes seconds."""
        keys = self.directory / 'keys'
        keys.mkdir(0o700)
        for name in ('0', '1'):
            key = base64.urlsafe_b64encode(secrets.token_bytes(32))
            (keys / name).write_bytes(key)

    def _manage(self, *arguments: str) -> None:
        base.run(
            base.server_program('keystone-manage'),
            '--config-file',
            os.fspath(self.directory / 'keystone.conf'),
            *arguments,
        )
