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


"""The image API, in the shape of Nova's: list, show, create, copy, …"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from oslo_image import exception
from oslo_image.catalog import records, registry
from oslo_image.catalog.base import check_id
from oslo_image.catalog.bits import BitsKeeper
from oslo_image.catalog.embedded import check_unprotected
from oslo_image.image import Image, Location
from oslo_image.move import options
from oslo_image.move.mover import Mover
from oslo_image.move.result import CopyResult
from oslo_image.stores.registry import Stores


class API:
    """Images by id, over the configured catalogue. Making one touches nothing.

    :param config: as for :class:`oslo_image.move.Mover`.
    :param auth: the caller's own credentials, for the catalogue and stores.
    :raises InvalidOption: for a configuration that cannot be.
    """

    def __init__(self, config: Any = None, *, auth: Any = None) -> None:
        stores = Stores(config, options.list_opts())
        self._config = config
        self._auth = auth
        self._stores = stores
        self._driver = registry.load(stores.conf, auth)
        self._bits = BitsKeeper(config, stores, auth)

    def get_all(
        self,
        filters: Mapping[str, Any] | None = None,
        marker: str | None = None,
        limit: int | None = None,
    ) -> list[Image]:
        """Return the images, the newest first.

        :param filters: see :meth:`oslo_image.catalog.base.Driver.get_all`.
        :param marker: the id of the last image of the page before.
        :param limit: how many at most; None is all.
        :raises ImageNotFound: when there is no image of the marker's id.
        """
        return self._driver.get_all(filters, marker, limit)

    def get(self, image_id: str) -> Image:
        """Return an image.

        :raises ImageNotFound:
        """
        return self._driver.get(image_id)

    def create(
        self,
        record: Mapping[str, Any] | Image | None = None,
        *,
        data: Any = None,
        **copying: Any,
    ) -> Image:
        """Record a new image, and store its bits if there are any.

        They are read once; size, MD5 and SHA-512 are recorded. Digests that
        the record declares are checked. On a failure neither record nor bits
        are left.

        :param record: shaped like Glance v2's image; other keys are custom
            properties. Without an id one is made.
        :param data: a path, a URI, bytes, a binary reader, or a callable
            without arguments that returns a reader or an iterator of bytes.
        :param copying: as :meth:`oslo_image.move.Mover.copy` takes it, but
            ``verify`` and ``verifier``, which are ours.
        :raises DestinationExists: when the id is taken.
        :raises InvalidOption: for a field that cannot be so.
        """
        if not isinstance(record, Image):
            record = records.asked(record or {})
        image = self._driver.create(record)
        if data is None:
            return image
        try:
            return self._fill(image, data, copying, contextlib.nullcontext())
        except BaseException as error:
            self._forget(image, error)
            raise

    def update(
        self,
        image_id: str,
        changes: Mapping[str, Any] | None = None,
        *,
        remove: Collection[str] = (),
        data: Any = None,
        **copying: Any,
    ) -> Image:
        """Change a record, or give an image without bits its bits.

        On a failure the record is as it was, and there are no bits.

        :param changes: new values by name; a name that is no field's is a
            custom property's. ``properties`` replaces all of them.
        :param remove: the custom properties to remove.
        :param data: as for :meth:`create`.
        :raises ImageNotFound:
        :raises DestinationExists: when the image has bits.
        :raises InvalidOption: for what cannot be, or cannot be changed.
        """
        if data is None:
            return self._driver.update(image_id, changes or {}, remove=remove)
        image = self._driver.get(image_id)
        if image.locations or image.status != 'queued':
            raise exception.DestinationExists(
                f'the image {image_id} is {image.status}: it has its bits'
            )
        wanted = records.changed(image, changes or {}, remove)
        if self._driver.home(image) is None:
            self._bits.remove_abandoned(
                image_id, lambda: bool(self._driver.get(image_id).locations)
            )
        changing = self._changing(image, changes or {}, remove)
        return self._fill(wanted, data, copying, changing)

    def delete(self, image_id: str) -> None:
        """Delete an image: its own bits, never external ones, its record.

        Where bits cannot be deleted, the image stays with what is left.

        :raises ImageNotFound:
        :raises PermissionDenied: when it is protected.
        :raises InUse: when something depends on its bits.
        """
        image = self._driver.get(image_id)
        check_unprotected(image)
        if self._driver.home(image) is None:
            own = [one for one in image.locations if not one.external]
            for location in own:
                self._bits.delete_own(image, location)
                if location is not own[-1]:
                    self._driver.remove_location(image_id, location)
            # Not recorded yet, where a copy to it was killed.
            self._bits.delete_own(image, self._bits.place(image_id))
        self._driver.delete(image_id)

    def copy(
        self,
        image_id_or_uri: str,
        stream_writer: Any,
        *,
        location: str | None = None,
        **copying: Any,
    ) -> CopyResult:
        """Move an image to a writer by the cheapest path.

        :param location: the name of the location to take; None: any.
        :param copying: as :meth:`oslo_image.move.Mover.copy` takes it.
        :returns: a result that unpacks to (success, bytes_written).
        :raises ImageNotFound: for an id that there is not, or a name.
        :raises: as :class:`~oslo_image.move.Mover` and its ``copy`` do.
        """
        mover = Mover(
            image_id_or_uri,
            self._config,
            auth=self._auth,
            location=location,
            catalog=self._driver,
        )
        return mover.copy(stream_writer, **copying)

    def add_location(
        self,
        image_id: str,
        url: str,
        *,
        name: str | None = None,
        external: bool = True,
        metadata: Mapping[str, Any] | None = None,
        **copying: Any,
    ) -> Image:
        """Register a URI at which an image's bits lie.

        They are read once, under the rules for locations of a catalogue, so
        that size and digests are recorded, or compared with those recorded.

        :param name: by which a copy may ask for this location.
        :param external: False to have the bits deleted with the image.
        :param metadata: what Glance keeps beside it (``store``).
        :raises DestinationExists: when the image has this URI, or the name.
        :raises InvalidOption: when ``external`` is wrong of a file in the
            catalogue's own store.
        :raises LocationDenied: when policy forbids it in a catalogue.
        :raises IntegrityError: when the bits are not the image's.
        """
        image = self._driver.get(image_id)
        location = dataclasses.replace(
            self._stores.location(url, trusted=False),
            metadata=dict(metadata or {}),
            name=name,
            external=external,
        )
        self._bits.check_owner(image_id, location)
        bits = self._bits.measure(image, location, **copying)
        return self._driver.add_location(image_id, location, bits)

    def remove_location(self, image_id: str, name_or_url: str) -> Image:
        """Forget a location; its bits too, unless they are external.

        The bits go first: what failed half-way is ended by another call.

        :raises ImageNotFound: when the image has no such location.
        :raises PermissionDenied: when a protected image would lose bits.
        """
        url = name_or_url
        if '://' in url:
            url = self._stores.location(url).reveal()
        image = self._driver.get(image_id)
        for location in image.locations:
            if name_or_url == location.name or url == location.reveal():
                if location.external:
                    break
                check_unprotected(image)
                # A service that keeps the bits itself deletes them itself.
                if self._driver.home(image) is None:
                    self._bits.delete_own(image, location)
                break
        else:
            location = Location(url)
        return self._driver.remove_location(image_id, location)

    def _fill(
        self,
        image: Image,
        data: Any,
        copying: Mapping[str, Any],
        changing: contextlib.AbstractContextManager[None],
    ) -> Image:
        """Store the bits of an image that has none; all or nothing.

        :param changing: in which they are recorded.
        """
        image_id = check_id(str(image.id))
        if (home := self._driver.home(image)) is not None:
            with changing:
                self._bits.send(image, data, home, **copying)
            return self._driver.get(image_id)
        stored = self._bits.stored(image, data, **copying)
        with stored as (place, bits), changing:
            try:
                return self._driver.add_location(image_id, place, bits)
            except BaseException as error:
                with _noting(error, f'the location {place} is left'):
                    self._driver.remove_location(image_id, place)
                raise

    @contextlib.contextmanager
    def _changing(
        self, image: Image, changes: Mapping[str, Any], remove: Collection[str]
    ) -> Iterator[None]:
        """Change a record; leaving by an exception takes that back."""
        image_id = str(image.id)
        if changes or remove:
            self._driver.update(image_id, changes, remove=remove)
        try:
            yield
        except BaseException as error:
            before, new = records.undone(image, changes, remove)
            if changes or remove:
                with _noting(error, f'the record {image_id} stays changed'):
                    self._driver.update(image_id, before, remove=new)
            raise

    def _forget(self, image: Image, error: BaseException) -> None:
        """Take back the record of an image whose bits did not come."""
        image_id = str(image.id)
        with _noting(error, f'the record {image_id} is left'):
            if image.protected:
                self._driver.update(image_id, {'protected': False})
            self._driver.delete(image_id)


@contextlib.contextmanager
def _noting(error: BaseException, left: str) -> Iterator[None]:
    """Add to an error what could not be taken back after it."""
    try:
        yield
    except exception.ImageNotFound:
        pass
    except exception.ImageError as kept:
        error.add_note(f'{left}: {kept}')
