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


"""The processes of Swift."""

from __future__ import annotations

import os
import pathlib
import pwd
from collections.abc import Sequence
from typing import ClassVar

from tests.servers import base, certificates
from tests.servers.swift import conf

# Swift reads /etc/swift/swift.conf, unless it is told before it is imported.
_RUN = """\
import sys
from swift.common import utils
utils.SWIFT_CONF_FILE = {swift_conf!r}
utils.validate_hash_conf()
from swift.{module}.server import main
sys.argv = ['swift-{name}-server', {conf!r}, '--verbose']
main()
"""


class Part(base.Server):
    """One process; what it stores lies in ``swift_dir`` and outlives it.

    ``stop`` leaves the rest as when a machine fails, and ``start`` brings it
    back.
    """

    poll_seconds = 0.1

    #: Where the package ``swift`` has it.
    module: ClassVar[str]

    def __init__(self, swift_dir: pathlib.Path) -> None:
        super().__init__()
        self.swift_dir = swift_dir

    def configuration(self) -> str:
        """Return what is not common to all of them."""
        return conf.STORAGE.format(name=self.name, swift_dir=self.swift_dir)

    def command(self) -> Sequence[str]:
        path = self.directory / 'server.conf'
        path.write_text(
            conf.COMMON.format(
                host=base.HOST,
                port=self.port,
                user=pwd.getpwuid(os.geteuid()).pw_name,
                swift_dir=self.swift_dir,
            )
            + self.configuration()
        )
        script = _RUN.format(
            name=self.name,
            module=self.module,
            conf=os.fspath(path),
            swift_conf=os.fspath(self.swift_dir / 'swift.conf'),
        )
        return [base.server_program('python'), '-c', script]

    def is_ready(self) -> bool:
        return base.answers(self.port, '/healthcheck')


class Account(Part):
    name = module = 'account'


class Container(Part):
    name = module = 'container'


class Object(Part):
    name = 'object'
    module = 'obj'


class Proxy(Part):
    """What clients speak to.

    :param text: what stands in its configuration
    :param tls: over HTTPS, by a certificate authority of its own
    """

    name = module = 'proxy'

    def __init__(
        self, swift_dir: pathlib.Path, text: str, *, tls: bool = False
    ) -> None:
        super().__init__(swift_dir)
        self._text = text
        self._tls = tls

    @property
    def url(self) -> str:
        url = base.url_of(self.port)
        return url.replace('http:', 'https:') if self._tls else url

    @property
    def ca_file(self) -> pathlib.Path:
        """The certificate that a client must trust."""
        return self.directory / 'ca.pem'

    def configuration(self) -> str:
        if not self._tls:
            return self._text
        file = certificates.server(self.directory)
        return f'cert_file = {file}\nkey_file = {file}\n\n{self._text}'

    def is_ready(self) -> bool:
        ca_file = self.ca_file if self._tls else None
        return base.answers(self.port, '/healthcheck', ca_file)
