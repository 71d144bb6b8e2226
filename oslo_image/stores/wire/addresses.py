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

"""Which addresses may be connected to, and connecting to them.

The name is resolved once, every address is checked, and the connection goes
to the address that was checked: another DNS answer a moment later, a number
written in octal or a redirect cannot lead elsewhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from oslo_image import exception

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Prefixes whose addresses carry an IPv4 address, and its shift to the right.
_CARRIERS = (
    (ipaddress.IPv6Network('::/96'), 0),  # IPv4-compatible
    (ipaddress.IPv6Network('::ffff:0:0/96'), 0),  # IPv4-mapped
    (ipaddress.IPv6Network('64:ff9b::/96'), 0),  # NAT64
    (ipaddress.IPv6Network('64:ff9b:1::/48'), 0),  # NAT64, local use
    (ipaddress.IPv6Network('2002::/16'), 80),  # 6to4
)
#: Where clouds serve an instance's credentials, beyond link-local.
_METADATA = (
    ipaddress.ip_network('100.100.100.200/32'),
    ipaddress.ip_network('192.0.0.192/32'),
    ipaddress.ip_network('fd00:ec2::254/128'),
    ipaddress.ip_network('fd20:ce::254/128'),
)
#: Resolving may give more; a host is not tried at all of them.
_MOST_TRIED = 4


class AddressPolicy:
    """What untrusted locations and redirects may reach.

    :param allow_local: True lets them reach this host, link-local services
        and multicast too.
    :param denied: further networks that they may not reach.
    """

    def __init__(
        self, *, allow_local: bool = False, denied: Iterable[str] = ()
    ) -> None:
        self.allow_local = allow_local
        self.denied: tuple[Network, ...] = tuple(
            ipaddress.ip_network(text, strict=False) for text in denied
        )

    def reason_against(self, address: str) -> str | None:
        """Return in words why the address is denied; None: it is allowed."""
        for ip in _readings(address):
            if any(ip in net for net in self.denied):
                return 'in a denied network'
            if not self.allow_local and (kind := _local_kind(ip)):
                return kind
        return None

    def check(self, host: str, address: str) -> None:
        """Check one address.

        :raises LocationDenied: naming the host that led to it.
        """
        if reason := self.reason_against(address):
            raise exception.LocationDenied(
                f'{host} is at {address}, which is {reason}: neither a '
                'redirect nor an untrusted location may lead there'
            )


def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    """Return what getaddrinfo says of a host, without repetitions.

    :raises OSError: (``socket.gaierror``) when there is no such host. The
        system's resolver has its own deadline (resolv.conf), not ours.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(found))


def dial(
    host: str, port: int, timeout: float, policy: AddressPolicy | None
) -> socket.socket:
    """Connect to a host.

    :param timeout: seconds for each address, of which four are tried.
    :param policy: what the addresses must pass; None: any will do.
    :returns: a connected socket with that timeout.
    :raises LocationDenied: when no address passes; none is connected to.
    :raises OSError: when none answers.
    """
    candidates = resolve(host, port)
    if policy is not None:
        passed = [
            found
            for found in candidates
            if not policy.reason_against(found[4][0])
        ]
        if candidates and not passed:
            policy.check(host, candidates[0][4][0])
        candidates = passed
    last: OSError | None = None
    for family, kind, protocol, _, address in candidates[:_MOST_TRIED]:
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
        except OSError as error:
            last = error
            if sock is not None:
                sock.close()
            continue
        if policy is not None:
            _check_peer(sock, host, policy)
        return sock
    try:
        raise last or OSError('the host has no address')
    finally:
        last = None  # breaks the cycle through this frame


def _check_peer(sock: socket.socket, host: str, policy: AddressPolicy) -> None:
    """Check where the socket really ended (a firewall may redirect it)."""
    try:
        policy.check(host, sock.getpeername()[0])
    except BaseException:
        sock.close()
        raise


def _readings(text: str) -> list[Address]:
    """Return the address and the IPv4 address that it may carry."""
    ip = ipaddress.ip_address(text.partition('%')[0])
    found: list[Address] = [ip]
    if isinstance(ip, ipaddress.IPv6Address):
        found += [
            ipaddress.IPv4Address(int(ip) >> shift & 0xFFFFFFFF)
            for net, shift in _CARRIERS
            if ip in net and int(ip) > 1
        ]
    return found


def _local_kind(ip: Address) -> str | None:
    if ip.is_loopback:
        return 'a loopback address'
    if ip.is_link_local:
        return 'a link-local address'
    if ip.is_unspecified or ip in ipaddress.ip_network('0.0.0.0/8'):
        return 'no address of a host'
    if ip.is_multicast:
        return 'a multicast address'
    if any(ip in net for net in _METADATA):
        return "a cloud's metadata service"
    if isinstance(ip, ipaddress.IPv4Address) and ip.is_reserved:
        return 'a reserved address'
    return None
