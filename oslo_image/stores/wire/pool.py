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

"""Connections kept open between requests, by origin."""

from __future__ import annotations

import base64
import dataclasses
import os
import ssl
import threading
from collections.abc import Mapping

from oslo_image import exception
from oslo_image.stores.wire import urls
from oslo_image.stores.wire.addresses import AddressPolicy, resolve
from oslo_image.stores.wire.connection import (
    Clock,
    Connection,
    make_connection,
)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """How to connect. Seconds, bytes a second, and paths of PEM files.

    :param connect_timeout: for each address of a host, and for TLS.
    :param read_timeout: without a byte; also until an answer's head is there.
    :param stall_timeout: over this time, spent waiting, ...
    :param minimum_rate: ... this rate must be kept; 0 switches it off.
    :param ca_file: whom to trust instead of the system's authorities.
    :param insecure: verify no certificate.
    :param certificate_file: our own certificate, and
    :param key_file: its key, where it is not in the same file.
    :param proxies: ``host:port`` or ``http://[user:password@]host:port`` by
        the scheme that goes through it. The environment is not looked at.
    :param policy: what untrusted locations and redirects may reach.
    :param kept: idle connections kept for each origin.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    stall_timeout: float = 60.0
    minimum_rate: int = 1024
    ca_file: str | None = None
    insecure: bool = False
    certificate_file: str | None = None
    key_file: str | None = None
    proxies: Mapping[str, str] = dataclasses.field(default_factory=dict)
    policy: AddressPolicy = dataclasses.field(default_factory=AddressPolicy)
    kept: int = 16

    def proxy_for(self, scheme: str) -> urls.Target | None:
        """Return the proxy for a scheme.

        :raises InvalidOption: when it is not an http proxy.
        """
        text = self.proxies.get(scheme)
        if not text:
            return None
        uri = text if '://' in text else f'http://{text}'
        try:
            target = urls.split(uri)
        except exception.InvalidLocation:
            target = None
        if target is None or target.origin.scheme != 'http':
            raise exception.InvalidOption(
                f'the proxy for {scheme} is not host:port or http://host:port'
            )
        return target

    def tls_context(self) -> ssl.SSLContext:
        """Return a context that verifies, unless told otherwise.

        :raises InvalidOption: when a file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except OSError as error:  # ssl.SSLError is one
            names = (self.ca_file, self.certificate_file, self.key_file)
            reason = error.strerror or type(error).__name__
            failure = exception.InvalidOption(
                'TLS cannot be set up from '
                f'{", ".join(filter(None, names))}: {reason}'
            )
        else:
            if self.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            return context
        raise failure


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


def proxy_fields(proxy: urls.Target) -> dict[str, str]:
    """Return the header fields that a proxy wants."""
    if proxy.userinfo is None:
        return {}
    return {'Proxy-Authorization': basic(*proxy.userinfo)}


def basic(user: str, password: str) -> str:
    """Return what stands in an Authorization field for user and password."""
    pair = f'{user}:{password}'.encode('utf-8', 'surrogateescape')
    return f'Basic {base64.b64encode(pair).decode()}'


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
