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

"""A Glance that belongs to the tests."""

from __future__ import annotations

import os
import pathlib
import secrets
from collections.abc import Iterator, Mapping, Sequence

from tests.servers import base, ceph, keystone, swift
from tests.servers.glance import conf


class Api(base.Server):
    """The process; what it keeps lies in ``home`` and outlives it.

    ``stop`` leaves the rest as when a machine fails, and ``start`` brings it
    back.
    """

    name = 'glance-api'
    start_seconds = 60
    poll_seconds = 0.1

    def __init__(self, home: pathlib.Path) -> None:
        super().__init__()
        self.home = home

    def command(self) -> Sequence[str]:
        served = self.directory / 'gunicorn.conf.py'
        served.write_text(
            conf.GUNICORN.format(
                host=base.HOST, port=self.port, directory=self.directory
            )
        )
        return [
            base.program('env'),
            f'OS_GLANCE_CONFIG_DIR={self.home}',
            base.server_program('gunicorn'),
            '-c',
            os.fspath(served),
        ]

    def is_ready(self) -> bool:
        return base.answers(self.port, '/healthcheck')


class Glance(base.Service):
    """Glance with the stores ``fast``, ``spare`` (file), ``web`` (http), more.

    A context manager; ``stop`` may be called twice. ``api`` can be stopped,
    started and frozen by a test, which leaves it running.

    :param cluster: for the store ``ceph``, in the pool images
    :param gateway: for the store ``objects`` (s3), with its user
    :param archive: a Swift for the users of ``identity``: the store
        ``archive``
    :param identity: where tokens come from; Glance is put into its
        catalogue. Without it everybody may do everything
    :param images: the directory of the store ``fast``, if not its own
    :param options: of the group DEFAULT
    :param region: of the catalogue; None: it is not in it
    """

    name = 'glance'

    def __init__(
        self,
        *,
        cluster: ceph.Cluster | None = None,
        gateway: tuple[ceph.Rgw, ceph.User] | None = None,
        archive: swift.Swift | None = None,
        identity: keystone.Keystone | None = None,
        images: pathlib.Path | None = None,
        options: Mapping[str, str] | None = None,
        region: str | None = keystone.REGION,
    ) -> None:
        super().__init__()
        self._cluster = cluster
        self._gateway = gateway
        self._archive = archive
        self._identity = identity
        self._images = images
        self._region = region
        self._options = {
            'show_multiple_locations': 'true',
            'show_image_direct_url': 'true',
            **(options or {}),
        }
        #: The bucket of the store ``objects``.
        self.bucket = f'glance-{secrets.token_hex(4)}'

    @property
    def url(self) -> str:
        """The endpoint, without a version."""
        return base.url_of(self.api.port)

    @property
    def conf(self) -> pathlib.Path:
        """The operator's file."""
        return self.directory / 'glance-api.conf'

    @property
    def images(self) -> pathlib.Path:
        """The directory of the store ``fast``."""
        return self._images or self.directory / 'images'

    @property
    def spare(self) -> pathlib.Path:
        """The directory of the store ``spare``."""
        return self.directory / 'spare'

    def log(self) -> str:
        """Return the end of what has been written so far."""
        return self.api.log()

    def _start(self) -> None:
        manage = base.server_program('glance-manage')
        self._make_directory()
        self.api = Api(self.directory)
        for name in ('images', 'spare', 'staging', 'tasks'):
            (self.directory / name).mkdir()
        self.conf.write_text(''.join(self._configuration()))
        base.run(manage, '--config-file', os.fspath(self.conf), 'db_sync')
        self._undo.enter_context(self.api)
        if self._identity is not None and self._region is not None:
            self._identity.endpoint('image', self.url, self._region)

    def _configuration(self) -> Iterator[str]:
        backends = {'fast': 'file', 'spare': 'file', 'web': 'http'}
        sections = []
        if self._cluster is not None:
            backends['ceph'] = 'rbd'
            user = 'glance-api'
            self._cluster.user(
                user, mon='profile rbd', osd='profile rbd pool=images'
            )
            sections.append(conf.RBD.format(cluster=self._cluster, user=user))
        if self._gateway is not None:
            backends['objects'] = 's3'
            gateway, keys = self._gateway
            sections.append(
                conf.S3.format(gateway=gateway, user=keys, bucket=self.bucket)
            )
        if self._archive is not None and self._identity is not None:
            backends['archive'] = 'swift'
            sections.append(self._swift(self._identity))
        yield conf.COMMON.format(
            backends=', '.join(f'{k}:{v}' for k, v in backends.items()),
            directory=self.directory,
            images=self.images,
            url=self.url,
            options='\n'.join(f'{k} = {v}' for k, v in self._options.items()),
        )
        yield self._access()
        yield from sections

    def _access(self) -> str:
        """Return who may do what; it goes on with the policies' section."""
        paste = base.ENVIRONMENT / 'etc' / 'glance' / 'glance-api-paste.ini'
        if self._identity is None:
            return conf.NO_AUTH.format(paste=paste)
        return conf.AUTH.format(
            paste=paste,
            url=self._identity.url,
            domain=keystone.DOMAIN,
            user=self._service_user(self._identity, 'service', 'reader'),
        )

    def _swift(self, identity: keystone.Keystone) -> str:
        (self.directory / 'swift-store.conf').write_text(
            conf.SWIFT_REFERENCES.format(
                url=identity.url,
                domain=keystone.DOMAIN,
                user=self._service_user(identity, 'member'),
            )
        )
        return conf.SWIFT.format(directory=self.directory)

    def _service_user(
        self, identity: keystone.Keystone, *roles: str
    ) -> keystone.User:
        # Each of several Glances in front of it has its own.
        name = f'glance-{secrets.token_hex(4)}'
        return identity.user(name, 'service', *roles)
