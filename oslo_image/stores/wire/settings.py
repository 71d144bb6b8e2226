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

"""How a store connects: deadlines, TLS, proxies."""

from __future__ import annotations

import base64
import dataclasses
import ssl
from collections.abc import Mapping

from oslo_image import exception
from oslo_image.stores.wire import urls
from oslo_image.stores.wire.addresses import AddressPolicy


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


def proxy_fields(proxy: urls.Target) -> dict[str, str]:
    """Return the header fields that a proxy wants."""
    if proxy.userinfo is None:
        return {}
    return {'Proxy-Authorization': basic(*proxy.userinfo)}


def basic(user: str, password: str) -> str:
    """Return what stands in an Authorization field for user and password."""
    pair = f'{user}:{password}'.encode('utf-8', 'surrogateescape')
    return f'Basic {base64.b64encode(pair).decode()}'
