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


"""RADOS Gateway: S3 and Swift in front of a Ceph cluster."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from tests.servers import base
from tests.servers.ceph import cluster, daemons

#: The domain of the gateway's virtual hosts.
DOMAIN = 's3.test'


class User(NamedTuple):
    """Somebody with keys for both APIs, and buckets that both show."""

    name: str
    access_key: str
    secret_key: str
    #: For version 1 of Swift's authentication: ``<name>:swift``.
    swift_user: str
    swift_key: str


class Rgw(daemons.Daemon):
    """A gateway of a running cluster; what it stores outlives it.

    :param token_seconds: how long a token of the Swift API is good for
    """

    name = 'radosgw'
    identity = 'rgw'

    def __init__(
        self, cluster: cluster.Cluster, *, token_seconds: int = 24 * 3600
    ) -> None:
        super().__init__(cluster.conf)
        self._cluster = cluster
        self._token_seconds = token_seconds

    @property
    def url(self) -> str:
        """The endpoint of S3."""
        return base.url_of(self.port)

    @property
    def swift_auth_url(self) -> str:
        """Where Swift's clients authenticate, by version 1."""
        return base.url_of(self.port, '/auth/v1.0')

    def command(self) -> Sequence[str]:
        base.program('radosgw-admin')
        self._cluster.user(
            self.identity, mon='allow rw', osd='allow rwx', mgr='allow rw'
        )
        options = {
            # Below which a bucket is a host; any other host is the server.
            'rgw-dns-name': DOMAIN,
            # Else many an answer waits 40 ms for an acknowledgement.
            'rgw-frontends': f'beast endpoint={base.HOST}:{self.port} '
            'tcp_nodelay=1',
            'rgw-enable-apis': 's3, swift, swift_auth, admin',
            'rgw-swift-token-expiration': self._token_seconds,
            # A quota is felt at once, rather than after ten minutes.
            'rgw-bucket-quota-ttl': 0,
            # What is deleted gives its space back, before the OSD is full.
            'rgw-gc-obj-min-wait': 60,
            'rgw-gc-processor-period': 60,
            # It stops in 0.1 s, rather than in 5 to 10.
            'rgw-enable-lc-threads': 'false',
            'rgw-thread-pool-size': 32,
        }
        return [
            *super().command(),
            *(f'--{name}={value}' for name, value in options.items()),
        ]

    def is_ready(self) -> bool:
        return base.Server.is_ready(self)

    def user(self, name: str) -> User:
        """Make a user, who may make buckets."""
        made = User(
            name,
            secrets.token_hex(10).upper(),
            secrets.token_urlsafe(30),
            f'{name}:swift',
            secrets.token_urlsafe(30),
        )
        self.admin(
            'user',
            'create',
            f'--uid={name}',
            f'--display-name={name}',
            f'--access-key={made.access_key}',
            f'--secret-key={made.secret_key}',
        )
        self.admin(
            'subuser',
            'create',
            f'--uid={name}',
            f'--subuser={made.swift_user}',
            '--access=full',
            '--key-type=swift',
            f'--secret-key={made.swift_key}',
        )
        return made

    def set_quota(self, bucket: str, max_bytes: int) -> None:
        """Limit what an existing bucket holds; 0 is no limit."""
        scope = ('--quota-scope=bucket', f'--bucket={bucket}')
        if max_bytes:
            self.admin('quota', 'set', *scope, f'--max-size={max_bytes}')
        self.admin('quota', 'enable' if max_bytes else 'disable', *scope)

    def set_account_quota(self, user: User, max_bytes: int) -> None:
        """Limit what all buckets of a user hold; 0 is no limit."""
        scope = ('--quota-scope=user', f'--uid={user.name}')
        if max_bytes:
            self.admin('quota', 'set', *scope, f'--max-size={max_bytes}')
        self.admin('quota', 'enable' if max_bytes else 'disable', *scope)

    def admin(self, *arguments: str) -> str:
        """Run ``radosgw-admin``; return what it prints.

        :raises base.CommandFailed: if it fails, or takes a minute
        """
        return self._cluster.run('radosgw-admin', *arguments)
