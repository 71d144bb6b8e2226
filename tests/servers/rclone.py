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


"""rclone, serving a directory by S3: a second implementation of it.

A bucket is a directory, an object a file with the same path.
"""

from __future__ import annotations

import os
import pathlib
import secrets
from collections.abc import Sequence

from tests.servers import base, certificates


class RcloneS3(base.Server):
    """Serves ``root`` to whoever has its keys.

    :param tls: over HTTPS, by a certificate authority of its own
    """

    name = 'rclone'

    def __init__(self, root: pathlib.Path, *, tls: bool = False) -> None:
        super().__init__()
        self.root = root
        self._tls = tls
        self.access_key = secrets.token_hex(10).upper()
        self.secret_key = secrets.token_hex(20)

    @property
    def url(self) -> str:
        """The endpoint of S3."""
        url = base.url_of(self.port)
        return url.replace('http:', 'https:') if self._tls else url

    @property
    def ca_file(self) -> pathlib.Path:
        """The certificate that a client must trust."""
        return self.directory / 'ca.pem'

    def _certificate(self) -> Sequence[str]:
        server = os.fspath(certificates.server(self.directory))
        return '--cert', server, '--key', server

    def command(self) -> Sequence[str]:
        # Not the configuration of whoever runs the tests.
        configuration = self.directory / 'rclone.conf'
        configuration.touch()
        return [
            base.server_program('rclone'),
            'serve',
            's3',
            '--addr',
            f'{base.HOST}:{self.port}',
            '--auth-key',
            f'{self.access_key},{self.secret_key}',
            '--config',
            os.fspath(configuration),
            '--cache-dir',
            os.fspath(self.directory / 'cache'),
            *(self._certificate() if self._tls else ()),
            os.fspath(self.root),
        ]
