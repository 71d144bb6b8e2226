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

"""An object in Swift as a source, pinned by its ETag."""

from __future__ import annotations

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.facets import SwiftObject
from oslo_image.stores.object_source import ObjectSource
from oslo_image.stores.swift import marks
from oslo_image.stores.swift.parts import Parts
from oslo_image.stores.swift.service import Fields, Service
from oslo_image.stores.wire import WireSource


class SwiftSource(ObjectSource):
    """One version of an object, in segments or not."""

    served = SwiftObject

    def __init__(
        self,
        location: Location,
        service: Service,
        container: str,
        name: str,
    ) -> None:
        super().__init__(location)
        self._service = service
        self._container = container
        self._name = name
        self._fields = self._look()
        self.size = int(self._fields.get('Content-Length') or 0)
        self._etag = self._fields.get('ETag') or ''
        self.version = f'ETag {self._etag}'
        self.realm = f'swift {service.cluster}'
        self._parts = Parts(service, container, name, self._fields)
        if not self.size and self._parts.listed_size():
            raise exception.InvalidSource(
                'the server tells no size of an object in so many segments; '
                'as a static large object it can be read',
                source=self.location,
                side='source',
            )

    def _look(self) -> Fields:
        found = self._service.head(self._container, self._name)
        if found is None:
            raise exception.ImageNotFound(
                'there is no such object', source=self.location, side='source'
            )
        if found.get('Content-Encoding') not in (None, '', 'identity'):
            raise exception.InvalidSource(
                f'the object is stored as {found["Content-Encoding"]}',
                side='source',
            )
        return found

    def _open(self) -> WireSource:
        return WireSource(
            self.location,
            self._service.client,
            self._service.url(self._container, self._name),
            auth=self._service.account,
            # Under its own ETag RGW 16.2 refuses an object in segments, and
            # Swift 2.38 one that was copied of such an object.
            conditional=False,
            trusted=True,
            refused=self._service.refused,
        )

    def _look_again(self) -> tuple[str, int]:
        found = self._look()
        return (
            found.get('ETag') or '',
            int(found.get('Content-Length') or 0),
        )

    def _serve(self) -> SwiftObject:
        return SwiftObject(
            cluster=self._service.cluster,
            account=self._service.account.url.rpartition('/')[2],
            container=self._container,
            name=self._name,
            etag=self._etag.strip('"'),
            size=self.size or 0,
            segmented=bool(self._parts),
            fields=marks.kept(self._fields),
            segments=self._parts.manifest,
            copied=self._copied.set,
        )
