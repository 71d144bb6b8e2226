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
import weakref

from oslo_image import exception
from oslo_image.stores.per_process import PerProcess
from oslo_image.stores.wire import urls
from oslo_image.stores.wire.addresses import AddressPolicy, resolve
from oslo_image.stores.wire.answer import Clock
from oslo_image.stores.wire.connection import Connection, make_connection
from oslo_image.stores.wire.settings import Settings, proxy_fields


class _Kept:
    """What one process has."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle: dict[urls.Origin, list[Connection]] = {}
        self.context: ssl.SSLContext | None = None

    def close(self) -> None:
        idle, self.idle = self.idle, {}
        for kept in idle.values():
            for connection in kept:
                connection.close()


class Pool:
    """Open connections; thread safe, and emptied in a forked child."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._proxies = {
            scheme: settings.proxy_for(scheme) for scheme in ('http', 'https')
        }
        self._closed = False
        self._kept = PerProcess(_Kept, _Kept.close)
        # What is forgotten in a cycle is collected in any order: sockets
        # might go before a __del__ of ours that closes them.
        weakref.finalize(self, self._kept.clear).atexit = False

    def acquire(self, origin: urls.Origin, *, trusted: bool) -> Connection:
        """Return a connected connection, ``used`` when it is a kept one.

        :raises LocationDenied: when it is not trusted and leads to an address
            that policy denies; then nothing was connected.
        :raises: what connecting raises, not yet translated.
        """
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
        return self._connect(origin, self._proxies[origin.scheme], None)

    def _take(self, origin: urls.Origin) -> Connection | None:
        own = self._kept.get()
        with own.lock:
            kept = own.idle.get(origin)
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
        own = self._kept.get()
        with own.lock:
            if own.context is None:
                own.context = self.settings.tls_context()
            return own.context

    def release(
        self, origin: urls.Origin, connection: Connection, reusable: bool
    ) -> None:
        """Take a connection back, to keep it or to close it."""
        if reusable and connection.process == os.getpid():
            connection.used = True
            own = self._kept.get()
            with own.lock:
                kept = own.idle.setdefault(origin, [])
                if not self._closed and len(kept) < self.settings.kept:
                    kept.append(connection)
                    return
        connection.close()

    def close(self) -> None:
        """Close what is idle now, and the rest when it is released."""
        own = self._kept.get()
        with own.lock:
            self._closed = True
            own.close()


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
