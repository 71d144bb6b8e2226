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

"""HTTP URLs: parsed once, by the parser whose result is connected to.

Nothing is guessed or mended: what another parser might read differently (a
backslash, a space, a control character, a host in other than ASCII letters)
is refused, so that the host that was checked is the host that is asked.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import urllib.parse
from typing import NamedTuple

from oslo_image import exception, masking

_PORTS = {'http': 80, 'https': 443}
_FORBIDDEN = re.compile(r'[\x00-\x20\x7f\\]')
_LABEL = r'[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
_NAME = re.compile(rf'{_LABEL}(?:\.{_LABEL})*\.?')
_PORT = re.compile(r'[0-9]{1,5}')
_ASCII = ''.join(map(chr, range(0x21, 0x7F)))


class Origin(NamedTuple):
    """Whom credentials are for: scheme, host and port, in lower case."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """What the Host header says; the default port is left out."""
        host = f'[{self.host}]' if ':' in self.host else self.host
        plain = self.port == _PORTS[self.scheme]
        return host if plain else f'{host}:{self.port}'

    def __str__(self) -> str:
        return f'{self.scheme}://{self.authority}'


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Target:
    """A parsed URL; its ``repr`` is the origin alone.

    :param path: path and query, verbatim but for characters beyond ASCII,
        which are percent-encoded as UTF-8; begins with a slash.
    :param userinfo: the decoded (user, password) that stood in it, or None.
    """

    origin: Origin
    path: str
    userinfo: tuple[str, str] | None = None

    @property
    def url(self) -> str:
        """The URL without user and password."""
        return f'{self.origin}{self.path}'

    def __repr__(self) -> str:
        return f'<Target {self.origin}>'


def split(url: str) -> Target:
    """Parse an ``http`` or ``https`` URL; the fragment is dropped.

    :raises InvalidLocation: saying which piece is wrong.
    """

    def wrong(reason: str) -> exception.InvalidLocation:
        return exception.InvalidLocation(f'{reason}: {_shown(url)}')

    scheme, separator, rest = url.partition('://')
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise wrong('not an http or https URI')
    if _FORBIDDEN.search(url):
        raise wrong('a space, a control character or a backslash in the URI')
    rest = rest.partition('#')[0]
    end = re.search(r'[/?]|$', rest)
    cut = end.start() if end else len(rest)
    authority, path = rest[:cut], rest[cut:]
    userinfo, at, hostport = authority.rpartition('@')
    host, port_text = _split_port(hostport)
    if not host:
        raise wrong('no host, or one that is none, in the URI')
    if port_text is None:
        port = _PORTS[scheme]
    elif _PORT.fullmatch(port_text) and 0 < int(port_text) < 65536:
        port = int(port_text)
    else:
        raise wrong('the port is not a number from 1 to 65535')
    if not path.startswith('/'):
        path = f'/{path}'
    path = urllib.parse.quote(path, safe=_ASCII, errors='surrogateescape')
    user, _, password = userinfo.partition(':')
    unquote = urllib.parse.unquote
    return Target(
        Origin(scheme, host, port),
        path,
        (unquote(user), unquote(password)) if at else None,
    )


def follow(target: Target, place: str) -> Target:
    """Return where a redirect leads; user and password in it are dropped.

    :param place: the Location header, relative or absolute.
    :raises LocationDenied: for another scheme, or from https to http.
    :raises ProtocolViolation: when it is no URL.
    """
    # Header fields arrive as Latin-1; the bytes may be UTF-8.
    raw = place.encode('latin-1', 'replace').strip()
    text = urllib.parse.quote(raw, safe=_ASCII)
    failure: exception.ImageError
    try:
        url = urllib.parse.urljoin(target.url, text)
        scheme = url.partition(':')[0].lower()
        if scheme not in _PORTS:
            failure = exception.LocationDenied(
                f'a redirect to the scheme {scheme[:16]!r} is not followed'
            )
        elif scheme == 'http' and target.origin.scheme == 'https':
            failure = exception.LocationDenied(
                'a redirect from https to http is not followed'
            )
        else:
            return dataclasses.replace(split(url), userinfo=None)
    except ValueError:  # InvalidLocation is one
        failure = exception.ProtocolViolation(
            f'the redirect to {masking.mask_uri(text)[:200]!r} is no URL'
        )
    raise failure


def _split_port(text: str) -> tuple[str, str | None]:
    """Return host and port as text; an empty host when it is not valid."""
    if text.startswith('['):
        literal, bracket, port = text[1:].partition(']')
        if not bracket or (port and not port.startswith(':')):
            return '', None
        try:
            host = str(ipaddress.IPv6Address(literal))
        except ValueError:
            return '', None
        return ('' if '%' in host else host), (port[1:] if port else None)
    host, colon, port = text.partition(':')
    if not _NAME.fullmatch(host) or len(host) > 253:
        host = ''
    return host.lower(), (port if colon else None)


def _shown(url: str) -> str:
    """Return a URL that may be malformed without what may be a password."""
    body, question, query = url.partition('?')
    _, at, rest = body.rpartition('@')
    if at:
        body = f'{body.partition(":")[0]}://{masking.MASK}@{rest}'
    return repr(masking.mask_uri(body + question + query))[:200]
