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


"""memcached, which keeps tokens and what Swift knows of its accounts."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Sequence

from tests.servers import base


class Memcached(base.Server):
    name = 'memcached'

    def command(self) -> Sequence[str]:
        return [
            base.program('memcached'),
            '--user',
            pwd.getpwuid(os.geteuid()).pw_name,
            '--listen',
            base.HOST,
            '--port',
            str(self.port),
            '--memory-limit',
            '16',
        ]

    def flush(self) -> None:
        """Forget everything."""
        with socket.create_connection((base.HOST, self.port), 5) as connection:
            connection.sendall(b'flush_all\r\n')
            answer = connection.recv(64)
        if answer != b'OK\r\n':
            raise RuntimeError(f'memcached answered {answer!r}')
