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

"""nginx, serving the files of a directory over HTTP or HTTPS.

It answers ranges, and its ETags are strong.
"""

from __future__ import annotations

import os
import pathlib
import urllib.parse
from collections.abc import Sequence

from tests.servers import base, certificates

_CONFIGURATION = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr notice;
{user}
events {{
}}
http {{
    access_log /dev/stderr;
    default_type application/octet-stream;
    client_body_temp_path {directory}/body;
    fastcgi_temp_path {directory}/fastcgi;
    proxy_temp_path {directory}/proxy;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    sendfile on;
    server {{
        listen {host}:{port}{ssl};
        root {root};
        {tls}
    }}
}}
"""


class Nginx(base.Server):
    """Serves ``root``; over TLS with a certificate authority of its own.

    :param tls: serve HTTPS, and HTTPS only
    :param client_certificates: demand a certificate from every client
    """

    name = 'nginx'

    def __init__(
        self,
        root: pathlib.Path,
        *,
        tls: bool = False,
        client_certificates: bool = False,
    ) -> None:
        super().__init__()
        self.root = root
        self._tls = tls
        self._client_certificates = client_certificates

    def url(self, path: str | os.PathLike[str]) -> str:
        """Return the URL of a file, given its path below ``root``."""
        scheme = 'https' if self._tls else 'http'
        quoted = urllib.parse.quote(os.fspath(path))
        return f'{scheme}://{base.HOST}:{self.port}/{quoted}'

    @property
    def ca_file(self) -> pathlib.Path:
        """The certificate that a client must trust."""
        return self.directory / 'ca.pem'

    @property
    def client_certificate(self) -> pathlib.Path:
        """A client's key and certificate, in one file."""
        return self.directory / 'client.pem'

    def command(self) -> Sequence[str]:
        nginx = base.program('nginx')
        configuration = self.directory / 'nginx.conf'
        configuration.write_text(
            _CONFIGURATION.format(
                directory=self.directory,
                host=base.HOST,
                port=self.port,
                root=self.root,
                ssl=' ssl' if self._tls else '',
                tls=self._tls_directives() if self._tls else '',
                # Workers must be able to read what the tests write.
                user='user root;' if os.geteuid() == 0 else '',
            )
        )
        return [nginx, '-e', 'stderr', '-c', os.fspath(configuration)]

    def _tls_directives(self) -> str:
        authority = certificates.authority(self.directory)
        server = self.directory / 'server.pem'
        certificates.issue(authority, server)
        certificates.issue(
            authority, self.client_certificate, 'client.example.org'
        )
        directives = [
            f'ssl_certificate {server};',
            f'ssl_certificate_key {server};',
        ]
        if self._client_certificates:
            directives += [
                f'ssl_client_certificate {self.ca_file};',
                'ssl_verify_client on;',
            ]
        return '\n        '.join(directives)
