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

"""Images at ``http`` and ``https`` URIs, read-only.

::

    http(s)://[user:password@]host[:port]/path[?query]

User and password are sent to that origin alone, as Basic credentials. A query
(a signed URL) is sent as it is and never shown.
"""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import Source
from oslo_image.stores.web import WebStore

if TYPE_CHECKING:
    from oslo_config import cfg

    from oslo_image.stores.wire import Auth, Settings

LOG = logging.getLogger(__name__)


class HttpStore(WebStore):
    """Any web server; ranges and parallel reads where it can.

    :raises InvalidOption: naming the option that cannot be right.
    """

    schemes = ('http', 'https')

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        for name in (
            'https_ca_certificates_file',
            'http_client_certificate_file',
            'http_client_key_file',
        ):
            path = getattr(options, name)
            if path and not os.path.isfile(path):
                raise exception.InvalidOption(f'{name}: there is no {path}')
        for network in options.http_denied_networks:
            _check_network(network)
        self._check_proxies()
        if options.https_insecure:
            LOG.warning(
                'https_insecure is set: the certificates of https locations '
                'are not verified'
            )

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return the options; those of glance_store keep their names."""
        from oslo_config import cfg  # the library is slow to import

        return [
            cfg.StrOpt(
                'https_ca_certificates_file',
                help='PEM file of the authorities that https servers are '
                "verified with, instead of the system's.",
            ),
            cfg.BoolOpt(
                'https_insecure',
                default=False,
                help='Do not verify the certificates of https servers. '
                'Unlike in glance_store the default is False, and '
                'https_ca_certificates_file does not override it.',
            ),
            cfg.DictOpt(
                'http_proxy_information',
                default={},
                help='The proxy for each scheme, such as '
                'http:10.0.0.1:3128, https:10.0.0.1:3128. Proxies are spoken '
                'to in plain HTTP; https goes through a tunnel. The '
                'environment (http_proxy, https_proxy, no_proxy) is ignored.',
            ),
            cfg.StrOpt(
                'http_client_certificate_file',
                help='PEM file of the certificate to show to https servers.',
            ),
            cfg.StrOpt(
                'http_client_key_file',
                help='PEM file of its key, when that is not in '
                'http_client_certificate_file.',
            ),
            cfg.FloatOpt(
                'http_connect_timeout',
                default=10.0,
                min=0.1,
                help='Seconds to wait for a connection to each address of a '
                'host.',
            ),
            cfg.FloatOpt(
                'http_read_timeout',
                default=60.0,
                min=0.1,
                help='Seconds to wait for an answer to begin, and for the '
                'next byte of its body.',
            ),
            cfg.FloatOpt(
                'http_stall_timeout',
                default=60.0,
                min=0.1,
                help='A transfer that stays below http_minimum_rate over so '
                'many seconds of waiting has stalled, and is broken off.',
            ),
            cfg.IntOpt(
                'http_minimum_rate',
                default=1024,
                min=0,
                help='Bytes a second that a transfer must reach; 0 lets it '
                'be as slow as it likes.',
            ),
            cfg.BoolOpt(
                'http_allow_local_addresses',
                default=False,
                help='Let redirects, and locations from a catalogue, lead to '
                'loopback, link-local and multicast addresses. A URI that '
                'the caller names may always do so.',
            ),
            cfg.ListOpt(
                'http_denied_networks',
                default=[],
                help='Further networks that redirects and locations from a '
                'catalogue may not lead to, such as 10.0.0.0/8, fd00::/8. '
                'Private networks are allowed unless they are named here. '
                'Through a proxy only names that resolve on this host can be '
                'checked.',
            ),
        ]

    def parse(self, uri: str) -> Location:
        """Check a URI.

        :raises InvalidLocation: saying which piece is wrong.
        """
        from oslo_image.stores.wire import urls

        urls.split(uri)
        return Location(uri, trusted=False)

    def open_source(self, location: Location, *, auth: Any = None) -> Source:
        """Open and pin a URI, by one request for its first 64 KiB.

        :param auth: a (user, password) pair, or a mapping of header fields;
            sent to a trusted URI's origin alone, instead of its own user and
            password. What else it may be is another store's.
        """
        from oslo_image.stores import wire

        target = wire.split(location.reveal())
        own = _auth(auth) if location.trusted else None
        credentials = own or _auth(target.userinfo)
        return wire.WireSource(
            location, self._wire(), target.url, auth=credentials
        )

    def _connecting(self) -> Settings:
        from oslo_image.stores import wire

        o = self.options
        return wire.Settings(
            connect_timeout=o.http_connect_timeout,
            read_timeout=o.http_read_timeout,
            stall_timeout=o.http_stall_timeout,
            minimum_rate=o.http_minimum_rate,
            ca_file=o.https_ca_certificates_file,
            insecure=o.https_insecure,
            certificate_file=o.http_client_certificate_file,
            key_file=o.http_client_key_file,
            proxies=o.http_proxy_information or {},
            policy=wire.AddressPolicy(
                allow_local=o.http_allow_local_addresses,
                denied=o.http_denied_networks,
            ),
        )

    def _check_proxies(self) -> None:
        proxies = self.options.http_proxy_information
        if not proxies:
            return
        from oslo_image.stores import wire

        settings = wire.Settings(proxies=proxies)
        for scheme in proxies:
            try:
                valid = scheme in self.schemes and settings.proxy_for(scheme)
            except exception.InvalidOption:
                valid = None
            if not valid:
                raise exception.InvalidOption(
                    f'http_proxy_information: {scheme} is not http or https, '
                    'or its proxy is not host:port or http://host:port'
                )


def _auth(auth: Any) -> Auth | None:
    from oslo_image.stores import wire

    if isinstance(auth, Mapping):
        return wire.FixedAuth(auth)
    if isinstance(auth, tuple) and len(auth) == 2:
        return wire.FixedAuth({'Authorization': wire.basic(*auth)})
    return None


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        valid = False
    else:
        valid = True
    if not valid:
        raise exception.InvalidOption(
            f'http_denied_networks: {text} is not a network'
        )
