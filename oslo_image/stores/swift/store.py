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

"""The store of objects in Swift, with glance_store's options and URIs."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import IfExists, Leftover, MiB, Writer
from oslo_image.stores.swift import tenants
from oslo_image.stores.swift import uri as uris
from oslo_image.stores.swift.access import Access
from oslo_image.stores.swift.options import list_opts
from oslo_image.stores.web import WebStore

if TYPE_CHECKING:
    from oslo_config import cfg

    from oslo_image.stores import wire
    from oslo_image.stores.swift.service import Service
    from oslo_image.stores.swift.source import SwiftSource


class SwiftStore(WebStore):
    """Objects of OpenStack Swift, or of what speaks like it."""

    schemes = uris.SCHEMES
    libraries: ClassVar[dict[str, str]] = {
        'keystoneauth1': 'swift',
        'swiftclient': 'swift',
    }

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return the options; those of glance_store keep their names."""
        return list_opts()

    @functools.cached_property
    def _access(self) -> Access:
        return Access(self.options)

    def parse(self, uri: str) -> Location:
        """Check a URI.

        :raises InvalidLocation: saying which piece is wrong.
        """
        uris.parse(uri)
        return Location(uri)

    def affinity(self, location: Location) -> int:
        """Say whether the options are about what a location names."""
        return self._access.affinity(uris.parse(location.reveal()))

    def open_source(
        self, location: Location, *, auth: Any = None
    ) -> SwiftSource:
        """Open one version of an object, by one request for what it is.

        :param auth: a :class:`SwiftAuth`, or a keystoneauth session; what
            else it may be is another store's.
        """
        from oslo_image.stores.swift.source import SwiftSource

        service, container, name = self._object(location, auth, 'source')
        return SwiftSource(location, service, container, name)

    def open_writer(
        self,
        location: Location,
        *,
        size: int | None = None,
        if_exists: IfExists = 'fail',
        auth: Any = None,
        public: bool = False,
        members: Sequence[str] = (),
        **options: Any,
    ) -> Writer:
        """Return a writer of an object.

        :param auth: as of :meth:`open_source`.
        :param public: whether the image is, and
        :param members: the projects that it is shared with, for a container
            of its own in its owner's account (``swift_store_multi_tenant``).
        """
        from oslo_image.stores.swift.writer import SwiftWriter

        if options or if_exists == 'in_place':
            what = next(iter(options), 'in_place')
            raise exception.InvalidOption(
                f'an object in Swift knows no {what!r}'
            )
        o = self.options
        if (public or members) and not o.swift_store_multi_tenant:
            raise exception.InvalidOption(
                'public and members are for swift_store_multi_tenant'
            )
        service, container, name = self._object(location, auth, 'destination')
        spec = uris.parse(location.reveal())
        place = self._access.reference(spec) or service.account.url

        own = o.swift_store_multi_tenant

        def prepare() -> bool:
            rights = self._rights(public, members) if own else {}
            return service.make_container(container, rights) and own

        makes = o.swift_store_create_container_on_put or own
        return SwiftWriter(
            location,
            size,
            service,
            container,
            name,
            part=o.swift_store_large_object_chunk_size * MiB,
            whole=(o.swift_store_large_object_size or 0) * MiB,
            replace=if_exists == 'replace',
            published=uris.build(place, container, name),
            make_container=prepare if makes else None,
        )

    def delete(self, location: Location, *, auth: Any = None) -> None:
        """Delete an object with its segments, and a container of its own.

        :raises ImageNotFound:
        :raises SourceError: naming segments that could not be deleted.
        """
        from oslo_image.stores.swift import deleting

        service, container, name = self._object(location, auth, 'source')
        deleting.delete(service, container, name)
        if self.options.swift_store_multi_tenant and (
            container == tenants.container(self.options, name)
        ):
            deleting.delete_empty(service, container)

    def share(
        self,
        location: Location,
        *,
        public: bool = False,
        members: Sequence[str] = (),
        auth: Any = None,
    ) -> None:
        """Say who may read an image in its owner's account from now on.

        :param public, members: as of :meth:`open_writer`.
        """
        service, container, _ = self._object(location, auth, 'destination')
        service.update(container, self._rights(public, members))

    def _rights(self, public: bool, members: Sequence[str]) -> dict[str, str]:
        return tenants.rights(
            self.options.swift_store_admin_tenants,
            public=public,
            members=members,
        )

    def leftovers(
        self, location: Location, *, older_than: float, auth: Any = None
    ) -> Iterator[Leftover]:
        """Yield segments to this name that have become no object.

        Nobody tells who still sends; the age of the youngest one must do.
        """
        from oslo_image.stores.swift import leftovers

        found = self._object(location, auth, 'destination')
        yield from leftovers.find(*found, older_than)

    def remove_leftover(self, leftover: Leftover, *, auth: Any = None) -> bool:
        """Delete the segments, unless they are an object by now."""
        from oslo_image.stores.swift import leftovers

        return leftovers.remove(leftover.key)

    def _object(
        self, location: Location, auth: Any, side: exception.Side
    ) -> tuple[Service, str, str]:
        """Return the account, the container and the name of an object.

        :raises LocationDenied: for a host that only a catalogue names.
        """
        from oslo_image.stores.swift.service import Service

        spec = uris.parse(location.reveal())
        try:
            account = self._access.account(
                spec, auth, side, trusted=location.trusted
            )
        except exception.ImageError as error:
            error.annotate(**{side: location})
            raise
        service = Service(account, self._wire(), side, location)
        container = spec.container or tenants.container(
            self.options, spec.name
        )
        return service, container, spec.name

    def _connecting(self) -> wire.Settings:
        from oslo_image.stores import wire

        return wire.Settings(
            ca_file=self.options.swift_store_cacert or None,
            insecure=self.options.swift_store_auth_insecure,
        )
