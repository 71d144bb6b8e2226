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

"""Connections, kept open between requests by their origin."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Mapping

from oslo_image import exception
from oslo_image.stores.wire import urls
from oslo_image.stores.wire.addresses import AddressPolicy, resolve
from oslo_image.stores.wire.answer import Clock
from oslo_image.stores.wire.connection import Connection, make_connection
from oslo_image.stores.wire.settings import Settings, proxy_fields


class Pool:
    """Open connections; thread safe, and emptied in a forked child."""

    def __init__(self, settings: Settings) -> None:
        self._start_over()
        self.settings = settings
        self._proxies = {
            scheme: settings.proxy_for(scheme) for scheme in ('http', 'https')
        }

    def _start_over(self) -> None:
        """Begin without connections: those at hand are the parent's."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: dict[urls.Origin, list[Connection]] = {}
        self._context: ssl.SSLContext | None = None
        self._closed = False

    def acquire(self, origin: urls.Origin, *, trusted: bool) -> Connection:
        """Return a connected connection, ``used`` when it is a kept one.

        :raises LocationDenied: when it is not trusted and leads to an address
            that policy denies; then nothing was connected.
        :raises: what connecting raises, not yet translated.
        """
        self._check_fork()
        policy = None if trusted else self.settings.policy
        proxy = self._proxies[origin.scheme]
        if proxy is not None and policy is not None:
            _check_through_proxy(origin, policy)
            policy = None
        while (connection := self._take(origin)) is not None:
            if connection.is_connected:
                if policy is not None:
                    self._check_kept(connection, origin, policy)
                return connection
            connection.close()
        return self._connect(origin, proxy, policy)

    def connect(self, origin: urls.Origin) -> Connection:
        """Return a new connection to a trusted place.

        :raises: as :meth:`acquire`.
        """
        self._check_fork()
        return self._connect(origin, self._proxies[origin.scheme], None)

    def _check_fork(self) -> None:
        if self._pid != os.getpid():
            # The parent's lock may be held by a thread that is not here.
            inherited = self._idle
            self._start_over()
            _close_all(inherited)

    def _take(self, origin: urls.Origin) -> Connection | None:
        with self._lock:
            kept = self._idle.get(origin)
            return kept.pop() if kept else None

    def _check_kept(
        self,
        connection: Connection,
        origin: urls.Origin,
        policy: AddressPolicy,
    ) -> None:
        """A trusted request may have opened what an untrusted one finds."""
        try:
            policy.check(origin.host, connection.peer)
        except exception.LocationDenied:
            connection.close()
            raise

    def _connect(
        self,
        origin: urls.Origin,
        proxy: urls.Target | None,
        policy: AddressPolicy | None,
    ) -> Connection:
        settings = self.settings
        secure = origin.scheme == 'https'
        connection: Connection = make_connection(
            origin.scheme,
            proxy.origin.host if proxy else origin.host,
            proxy.origin.port if proxy else origin.port,
            self._tls() if secure else None,
        )
        connection.own(
            policy,
            settings.connect_timeout,
            Clock(
                settings.read_timeout,
                settings.stall_timeout,
                settings.minimum_rate,
            ),
        )
        if proxy and secure:
            connection.set_tunnel(
                origin.host, origin.port, proxy_fields(proxy)
            )
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def proxy(self, scheme: str) -> urls.Target | None:
        """Return the proxy that plain requests name their whole URL to."""
        return self._proxies[scheme] if scheme == 'http' else None

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = self.settings.tls_context()
            return self._context

    def release(
        self, origin: urls.Origin, connection: Connection, reusable: bool
    ) -> None:
        """Take a connection back, to keep it or to close it."""
        if reusable and self._pid == os.getpid():
            connection.used = True
            with self._lock:
                kept = self._idle.setdefault(origin, [])
                if not self._closed and len(kept) < self.settings.kept:
                    kept.append(connection)
                    return
        connection.close()

    def __del__(self) -> None:
        """Close what was forgotten."""
        self.close()

    def close(self) -> None:
        """Close what is idle now, and the rest when it is released."""
        self._check_fork()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        _close_all(idle)


def _close_all(idle: Mapping[urls.Origin, list[Connection]]) -> None:
    for kept in idle.values():
        for connection in kept:
            connection.close()


def _check_through_proxy(origin: urls.Origin, policy: AddressPolicy) -> None:
    """Check where the proxy will connect to, as far as we can know.

    The proxy resolves for itself. A name that does not resolve here is left
    to the proxy's own rules; one that does must pass with all its addresses.
    """
    try:
        found = resolve(origin.host, origin.port)
    except OSError:
        return
    for *_, address in found:
        policy.check(origin.host, address[0])
