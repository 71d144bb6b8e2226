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

"""A Ceph cluster that belongs to the tests."""

from __future__ import annotations

import json
import os
import pathlib
import uuid

from tests.servers import base
from tests.servers.ceph import conf as configuration
from tests.servers.ceph import daemons

GiB = 1 << 30
POOLS = ('images', 'vms', 'volumes')

_PROGRAMS = ('ceph', 'rbd', 'ceph-mon', 'ceph-mgr', 'ceph-osd')


class Cluster(base.Service):
    """A cluster with the pools of :data:`POOLS`, made for RBD.

    A context manager; ``stop`` may be called twice. ``mon``, ``mgr`` and
    ``osd`` can be stopped, started and frozen by a test, which leaves them
    running.

    :param block_size: what the OSD holds; space is used as it is written,
        and given back only when the cluster stops
    """

    name = 'ceph'

    def __init__(self, block_size: int = 12 * GiB) -> None:
        super().__init__()
        self.fsid = str(uuid.uuid4())
        self._block_size = block_size

    @property
    def conf(self) -> pathlib.Path:
        """The ceph.conf for clients; it finds the key of every user."""
        return self.directory / 'ceph.conf'

    def start(self) -> None:
        """Start the daemons, make the pools and wait until they answer.

        :raises base.Unavailable: if something is not installed
        :raises base.StartError: if a daemon does not come up
        """
        for name in _PROGRAMS:
            base.program(name)
        super().start()

    def log(self) -> str:
        """Return the end of what each daemon has written so far."""
        return '\n'.join(
            f'{daemon.name}:\n{daemon.log()}'
            for daemon in (self.mon, self.mgr, self.osd)
        )

    def ceph(self, *arguments: str) -> str:
        """Run ``ceph`` as the administrator; return what it prints.

        :raises base.CommandFailed: if it fails, or takes a minute
        """
        return self.run('ceph', *arguments)

    def rbd(self, *arguments: str) -> str:
        """Run ``rbd`` as the administrator; return what it prints.

        :raises base.CommandFailed: if it fails, or takes a minute
        """
        return self.run('rbd', *arguments)

    def run(self, name: str, *arguments: str) -> str:
        """Run another program of Ceph on this cluster, the same way."""
        return base.run(
            base.program(name), '--conf', str(self.conf), *arguments
        )

    def user(self, name: str, **caps: str) -> None:
        """Make a user, with ``mon='profile rbd'`` and so on.

        ``conf`` finds the key, which a client with ``rados_id=name`` uses.
        """
        entity = f'client.{name}'
        pairs = [text for pair in caps.items() for text in pair]
        keyring = self.ceph('auth', 'get-or-create', entity, *pairs)
        self._keyring(entity).write_text(keyring)

    def pool(self, name: str) -> None:
        """Make a pool for RBD."""
        self.ceph('osd', 'pool', 'create', name)
        self.rbd('pool', 'init', name)

    def set_quota(self, pool: str, max_bytes: int) -> None:
        """Limit what a pool holds; 0 is no limit.

        The cluster looks at a quota every second or two, so that more is
        written before it is felt; see :meth:`is_full`. Then a writer waits
        until there is space, or for ``rados_osd_op_timeout``; one that has
        called ``set_osdmap_full_try`` gets EDQUOT.
        """
        self.ceph(
            'osd', 'pool', 'set-quota', pool, 'max_bytes', str(max_bytes)
        )

    def is_full(self, pool: str) -> bool:
        """Say whether a pool has reached its quota, as far as is known."""
        for found in json.loads(
            self.ceph('osd', 'pool', 'ls', 'detail', '--format', 'json')
        ):
            if found['pool_name'] == pool:
                return 'full_quota' in found['flags_names'].split(',')
        raise ValueError(f'no pool {pool}')

    def blocklist(self, address: str) -> None:
        """Shut a client out, given what its ``Rados.get_addrs()`` returns."""
        self.ceph('osd', 'blocklist', 'add', address.removeprefix('v2:'))

    def _keyring(self, entity: str) -> pathlib.Path:
        return self.directory / f'ceph.{entity}.keyring'

    def _start(self) -> None:
        self._make_directory()
        self.mon = daemons.Monitor(self.conf)
        self.mgr = daemons.Manager(self.conf)
        self.osd = daemons.Osd(self.conf)
        self._configure()
        osd = str(uuid.uuid4())
        monmap = os.fspath(self.directory / 'monmap')
        self.run(
            'monmaptool',
            '--create',
            '--addv',
            self.mon.identity,
            f'[v2:{base.HOST}:{self.mon.port}]',
            '--fsid',
            self.fsid,
            monmap,
        )
        keys = os.fspath(self._keyring('mon.'))
        self._make(self.mon, '--keyring', keys, '--monmap', monmap)
        self._undo.enter_context(self.mon)
        self._undo.enter_context(self.mgr)
        self.ceph('osd', 'new', osd, self.osd.identity)
        self._make(self.osd, '--osd-uuid', osd, '--no-mon-config')
        self._undo.enter_context(self.osd)
        for pool in POOLS:
            self.pool(pool)

    def _configure(self) -> None:
        """Write ceph.conf and the keys, and what the monitor shall know."""
        self.conf.write_text(
            configuration.CONF.format(
                fsid=self.fsid,
                host=base.HOST,
                port=self.mon.port,
                directory=self.directory,
                block_size=self._block_size,
                rocksdb=configuration.ROCKSDB,
            )
        )
        known = ''
        for entity, caps in configuration.CAPS.items():
            section = configuration.keyring(
                entity, configuration.new_key(), caps
            )
            self._keyring(entity).write_text(section)
            known += section
        self._keyring('mon.').write_text(known)
        for name in ('mon', 'mgr', 'osd'):
            (self.directory / name).mkdir()

    def _make(self, daemon: daemons.Daemon, *options: str) -> None:
        self.run(daemon.name, '--mkfs', '--id', daemon.identity, *options)
