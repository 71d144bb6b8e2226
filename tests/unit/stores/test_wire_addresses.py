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

import ipaddress
import socket

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image import exception
from oslo_image.stores.wire import addresses
from oslo_image.testing.scripted import ScriptedServer

STRICT = addresses.AddressPolicy()


def resolved_to(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    def answer(host: str, port: int, **kwargs: object):
        return [
            (
                socket.AF_INET6 if ':' in ip else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                '',
                (ip, port),
            )
            for ip in ips
        ]

    monkeypatch.setattr(socket, 'getaddrinfo', answer)


@pytest.mark.parametrize(
    ('address', 'kind'),
    [
        ('127.0.0.1', 'loopback'),
        ('127.8.9.10', 'loopback'),
        ('::1', 'loopback'),
        ('::ffff:127.0.0.1', 'loopback'),
        ('::127.0.0.1', 'loopback'),
        ('64:ff9b::7f00:1', 'loopback'),
        ('64:ff9b:1::7f00:1', 'loopback'),
        ('2002:7f00:1::', 'loopback'),
        ('169.254.169.254', 'link-local'),
        ('::ffff:169.254.169.254', 'link-local'),
        ('2002:a9fe:a9fe::1', 'link-local'),
        ('fe80::1%eth0', 'link-local'),
        ('0.0.0.0', 'no address'),
        ('0.1.2.3', 'no address'),
        ('::', 'no address'),
        ('::ffff:0.0.0.0', 'no address'),
        ('224.0.0.1', 'multicast'),
        ('ff02::1', 'multicast'),
        ('255.255.255.255', 'reserved'),
        ('240.0.0.1', 'reserved'),
        ('fd00:ec2::254', 'metadata'),
        ('100.100.100.200', 'metadata'),
    ],
)
def test_denied(address: str, kind: str) -> None:
    assert kind in (STRICT.reason_against(address) or '')
    lax = addresses.AddressPolicy(allow_local=True)
    assert lax.reason_against(address) is None
    with pytest.raises(exception.LocationDenied, match=kind):
        STRICT.check('h', address)


@pytest.mark.parametrize(
    'address',
    [
        '10.0.0.1',
        '192.168.1.1',
        '172.16.0.1',
        'fd00::1',
        '8.8.8.8',
        '2001:4860:4860::8888',
        '::ffff:8.8.8.8',
    ],
)
def test_allowed(address: str) -> None:
    assert STRICT.reason_against(address) is None
    STRICT.check('h', address)


def test_networks_that_the_operator_denies() -> None:
    policy = addresses.AddressPolicy(
        allow_local=True, denied=['10.0.0.0/8', 'fd00::/8']
    )
    for address in ('10.1.2.3', '::ffff:10.1.2.3', 'fd00::1'):
        assert policy.reason_against(address) == 'in a denied network'
    for address in ('11.1.2.3', '127.0.0.1', 'fe00::1'):
        assert policy.reason_against(address) is None


@hypothesis.given(st.ip_addresses(v=4, network='127.0.0.0/8'))
def test_loopback_is_denied_in_every_disguise(
    ip: ipaddress.IPv4Address,
) -> None:
    for network, shift in addresses._CARRIERS:
        base = int(network.network_address)
        disguised = ipaddress.IPv6Address(base | int(ip) << shift)
        assert STRICT.reason_against(str(disguised))


@pytest.mark.parametrize(
    'host',
    [
        '127.0.0.1',
        '127.1',
        '2130706433',
        '0x7f000001',
        '0x7f.1',
        '017700000001',
        'localhost',
        '::1',
        '::ffff:127.0.0.1',
    ],
)
def test_dial_never_connects_to_a_denied_address(host: str) -> None:
    with ScriptedServer() as server:
        with pytest.raises(exception.LocationDenied):
            addresses.dial(host, server.port, 5, STRICT)
        addresses.dial('127.0.0.1', server.port, 5, None).close()
        addresses.dial(
            '127.0.0.1',
            server.port,
            5,
            addresses.AddressPolicy(allow_local=True),
        ).close()
    assert server.connections == 2


def test_dial_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name with a good and a bad address leads to the good one only."""
    asked = []
    resolved_to(monkeypatch, '127.0.0.1', '198.51.100.1', '::1')

    def connect(sock: socket.socket, address: tuple[str, int]) -> None:
        asked.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, 'connect', connect, raising=False)
    with pytest.raises(ConnectionRefusedError):
        addresses.dial('mixed.example', 80, 5, STRICT)
    assert asked == ['198.51.100.1']


def test_dial_looks_at_the_peer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was allowed may be redirected, by a firewall's rule say."""
    with ScriptedServer() as server:
        resolved_to(monkeypatch, '198.51.100.1')
        real = socket.socket.connect

        def connect(sock: socket.socket, address: tuple[str, int]) -> None:
            real(sock, ('127.0.0.1', address[1]))

        monkeypatch.setattr(socket.socket, 'connect', connect, raising=False)
        with pytest.raises(exception.LocationDenied, match='loopback'):
            addresses.dial('h.example', server.port, 5, STRICT)
    assert server.requests == []


def test_dial_tries_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as server:
        resolved_to(monkeypatch, '127.0.0.2', '127.0.0.1')
        addresses.dial('h.example', server.port, 5, None).close()


def test_dial_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved_to(monkeypatch)
    for policy in (None, STRICT):
        with pytest.raises(OSError, match='no address'):
            addresses.dial('h.example', 80, 5, policy)
