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

"""Segments on their way to become an object; shared by threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from oslo_image import exception
from oslo_image.stores.base import ZEROS, DescriptorRange
from oslo_image.stores.pieces import length_of
from oslo_image.stores.swift import deleting, marks
from oslo_image.stores.swift.doubt import Doubt
from oslo_image.stores.swift.gradual import Gradual
from oslo_image.stores.swift.service import Service
from oslo_image.stores.wire import Watch
from oslo_image.stores.wire.payload import Content


class Segments:
    """The segments of one upload.

    :param name: of the object to be.
    """

    def __init__(self, service: Service, container: str, name: str) -> None:
        self._service = service
        self._container = container
        self.name = name
        self.token = marks.token()
        self._prefix = marks.prefix(name, self.token)
        self._lock = threading.Lock()
        #: What was begun, which may be there whatever the answer was.
        self._names: set[str] = set()
        #: What the server may yet make.
        self._unsure: set[str] = set()
        self._entries: dict[int, dict[str, Any]] = {}
        self._zeros: dict[int, tuple[threading.Lock, dict[str, Any]]] = {}

    def __bool__(self) -> bool:
        return bool(self._entries)

    def put(self, number: int, data: memoryview | DescriptorRange) -> None:
        """Send a segment.

        :param number: from 1, in the order of the bytes.
        """
        self._entries[number] = self._send(
            f'{number:08}', data, length_of(data)
        )

    def begin(self, number: int, watch: Watch) -> Gradual:
        """Return a segment that comes in pieces; :meth:`stored` ends it."""
        name = self._begin(f'{number:08}')
        return Gradual(
            lambda watch: self._service.send(
                self._container, name, None, {}, watch
            ),
            self._service.stored,
            watch,
        )

    def stored(self, number: int, etag: str, length: int) -> None:
        """Note a segment that was sent in pieces."""
        name = f'{self._prefix}{number:08}'
        self._entries[number] = self._entry(name, etag, length)

    def put_zeros(self, number: int, length: int) -> None:
        """Have a segment of zeros, which is sent once for all of a length."""
        with self._lock:
            lock, entry = self._zeros.setdefault(
                length, (threading.Lock(), {})
            )
        with lock:
            if not entry:
                name = f'zeros-{length}'
                whole, rest = divmod(length, len(ZEROS))
                zeros = [*[ZEROS] * whole, ZEROS[:rest]]
                entry.update(self._send(name, zeros, length))
        self._entries[number] = entry

    def copy(self, number: int, segment: dict[str, Any], account: str) -> None:
        """Have the server make a segment of one of another object.

        :param segment: as a manifest has it.
        :raises SourceChanged: when it is not that any more.
        """
        name = self._begin(f'{number:08}')
        size = int(segment['size_bytes'])
        doubt = Doubt()
        try:
            etag = self._service.copy(
                segment['path'],
                account,
                size,
                self._container,
                name,
                {'If-Match': segment['etag']},
                doubt,
            )
        finally:
            if doubt.going_on:
                self._unsure.add(name)
        if etag != segment['etag']:
            raise exception.SourceChanged(
                'a segment was replaced', side='source'
            )
        self.note(number, {**segment, 'path': self._path(name)})

    def note(self, number: int, entry: dict[str, Any]) -> None:
        """Have the manifest say something at a place."""
        self._entries[number] = entry

    def entry(self, number: int) -> dict[str, Any]:
        """Return what the manifest is to say at a place."""
        return self._entries[number]

    def manifest(self) -> list[dict[str, Any]]:
        """Return what makes the segments an object."""
        return [entry for _, entry in sorted(self._entries.items())]

    def remove(self) -> list[str]:
        """Delete all that was sent; return what stays."""
        with self._lock:
            names = sorted(self._names)
        return deleting.remove(self._service, self._paths(names), self._unsure)

    def keep(self) -> list[str]:
        """Return the name of what an object may be made of."""
        return [f'{self._container}/{self._prefix}'] if self._names else []

    def _paths(self, names: list[str]) -> Iterator[tuple[str, str]]:
        return ((self._container, name) for name in names)

    def _begin(self, part: str) -> str:
        name = self._prefix + part
        with self._lock:
            self._names.add(name)
        return name

    def _send(self, part: str, data: Content, length: int) -> dict[str, Any]:
        name = self._begin(part)
        etag = self._service.put(self._container, name, data, length=length)
        return self._entry(name, etag, length)

    def _entry(self, name: str, etag: str, length: int) -> dict[str, Any]:
        return {
            'path': self._path(name),
            'etag': etag,
            'size_bytes': length,
        }

    def _path(self, name: str) -> str:
        return f'/{self._container}/{name}'
