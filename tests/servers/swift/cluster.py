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


"""A Swift cluster that belongs to the tests."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from tests.servers import base, keystone, memcached
from tests.servers.swift import conf, daemons

#: Account, name and groups of whom tempauth knows.
USERS = (
    ('glance', 'glance', ('.admin',)),
    ('glance', 'reader', ()),
    ('tenant@example.org', 'user@example.org', ('.admin',)),
    ('operator', 'operator', ('.admin', '.reseller_admin')),
)

# All rings are made by one process, since each takes a second to start.
_MAKE_RINGS = """\
import sys
from swift.common.ring import RingBuilder
host, directory, *ports = sys.argv[1:]
for name, port in zip(('account', 'container', 'object'), ports):
    builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    device = {'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'device': 'disk'}
    builder.add_dev(device | {'ip': host, 'port': int(port)})
    builder.rebalance()
    builder.get_ring().save(f'{directory}/{name}.ring.gz')
"""


class Swift(base.Service):
    """A proxy, the servers that store, and a memcached.

    A context manager; ``stop`` may be called twice. ``proxy``, ``account``,
    ``container``, ``object`` and ``memcached`` can be stopped, started and
    frozen by a test, which leaves them running.

    :param identity: where users and tokens come from, instead of tempauth;
        Swift is put into its catalogue
    :param token_seconds: how long a token of tempauth is good for
    :param max_segments: how many segments an SLO can have
    :param constraints: of ``swift.conf``, as ``max_file_size``
    """

    name = 'swift'

    def __init__(
        self,
        identity: keystone.Keystone | None = None,
        *,
        token_seconds: int = 24 * 3600,
        max_segments: int = 1000,
        constraints: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.memcached = memcached.Memcached()
        #: Whom tempauth knows, in the order of :data:`USERS`.
        self.users = [
            conf.User(account, name, secrets.token_urlsafe(20), groups)
            for account, name, groups in USERS
        ]
        self._identity = identity
        self._token_seconds = token_seconds
        self._max_segments = max_segments
        self._constraints = constraints or {}

    @property
    def url(self) -> str:
        return self.proxy.url

    @property
    def auth_url(self) -> str:
        """Where clients authenticate, by version 1 or by Keystone's 3."""
        if self._identity is not None:
            return self._identity.url
        return f'{self.url}/auth/v1.0'

    def storage_url(self, user: keystone.User) -> str:
        """Return where the containers of a user's project are."""
        return f'{self.url}/v1/AUTH_{user.project_id}'

    def tls_proxy(self) -> daemons.Proxy:
        """Return another proxy, over TLS, which the caller starts."""
        return daemons.Proxy(self.directory, self._proxy_text(), tls=True)

    def forget_tokens(self) -> None:
        """Let tempauth know none of the tokens that it has given.

        With Keystone it is asked again about each.
        """
        self.memcached.flush()

    def log(self) -> str:
        """Return the end of what each server has written so far."""
        return '\n'.join(
            f'{part.name}:\n{part.log()}'
            for part in (self.proxy, *self._storage)
        )

    def _start(self) -> None:
        base.server_program('python')
        self._make_directory()
        self.account = daemons.Account(self.directory)
        self.container = daemons.Container(self.directory)
        self.object = daemons.Object(self.directory)
        self._storage = (self.account, self.container, self.object)
        self.proxy = daemons.Proxy(self.directory, self._proxy_text())
        self._configure()
        self._undo.enter_context(self.memcached)
        for part in self._storage:
            self._undo.callback(part.stop)
            part.launch()
        self._make_rings()
        self._undo.enter_context(self.proxy)
        for part in self._storage:
            part.wait()
        if self._identity is not None:
            self._identity.endpoint(
                'object-store', f'{self.url}/v1/AUTH_%(project_id)s'
            )

    def _configure(self) -> None:
        (self.directory / 'devices' / 'disk').mkdir(parents=True)
        (self.directory / 'swift.conf').write_text(
            conf.SWIFT.format(
                suffix=secrets.token_hex(8),
                constraints='\n'.join(
                    f'{name} = {value}'
                    for name, value in self._constraints.items()
                ),
            )
        )

    def _proxy_text(self) -> str:
        if self._identity is None:
            auth = 'tempauth'
            section = conf.tempauth(self.users, self._token_seconds)
        else:
            auth = 'authtoken keystoneauth'
            # Each of several Swifts in front of it has its own.
            user = self._identity.user(
                f'swift-{secrets.token_hex(4)}', 'service', 'service'
            )
            section = conf.authtoken(self._identity, user)
        return section + conf.PROXY.format(
            auth=auth,
            max_segments=self._max_segments,
            memcached=f'{base.HOST}:{self.memcached.port}',
        )

    def _make_rings(self) -> None:
        base.run(
            base.server_program('python'),
            '-c',
            _MAKE_RINGS,
            base.HOST,
            os.fspath(self.directory),
            *(str(part.port) for part in self._storage),
        )
