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

"""The names of segments, by which ``gc`` knows them, and their mark.

The segments of one upload are ``oslo-image.segment/<object>/<token>/<part>``,
in the container of the object, whose rights are theirs then. The object that
they become bears the token, which tells what is in use where the server shows
no manifest.
"""

from __future__ import annotations

import http.client
import re
import secrets
from typing import NamedTuple

_PREFIX = 'oslo-image.segment/'
_NAME = re.compile(
    r'oslo-image\.segment/(?P<name>.+)/(?P<token>[0-9a-f]{16})/[^/]+\Z',
    re.DOTALL,
)
#: The field of an object that says of which upload it is.
FIELD = 'X-Object-Meta-Oslo-Image-Upload'


class Mark(NamedTuple):
    """What the name of a segment says.

    :param name: that of the object to be.
    """

    name: str
    token: str


def token() -> str:
    """Return what no other upload has."""
    return secrets.token_hex(8)


def prefix(name: str, token: str = '') -> str:
    """Return what the names of an object's segments begin with."""
    return f'{_PREFIX}{name}/' + (f'{token}/' if token else '')


def read(segment: str) -> Mark | None:
    """Return what a name says, if it is a segment's."""
    found = _NAME.match(segment)
    return Mark(found['name'], found['token']) if found else None


def upload(fields: http.client.HTTPMessage) -> str:
    """Return the token that an object bears, else ''."""
    return fields.get(FIELD) or ''


def kept(fields: http.client.HTTPMessage) -> dict[str, str]:
    """Return the fields of an object that a copy of it is to have."""
    return {
        name: value
        for name, value in fields.items()
        if name.lower() in ('content-type', 'content-disposition')
        or (
            name.lower().startswith('x-object-meta-')
            and name.lower() != FIELD.lower()
        )
    }
