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

"""The URIs of objects in Swift, as glance_store has them.

::

    swift://tenant:user:key@authurl/container/object    read, never written
    swift+config://reference/container/object
    swift://storageurl/container/object
    swift:///object                     where the options say; never written

``swift`` and ``swift+https`` are over https, ``swift+http`` over http. The
last piece is the object and the one before it the container; what is left of
them holds the credentials up to the last @, so that account, user and key may
have one. A slash in a name is written %2F.
"""

from __future__ import annotations

import urllib.parse
from typing import NamedTuple

from oslo_image import exception, masking

SCHEMES = ('swift', 'swift+http', 'swift+https', 'swift+config')
#: What stays as it is in a name.
_PLAIN = "-_.~!*'()"


class Spec(NamedTuple):
    """What a URI names.

    :param url: of the account, or with credentials of who gives tokens; ''
        where the options say.
    :param container: '' where the options say.
    :param user: ``tenant:user``, or ''.
    :param reference: the name of credentials among the options, or ''.
    """

    url: str
    container: str
    name: str
    user: str = ''
    key: str = ''
    reference: str = ''

    def __repr__(self) -> str:
        where = self.reference or self.url
        return f'<Swift object {self.name} of {self.container} at {where}>'


def parse(uri: str) -> Spec:
    """Take a URI apart.

    :raises InvalidLocation: saying which piece is wrong.
    """
    scheme, _, rest = uri.partition('://')
    scheme = scheme.lower()
    if scheme == 'swift' and rest.startswith('/'):
        name = rest[1:]
        if not name or '/' in name:
            raise _malformed(uri, 'it wants one name')
        return Spec('', '', urllib.parse.unquote(name))
    pieces = rest.rsplit('/', 2)
    if len(pieces) != 3 or not all(pieces):
        raise _malformed(uri, 'it wants a host, a container and an object')
    place, container, name = (
        pieces[0],
        urllib.parse.unquote(pieces[1]),
        urllib.parse.unquote(pieces[2]),
    )
    userinfo, at, host = place.rpartition('@')
    if not host.strip('/') or any(one in host for one in '?# '):
        raise _malformed(uri, 'the host is none')
    if '/' in container:
        raise _malformed(uri, 'a container has no slash in its name')
    if scheme == 'swift+config':
        if at or '/' in host:
            raise _malformed(uri, 'before the container stands a reference')
        return Spec('', container, name, reference=host)
    protocol = 'http' if scheme == 'swift+http' else 'https'
    # The user's own colons may be quoted, or not.
    user, colon, key = userinfo.rpartition(':')
    if at and not (user and colon and key):
        raise _malformed(uri, 'before the @ stand tenant, user and key')
    return Spec(
        f'{protocol}://{host.strip("/")}',
        container,
        name,
        urllib.parse.unquote(user),
        urllib.parse.unquote(key),
    )


def build(place: str, container: str, name: str) -> str:
    """Return the URI of an object, without credentials.

    :param place: the URL of its account, or a reference.
    """
    protocol, separator, rest = place.partition('://')
    scheme = f'swift+{protocol}' if separator else 'swift+config'
    pieces = (urllib.parse.quote(one, _PLAIN) for one in (container, name))
    return f'{scheme}://{"/".join((rest or place, *pieces))}'


def origin(url: str) -> str:
    """Return the scheme, host and port of a URL, to be compared."""
    protocol, _, rest = url.lower().partition('://')
    host = rest.partition('/')[0]
    port = {'http': ':80', 'https': ':443'}.get(protocol, '')
    return f'{protocol}://{host.removesuffix(port)}'


def cluster(account_url: str) -> str:
    """Return what stands before the version and the account in a URL."""
    start, version, _ = account_url.rpartition('/v1')
    return start if version else account_url


def _malformed(uri: str, why: str) -> exception.InvalidLocation:
    return exception.InvalidLocation(
        f'malformed URI {masking.mask_uri(uri)!r}: {why}'
    )
