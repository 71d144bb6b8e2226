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

"""Connections to clusters: one for each way to connect, shared by all.

A connection costs some twenty milliseconds and a dozen threads, so it stays
for a while after its last user has gone, and is closed then, or when the
process ends. A process that was forked off makes its own.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from oslo_image import exception
from oslo_image.stores.rbd import library

#: How long a connection that nobody uses stays open, in seconds.
LINGER = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class RbdAuth:
    """The caller's own way to a cluster; None leaves a field to the options.

    Hand it as ``auth`` to :class:`~oslo_image.move.Mover` or to
    :func:`oslo_image.stores.open_writer`: Nova and Cinder reach clusters by
    options of their own.

    :param conf: the path of a ceph.conf.
    :param user: the client's id, without ``client.``.
    :param pool: where ``rbd://image`` lies.
    :param connect_timeout: in seconds.
    """

    conf: str | None = None
    user: str | None = None
    pool: str | None = None
    connect_timeout: float | None = None


class Settings(NamedTuple):
    """All that tells one connection from another.

    :param conf: the path of a ceph.conf; '' searches where Ceph does.
    :param user: '' is Ceph's own default, admin.
    :param connect_timeout, operation_timeout: in seconds; 0 leaves them to
        Ceph, which waits five minutes, and for ever.
    :param clone_format: of the clones made by it, 1 or 2; 0 is Ceph's own.
    """

    conf: str = ''
    user: str = ''
    connect_timeout: float = 0
    operation_timeout: float = 0
    clone_format: int = 0

    def overrides(self) -> Mapping[str, str]:
        """Return what is set besides the file."""
        # The cache is one more copy of what we read and write once.
        values = {'rbd_cache': 'false'}
        if self.connect_timeout > 0:
            values['client_mount_timeout'] = _seconds(self.connect_timeout)
        if self.operation_timeout > 0:
            limit = _seconds(self.operation_timeout)
            values['rados_osd_op_timeout'] = limit
            values['rados_mon_op_timeout'] = limit
        if self.clone_format:
            values['rbd_default_clone_format'] = str(self.clone_format)
        return values


class Connection:
    """An open connection, shared by threads; a context manager to let go."""

    def __init__(self, settings: Settings, side: exception.Side) -> None:
        rados, _ = library.load()
        self.settings = settings
        self._users = 0
        #: Whether the cluster has shut it out.
        self.broken = False
        #: Whether nobody has used it for a while; who does looks after it.
        self.rested = False
        self._process = os.getpid()
        self._timer: Any = None
        try:
            with library.mapped(side):
                self.cluster = rados.Rados(
                    conffile=settings.conf,
                    rados_id=settings.user or None,
                    conf=dict(settings.overrides()),
                )
                self.cluster.connect()
                self.fsid: str = self.cluster.get_fsid()
        except exception.ImageError as error:
            if hasattr(self, 'cluster'):
                self.cluster.shutdown()
            raise _unreachable(error, settings, side) from error

    def pool(self, name: str, namespace: str, side: exception.Side) -> Any:
        """Open a pool; the caller closes it.

        :raises ImageNotFound, DestinationError: when there is none.
        """
        with library.mapped(side):
            try:
                ioctx = self.cluster.open_ioctx(name)
            except library.load().rados.ObjectNotFound as error:
                kind = (
                    exception.ImageNotFound
                    if side == 'source'
                    else exception.DestinationError
                )
                raise kind(
                    f'the cluster has no pool {name!r}', side=side
                ) from error
            if namespace:
                ioctx.set_namespace(namespace)
            return ioctx

    @property
    def inherited(self) -> bool:
        """Whether it is a parent process's, and of no use in this one."""
        return self._process != os.getpid()

    def discard(self) -> None:
        """Let nobody else have it: the cluster has shut it out."""
        with _LOCK:
            self.broken = True
            _forget(self)

    def close(self) -> None:
        """Let go of it; called once by each who got it."""
        if self.inherited:
            return
        with _LOCK:
            self._users -= 1
            if self._users:
                return
            if not self.broken:
                self.rested = True
                self._timer = _timer(self)
                return
        self.cluster.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


_LOCK = threading.RLock()
_OPEN: dict[Settings, Connection] = {}
#: One lock for each way to connect: a cluster that does not answer keeps
#: nobody from another.
_CONNECTING: dict[Settings, Any] = {}


def connect(settings: Settings, side: exception.Side) -> Connection:
    """Return a connection, to be closed by the caller.

    :raises PermissionDenied: for a wrong key, or one that is not there.
    :raises SourceUnavailable, DestinationError: when nobody answers.
    :raises MissingDependency: without the libraries.
    """
    with _LOCK:
        connecting = _CONNECTING.setdefault(settings, threading.Lock())
    with connecting:
        with _LOCK:
            if found := _OPEN.get(settings):
                return _used(found)
        made = Connection(settings, side)
        with _LOCK:
            _OPEN[settings] = made
            return _used(made)


def _used(connection: Connection) -> Connection:
    connection._users += 1
    if connection._timer is not None:
        connection._timer.cancel()
        connection._timer = None
    return connection


def _timer(connection: Connection) -> Any:
    timer = threading.Timer(LINGER, _expire, [connection])
    timer.daemon = True
    timer.start()
    return timer


def _expire(connection: Connection) -> None:
    with _LOCK:
        if (
            connection._users
            or _OPEN.get(connection.settings) is not connection
        ):
            return
        _forget(connection)
    connection.cluster.shutdown()


def _forget(connection: Connection) -> None:
    if _OPEN.get(connection.settings) is connection:
        del _OPEN[connection.settings]


def disconnect() -> None:
    """Close all connections that nobody uses."""
    with _LOCK:
        idle = [one for one in _OPEN.values() if not one._users]
        for one in idle:
            _forget(one)
            if one._timer is not None:
                one._timer.cancel()
    for one in idle:
        one.cluster.shutdown()


def _after_fork() -> None:
    global _LOCK
    _LOCK = threading.RLock()
    library.forsake(*(one.cluster for one in _OPEN.values()))
    _OPEN.clear()
    _CONNECTING.clear()


def _unreachable(
    error: exception.ImageError, settings: Settings, side: exception.Side
) -> exception.ImageError:
    """Say what could not be reached, and by what."""
    where = settings.conf or "Ceph's default configuration"
    who = f'client.{settings.user or "admin"}'
    if isinstance(error, exception.ImageNotFound | exception.DestinationError):
        kind: type[exception.ImageError] = (
            exception.SourceUnavailable
            if side == 'source'
            else exception.DestinationError
        )
    else:
        kind = type(error)
    found = kind(
        f'cannot connect to the cluster of {where} as {who}: {error.message}',
        side=side,
        errno=error.errno,
    )
    found.temporary = error.temporary
    return found


def _seconds(value: float) -> str:
    return str(max(1, round(value)))


atexit.register(disconnect)
os.register_at_fork(after_in_child=_after_fork)
