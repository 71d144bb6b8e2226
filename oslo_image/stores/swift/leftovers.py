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

"""Segments that killed copies left."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from typing import NamedTuple

from oslo_image import exception
from oslo_image.stores.base import Leftover
from oslo_image.stores.swift import deleting, marks
from oslo_image.stores.swift.service import Entry, Service


class Key(NamedTuple):
    """By what the segments of one upload are known again."""

    service: Service
    container: str
    name: str
    token: str

    @property
    def prefix(self) -> str:
        """What their names begin with."""
        return marks.prefix(self.name, self.token)

    def __repr__(self) -> str:
        return f'<segments {self.container}/{self.prefix}>'


def find(
    service: Service, container: str, name: str, older_than: float
) -> Iterator[Leftover]:
    """Yield the uploads to one name that have become no object."""
    before = time.time() - older_than
    uploads: dict[str, tuple[int, float]] = {}
    for entry in service.listing(container, marks.prefix(name)):
        mark = marks.read(entry.name)
        # Names may have slashes: a/b is another than a.
        if mark is not None and mark.name == name:
            size, modified = uploads.get(mark.token, (0, 0.0))
            uploads[mark.token] = (
                size + entry.size,
                max(modified, _seconds(entry)),
            )
    # Asked after the listing: what was published meanwhile is seen.
    used = _used(service, container, name) if uploads else ''
    for token, (size, modified) in sorted(uploads.items()):
        if token != used and modified <= before:
            key = Key(service, container, name, token)
            shown = f'segments {container}/{key.prefix}'
            yield Leftover(shown, size, modified, key)


def remove(key: Key) -> bool:
    """Delete the segments of an upload, unless they are an object by now."""
    names = [
        (key.container, entry.name)
        for entry in key.service.listing(key.container, key.prefix)
    ]
    if names and _used(key.service, key.container, key.name) == key.token:
        return False
    if left := deleting.remove(key.service, names):
        raise exception.DestinationError(
            f'{len(left)} of {len(names)} segments stay: {left[0]}',
            side='destination',
        )
    return True


def _used(service: Service, container: str, name: str) -> str:
    fields = service.head(container, name)
    return '' if fields is None else marks.upload(fields)


def _seconds(entry: Entry) -> float:
    try:
        when = datetime.datetime.fromisoformat(entry.modified)
    except ValueError:
        # It says nothing that we know: it was just now.
        return time.time()
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return when.timestamp()
