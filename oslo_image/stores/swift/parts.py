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

"""The segments that an object in Swift has, by whoever wrote them."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_image import exception
from oslo_image.stores.swift import manifests, marks
from oslo_image.stores.swift.service import Entry, Fields, Service

#: What follows the prefix in the names of a dynamic object's segments, where
#: it does not end in a slash: glance_store writes five digits. What else
#: begins so is another image, whose id begins so.
_NUMBER = re.compile(r'[0-9]{5,}\Z')


class Parts:
    """What an object consists of; true when it is in segments.

    :param fields: of the object, as HEAD gives them.
    """

    def __init__(
        self,
        service: Service,
        container: str,
        name: str,
        fields: Fields,
    ) -> None:
        self._service = service
        self._container = container
        self._name = name
        self._token = marks.upload(fields)
        self._size = int(fields.get('Content-Length') or 0)
        self._etag = (fields.get('ETag') or '').strip('"')
        self.static = (
            fields.get('X-Static-Large-Object') or ''
        ).lower() == 'true'
        #: Container and prefix of a dynamic object.
        self._dynamic = urllib.parse.unquote(
            fields.get('X-Object-Manifest') or ''
        ).lstrip('/')

    def __bool__(self) -> bool:
        return self.static or bool(self._dynamic)

    def manifest(self) -> list[dict[str, Any]]:
        """Return what a manifest says that makes this object, in order.

        The result is empty where the server does not tell.

        :raises SourceChanged: when it is another object's.
        """
        if self.static:
            shown = self._service.manifest(self._container, self._name)
            if shown and manifests.etag(shown) != self._etag:
                raise exception.SourceChanged(
                    'the object was replaced', side='source'
                )
            found = list(
                manifests.flat(self._service, shown)
            ) or manifests.told_by_names(
                self._container, self._own(), self._size, self._etag
            )
            return [_sent(one) for one in found]
        return [
            {
                'path': f'/{container}/{entry.name}',
                'etag': entry.etag,
                'size_bytes': entry.size,
            }
            for container, entry in self._listed(every=True)
            if entry.size
        ]

    def listed_size(self) -> int:
        """Return the bytes of a dynamic object, as they are listed.

        Where there are more segments than one listing holds, Swift (2.38)
        says 0 bytes to HEAD, and to a range what the first listing holds.
        """
        return sum(entry.size for _, entry in self._listed(every=True))

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield containers and names of the segments, to be deleted.

        A segment that is a manifest comes after its own segments.
        """
        if not self.static:
            for container, entry in self._listed():
                yield container, entry.name
            return
        shown = self._service.manifest(self._container, self._name)
        seen: set[str] = set()
        for one in shown:
            path = one.get('name', '')
            container, _, name = path.lstrip('/').partition('/')
            if not name or path in seen:
                continue
            seen.add(path)
            if one.get('sub_slo'):
                yield from self._below(container, name)
            yield container, name
        if not shown:
            for entry in self._own():
                yield self._container, entry.name

    def _own(self) -> Iterator[Entry]:
        """Yield the segments of the upload that the object says it is of."""
        if self._token:
            prefix = marks.prefix(self._name, self._token)
            yield from self._service.listing(self._container, prefix)

    def _below(self, container: str, name: str) -> Iterator[tuple[str, str]]:
        fields = self._service.head(container, name)
        if fields is not None:
            yield from Parts(self._service, container, name, fields).names()

    def _listed(self, *, every: bool = False) -> Iterator[tuple[str, Any]]:
        container, _, prefix = self._dynamic.partition('/')
        if not prefix:
            return
        for entry in self._service.listing(container, prefix):
            rest = entry.name[len(prefix) :]
            if every or prefix.endswith('/') or _NUMBER.match(rest):
                yield container, entry


def _sent(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of a manifest as it is sent, of what is shown."""
    if 'data' in shown:
        return {'data': shown['data']}
    found = {
        'path': shown['name'],
        'etag': shown['hash'],
        'size_bytes': shown['bytes'],
    }
    more = {
        name: shown[name] for name in ('range', 'sub_slo') if name in shown
    }
    return {**found, **more}
