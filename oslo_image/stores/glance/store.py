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

"""The store of images in Glance: what its API takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import IfExists, Leftover, Stat, Store, Writer
from oslo_image.stores.glance import options as opts
from oslo_image.stores.glance import uri as uris
from oslo_image.stores.glance.access import Access

if TYPE_CHECKING:
    from oslo_config import cfg

    from oslo_image.stores.glance.backend import Backend
    from oslo_image.stores.glance.service import Service
    from oslo_image.stores.glance.source import GlanceSource


class GlanceStore(Store):
    """Images of the configured Glance, or of one that a URI names."""

    schemes = uris.SCHEMES
    libraries: ClassVar[dict[str, str]] = {'keystoneauth1': 'glance'}

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._access = Access(options)
        self._backends: Mapping[str, Store] = {}
        self._default: str | None = None

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return the options."""
        return opts.list_opts()

    def meet(self, backends: Mapping[str, Store], default: str | None) -> None:
        """Keep the backends: some are stores of Glance's."""
        self._backends, self._default = backends, default

    def parse(self, uri: str) -> Location:
        """Check a URI.

        :raises InvalidLocation: saying which piece is wrong.
        """
        uris.parse(uri)
        return Location(uri)

    def affinity(self, location: Location) -> int:
        """Prefer the backend whose endpoint a location names."""
        endpoint = self.options.glance_endpoint
        named = uris.parse(location.reveal()).endpoint
        return 2 if endpoint and uris.normal(endpoint) == named else 1

    def open_source(
        self, location: Location, *, auth: Any = None
    ) -> GlanceSource:
        """Open an image.

        :param auth: a session, adapter or plugin of keystoneauth1, or a token;
            what else it may be is another store's.
        :raises ImageInvalidApi: when the API is not to be asked for bits.
        """
        from oslo_image.stores.glance.source import GlanceSource

        if not self.options.glance_api_download:
            raise exception.ImageInvalidApi(
                "Glance's API is not to be asked for the bits "
                '(glance_api_download is off)'
            )
        spec = _one(location)
        known = location.metadata.get('image') if location.trusted else None
        return GlanceSource(
            location, spec.image_id, self._service(location, spec, auth), known
        )

    def stat(self, location: Location, *, auth: Any = None) -> Stat:
        """Return what Glance's record says of the bits.

        :raises ImageNotFound: when it has none yet, too.
        """
        from oslo_image.stores.glance.service import size_of, version_of

        spec = _one(location)
        service = self._service(location, spec, auth)
        found = service.show(spec.image_id, side='source')
        if found['status'] not in ('active', 'deactivated'):
            raise exception.ImageNotFound(
                f'the image {spec.image_id} is {found["status"]}: it has no '
                'bits'
            )
        return Stat(size_of(found), version_of(found))

    def open_writer(
        self,
        location: Location,
        *,
        size: int | None = None,
        if_exists: IfExists = 'fail',
        auth: Any = None,
        store: str | None = None,
        digest: bool = False,
        **options: Any,
    ) -> Writer:
        """Return a writer of an image without bits, made if need be.

        :param store: the name of the store in Glance; None is its default.
        :param digest: whether bits that are registered, and so not seen by
            Glance, are read once, so that it has their digest.
        :param options: fields of an image that is to be made, such as
            ``disk_format``, which is raw, and ``container_format``, bare.
        :raises InvalidOption: for another ``if_exists`` than "fail": the bits
            of an image are never others.
        """
        from oslo_image.stores.glance import backend
        from oslo_image.stores.glance.registered import RegisteringWriter

        if if_exists != 'fail':
            raise exception.InvalidOption(
                f'an image in Glance knows no {if_exists!r}: it never gets '
                'other bits'
            )
        if unknown := options.keys() - _FIELDS:
            raise exception.InvalidOption(
                f'an image in Glance knows no {sorted(unknown)[0]!r}; there '
                f'are store, {", ".join(sorted(_FIELDS))}'
            )
        spec = _one(location)

        def home() -> Backend:
            if not self.options.glance_register_locations:
                raise exception.Refused(
                    'Glance is to get its bits by an upload',
                    'glance_register_locations = true, and what a server can '
                    "make in Glance's store is registered there",
                )
            ours = self._access.service(auth)
            if spec.endpoint not in ('', ours.endpoint):
                raise exception.Refused(
                    f'{spec.endpoint} is not the Glance whose stores are '
                    'configured'
                )
            name = store or self._default
            return backend.find(
                self._backends,
                name,
                spec.image_id,
                auth,
                flatten=self.options.glance_flatten_clones,
            )

        return RegisteringWriter(
            location,
            size,
            spec.image_id,
            self._service(location, spec, auth),
            store=store,
            record=options,
            home=home,
            digest=digest,
        )

    def delete(self, location: Location, *, auth: Any = None) -> None:
        """Delete an image, record and bits."""
        spec = _one(location)
        service = self._service(location, spec, auth)
        reply = service.ask(
            'DELETE', f'/images/{spec.image_id}', side='source', about=location
        )
        if reply.status == 404:
            raise service.absent(spec.image_id, 'source')
        if reply.status != 204:
            raise service.error(reply, 'source')

    def leftovers(
        self, location: Location, *, older_than: float, auth: Any = None
    ) -> Iterator[Leftover]:
        """Yield the image, or those, made for uploads that were killed.

        An image that is being uploaded to is in use. One that an upload is
        about to begin to is told from a leftover by its age alone.
        """
        from oslo_image.stores.glance import leftovers

        spec = uris.parse(location.reveal())
        service = self._service(location, spec, auth)
        yield from leftovers.find(service, spec.image_id, older_than)

    def remove_leftover(self, leftover: Leftover, *, auth: Any = None) -> bool:
        """Delete the image, if nobody has gone on with it."""
        from oslo_image.stores.glance import leftovers

        return leftovers.remove(leftover.key)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._access.close()

    def _service(
        self, location: Location, spec: uris.Spec, auth: Any
    ) -> Service:
        """Return the Glance of a location.

        :raises LocationDenied: for an endpoint that only a catalogue names.
        """
        if spec.endpoint and not location.trusted:
            ours = self._access.service(auth)
            if ours.endpoint != spec.endpoint:
                raise exception.LocationDenied(
                    f'{spec.endpoint} is not the Glance that is configured'
                )
            return ours
        return self._access.service(auth, spec.endpoint)


def _one(location: Location) -> uris.Spec:
    spec = uris.parse(location.reveal())
    if not spec.image_id:
        raise exception.InvalidLocation(f'{location} names all images')
    return spec


_FIELDS = frozenset(
    (
        *('name', 'disk_format', 'container_format', 'visibility', 'owner'),
        *('min_disk', 'min_ram', 'protected', 'tags', 'os_hidden'),
    )
)
