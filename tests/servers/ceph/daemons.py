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

"""The processes of a Ceph cluster."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import struct
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.servers import base


class Daemon(base.Server):
    """One process of a cluster; its data outlive it.

    ``stop`` leaves the cluster as when a machine fails, and ``start`` brings
    the daemon back with its data.

    :param conf: the cluster's ceph.conf
    """

    # It logs each time that it is asked.
    poll_seconds = 0.1

    #: What the cluster calls it.
    identity: ClassVar[str]

    def __init__(self, conf: pathlib.Path) -> None:
        super().__init__()
        self._conf = conf

    def command(self) -> Sequence[str]:
        return [
            base.program(self.name),
            '-d',
            '--id',
            self.identity,
            '--conf',
            os.fspath(self._conf),
            '--admin-socket',
            os.fspath(self._socket),
        ]

    def is_ready(self) -> bool:
        return self._socket.exists()

    def ask(self, question: str) -> Any:
        """Ask the daemon itself, or return None if it does not listen.

        Asking the cluster takes a client, which takes longer to start than
        most daemons.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(os.fspath(self._socket))
                request = json.dumps({'prefix': question}).encode()
                connection.sendall(request + b'\0')
                with connection.makefile('rb') as stream:
                    (size,) = struct.unpack('>I', stream.read(4))
                    return json.loads(stream.read(size))
            except (OSError, struct.error, json.JSONDecodeError):
                return None

    @property
    def _socket(self) -> pathlib.Path:
        return self.directory / 'asok'


class Monitor(Daemon):
    """Ready when clients reach it; they wait for its quorum themselves."""

    name = 'ceph-mon'
    identity = 'a'

    def is_ready(self) -> bool:
        return base.Server.is_ready(self)


class Manager(Daemon):
    """Makes the statistics, which quotas need; nobody waits for it."""

    name = 'ceph-mgr'
    identity = 'x'


class Osd(Daemon):
    """Ready when the cluster has taken it in."""

    name = 'ceph-osd'
    identity = '0'

    def is_ready(self) -> bool:
        status = self.ask('status')
        return status is not None and status.get('state') == 'active'
