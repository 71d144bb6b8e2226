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

"""The driver of Glance: records there are Glance's, and so are their bits."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Collection, Mapping
from typing import Any

from oslo_image import exception
from oslo_image.catalog import filters as filtering
from oslo_image.catalog import records
from oslo_image.catalog.base import Bits, Driver, check_id
from oslo_image.catalog.glance import listing, locating, shape
from oslo_image.image import Image, Location
from oslo_image.stores.glance import locations
from oslo_image.stores.glance.access import Access
from oslo_image.stores.glance.service import Service


class GlanceDriver(Driver):
    """Keeps the records in Glance.

    Glance has no transactions that span a reading and a writing: of changes
    to one image at once, each of which saves all of it, one may be lost. Those
    of one driver go one after the other. What Glance refuses, such as removing
    the last location, is PermissionDenied.

    :param auth: a session, adapter or plugin of keystoneauth1, or a token.
    """

    group = 'glance_store'

    def __init__(self, options: Any, *, auth: Any = None) -> None:
        super().__init__(options, auth=auth)
        self._access = Access(options)
        # By process: who held it at a fork is not there to let go of it.
        self._locks: dict[int, threading.Lock] = {}

    @property
    def _changing(self) -> threading.Lock:
        return self._locks.setdefault(os.getpid(), threading.Lock())

    @property
    def _service(self) -> Service:
        return self._access.service(self.auth)

    def home(self, image: Image) -> Location | None:
        """Return where Glance's API takes an image's bits, and gives them."""
        return self._access.home(image, self.auth)

    def get_all(
        self,
        filters: Mapping[str, Any] | None = None,
        marker: str | None = None,
        limit: int | None = None,
    ) -> list[Image]:
        """Return the images, the newest first.

        :param filters: also ``member_status``, Glance's own: "accepted",
            "pending", "rejected" or "all" of the images shared with us.
        """
        filtering.check(filters, limit)
        asked = dict(filters or {})
        after = None if marker is None else self._get(marker)
        found = listing.newest_first(self._service, asked, after, limit)
        # What is found does not say it.
        shown = {n: v for n, v in asked.items() if n != 'member_status'}
        return filtering.page(found, shown, limit)

    def get(self, image_id: str) -> Image:
        """Return an image.

        Its locations are those that Glance shows with it; else those that it
        shows to services; else the one that it shows as direct_url.
        """
        service = self._service
        record = service.show(check_id(image_id))
        if 'locations' not in record and not service.hides_locations:
            record['locations'] = locations.read(service, image_id) or []
        return shape.image_of(record)

    def create(self, image: Image) -> Image:
        """Record a new image.

        Glance records no size and digests of bits that are to come, so they
        are returned as they were given, and not recorded.
        """
        new = records.created(image)
        service = self._service
        reply = service.ask('POST', '/images', shape.made(new))
        if reply.status == 409:
            raise exception.DestinationExists(
                f'there is, or was, an image {new.id} already'
            )
        if reply.status == 404:
            raise service.absent(str(new.id), 'catalogue')
        return dataclasses.replace(
            shape.image_of(service.record(reply)),
            size=new.size,
            checksum=new.checksum,
            os_hash_algo=new.os_hash_algo,
            os_hash_value=new.os_hash_value,
        )

    def update(
        self,
        image_id: str,
        changes: Mapping[str, Any],
        *,
        remove: Collection[str] = (),
    ) -> Image:
        """Change an image; its status to and from "deactivated" only.

        When its status cannot be changed, the rest is taken back.
        """
        with self._changing:
            image = self._get(image_id)
            rest = {n: v for n, v in changes.items() if n != 'status'}
            wanted = records.changed(image, rest, remove)
            status = changes.get('status', image.status)
            action = _action(image, status)
            self._patch(image, wanted)
            if action is not None:
                try:
                    self._act(image_id, action)
                except BaseException as error:
                    self._take_back(image, wanted, error)
                    raise
            return self.get(image_id)

    def _patch(self, before: Image, after: Image) -> None:
        if steps := shape.patch(before, after):
            service = self._service
            service.record(service.patch(str(before.id), steps))

    def _take_back(
        self, before: Image, after: Image, error: BaseException
    ) -> None:
        try:
            self._patch(after, before)
        except exception.ImageError as kept:
            error.add_note(f'the record {before.id} stays changed: {kept}')

    def _act(self, image_id: str, action: str) -> None:
        service = self._service
        reply = service.ask('POST', f'/images/{image_id}/actions/{action}')
        if reply.status != 204:
            raise service.error(reply, 'catalogue')

    def delete(self, image_id: str) -> None:
        """Delete an image, its bits too."""
        service = self._service
        path = f'/images/{check_id(image_id)}'
        reply = service.ask('DELETE', path)
        if reply.status == 404:
            raise service.absent(image_id, 'catalogue')
        if reply.status != 204:
            raise service.error(reply, 'catalogue')

    def add_location(
        self, image_id: str, location: Location, bits: Bits | None = None
    ) -> Image:
        """Record where the bits lie; Glance looks there for their size.

        A name and the external flag are kept in the location's metadata.
        """
        with self._changing:
            image = self.get(image_id)
            records.located(image, location, bits)
            locating.add(self._service, image, location, bits)
            return self.get(image_id)

    def remove_location(self, image_id: str, location: Location) -> Image:
        """Forget a location, which is not the last one.

        Glance deletes the bits in its own stores with it, so an external
        location there stays.
        """
        with self._changing:
            image = self.get(image_id)
            records.without(image, location)
            locating.remove(self._service, image, location)
            return self.get(image_id)

    def _get(self, image_id: str) -> Image:
        """Return an image, no matter where it lies."""
        return shape.image_of(self._service.show(check_id(image_id)))


def _action(image: Image, status: Any) -> str | None:
    """Return by which of Glance's actions an image gets a status.

    :raises InvalidOption: when there is none.
    """
    records.checked(dataclasses.replace(image, status=status))
    if status == image.status:
        return None
    if status == 'active' and image.status != 'deactivated':
        raise exception.InvalidOption(
            'an image without a location cannot be active'
        )
    action = {'deactivated': 'deactivate', 'active': 'reactivate'}.get(status)
    if action is None:
        raise exception.InvalidOption(
            f"an image's status in Glance is not set to {status!r}"
        )
    return action
