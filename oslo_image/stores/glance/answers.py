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

"""What Glance answers, as far as anybody relies on it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from types import NoneType
from typing import Any, Final, NamedTuple

from oslo_image import masking

_LONGEST_WORDS: Final = 300
_TEXTS: Final = (
    *('name', 'checksum', 'os_hash_algo', 'os_hash_value', 'disk_format'),
    *('container_format', 'owner', 'visibility', 'direct_url'),
    *('created_at', 'updated_at'),
)
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(('id', 'status'), (str,)),
    **dict.fromkeys(_TEXTS, (str, NoneType)),
    **dict.fromkeys(
        ('size', 'virtual_size', 'min_disk', 'min_ram'), (int, NoneType)
    ),
    **dict.fromkeys(('protected', 'os_hidden'), (bool, NoneType)),
    **dict.fromkeys(('tags', 'locations'), (list, NoneType)),
}


class Reply(NamedTuple):
    """An answer of the API, read to its end."""

    status: int
    body: bytes
    retry_after: float | None = None

    def words(self) -> str:
        """Return what Glance says of an error, on one line."""
        text = self.body[:4096].decode('utf-8', 'replace')
        try:
            text = json.loads(self.body)['message']
        except (ValueError, TypeError, KeyError):
            pass
        text = re.sub(r'<head>.*?</head>|<[^>]*>', ' ', str(text), flags=re.S)
        text = ' '.join(html.unescape(text).split())
        text = re.sub(rf'^{self.status} [A-Z][A-Za-z ]*? ', '', text)
        return masking.printable(text)[:_LONGEST_WORDS].rstrip(' .')

    def value(self) -> Any:
        """Return what is said in JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def is_image(found: Any) -> bool:
    """Tell whether a value is an image's record."""
    return (
        isinstance(found, dict)
        and all(
            type(found.get(name)) in kinds for name, kinds in _KINDS.items()
        )
        and all(isinstance(tag, str) for tag in found.get('tags') or ())
        and all(map(is_location, found.get('locations') or ()))
    )


def is_location(found: Any) -> bool:
    """Tell whether a value is what Glance says of a location."""
    return isinstance(found, dict) and isinstance(found.get('url'), str)
