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

"""What the manifests of static large objects say, or must have said.

An entry is as the server shows it: with ``name``, ``hash`` and ``bytes``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oslo_image.stores.swift.service import Entry, Service

Shown = Mapping[str, Any]


def etag(entries: Iterable[Shown]) -> str:
    """Return the ETag of an object of these segments."""
    return _md5(''.join(map(_said, entries)).encode())


def _said(one: Shown) -> str:
    """Return what an entry adds to the ETag."""
    if 'data' in one:
        return _md5(base64.b64decode(one['data']))
    found = str(one.get('hash', ''))
    return f'{found}:{one["range"]};' if 'range' in one else found


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def flat(service: Service, entries: Iterable[Shown]) -> Iterator[Shown]:
    """Yield the segments, those of a manifest's manifest in its place.

    It stays where a range of it is named, or it is not what was named any
    more, or has ranges.
    """
    for one in entries:
        inner: list[dict[str, Any]] = []
        if one.get('sub_slo') and 'range' not in one:
            container, _, name = one['name'].lstrip('/').partition('/')
            inner = service.manifest(container, name)
        if inner and etag(inner) == one['hash']:
            yield from flat(service, inner)
        else:
            yield one


def told_by_names(
    container: str, listed: Iterable[Entry], size: int, tag: str
) -> list[Shown]:
    """Return the manifest of an object, by the names of its own segments.

    Their numbers are its order, and what is missing is of zeros. The ETag
    proves it; nothing is returned where it does not, as of an object that was
    of unknown size and has zeros, or that is a copy of one that names a
    segment twice.

    :param listed: the segments of one upload.
    """
    parts: dict[str, Entry] = {}
    zeros: list[Entry] = []
    for entry in listed:
        last = entry.name.rpartition('/')[2]
        if last.isdigit():
            parts[last] = entry
        else:
            zeros.append(entry)
    zeros.sort(key=lambda entry: -entry.size)
    found: list[Shown] = []
    while size > 0:
        part = parts.get(f'{len(found) + 1:08}') or next(
            (one for one in zeros if one.size <= size), None
        )
        if part is None or not part.size:
            return []
        size -= part.size
        found.append(
            {
                'name': f'/{container}/{part.name}',
                'hash': part.etag,
                'bytes': part.size,
            }
        )
    return found if size == 0 and etag(found) == tag else []
