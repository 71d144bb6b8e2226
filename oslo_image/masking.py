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

"""Show a URI without the secrets that may stand in it."""

from __future__ import annotations

import re
import urllib.parse

MASK = '***'

#: Query parameters whose values sign or authorise a request (S3 and Swift
#: signed URLs, OAuth, anything that calls itself a secret).
_SECRET_NAME = re.compile(
    r'sig|token|key|secret|pass|credential|auth|code|session', re.IGNORECASE
)
#: Longer values may be secrets under a name that nobody foresaw.
_LONGEST_SHOWN = 16
#: An authority without user and password (RFC 3986, 3.2).
_HOST = re.compile(r'(\[[^]]*\]|[^:]+)(:\d*)?\Z')


#: What would break a line of a log, or do worse to a terminal.
CONTROL = re.compile(r'[\x00-\x1f\x7f-\x9f]')


def printable(text: str) -> str:
    """Return the text with its control characters replaced."""
    return CONTROL.sub('?', text)


def mask_uri(uri: str) -> str:
    """Return the URI with user, password and secret query values masked.

    Control characters are replaced too.

    Secret keys may hold slashes, question marks and at-signs (legacy S3 and
    Swift URIs), so all between ``://`` and the last ``@`` is taken for
    credentials, unless an http(s) authority is without them (RFC 3986, 3.2.1).
    A fragment is masked as a query.
    """
    scheme, separator, rest = printable(uri).partition('://')
    if not separator or '@' in scheme:
        # No URI, but perhaps meant to be one.
        before, at, behind = printable(uri).rpartition('@')
        return f'{MASK}@{behind}' if at else behind
    authority = re.split('[/?#]', rest, maxsplit=1)[0]
    web = scheme.lower() in ('http', 'https')
    if not (web and '@' not in authority and _HOST.match(authority)):
        userinfo, at, host = rest.rpartition('@')
        rest = f'{MASK}@{host}' if at else rest
    query = re.search('[?#]', rest)
    if query:
        start = query.start()
        rest = rest[:start] + re.sub(
            '[^?#&;]+', lambda found: _mask_parameter(found[0]), rest[start:]
        )
    return f'{scheme}://{rest}'


def _mask_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition('=')
    if not equals:
        return parameter if len(name) <= _LONGEST_SHOWN else MASK
    secret = _SECRET_NAME.search(urllib.parse.unquote(name))
    if secret or len(value) > _LONGEST_SHOWN:
        return f'{name}={MASK}'
    return parameter
