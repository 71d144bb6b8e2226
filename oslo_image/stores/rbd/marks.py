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

"""The names of what is not finished, by which ``gc`` knows it."""

from __future__ import annotations

import re
import secrets
from typing import Literal, NamedTuple

#: An image on its way; one that waits to be replaced; a source's snapshot.
Kind = Literal['partial', 'replaced', 'pin']
_MARK = re.compile(
    r'oslo-image\.(?P<kind>partial|replaced|pin)\.(?P<token>[0-9a-f]{16})'
    r'(?:\.(?P<name>.+))?\Z',
    re.DOTALL,
)


class Mark(NamedTuple):
    """What a marked name says.

    :param name: that of the image to be, or that it had.
    """

    kind: Kind
    name: str


def image(kind: Kind, name: str) -> str:
    """Return a name that was never used, for an image that is to be."""
    return f'oslo-image.{kind}.{secrets.token_hex(8)}.{name}'


def snapshot() -> str:
    """Return a name that was never used, for a snapshot that pins."""
    return f'oslo-image.pin.{secrets.token_hex(8)}'


def read(name: str) -> Mark | None:
    """Return what a name says, if it is marked."""
    found = _MARK.match(name)
    if found is None:
        return None
    kind: Kind = found['kind']  # type: ignore[assignment]
    return Mark(kind, found['name'] or '')
