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


"""What the drivers that keep their records themselves have in common."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

from oslo_image import exception
from oslo_image.catalog import filters as filtering
from oslo_image.catalog import records
from oslo_image.catalog.base import Bits, Driver, check_id
from oslo_image.image import Image, Location


class Table(Protocol):
    """The records, within one transaction."""

    def find(self, image_id: str) -> Image | None:
        """Return a record, if there is one of this id."""

    def newest_first(self, after: Image | None) -> Iterator[Image]:
        """Yield the records by (created_at, id), descending."""

    def put(self, image: Image) -> None:
        """Store a record, or replace that of its id."""

    def drop(self, image_id: str) -> None:
        """Delete a record."""


class EmbeddedDriver(Driver):
    """A driver over two kinds of transactions; the rules are in ``records``.

    Leaving a transaction by an exception takes back what was done in it.
    """

    @abc.abstractmethod
    def _reading(self) -> contextlib.AbstractContextManager[Table]:
        """Begin to read; all that is read is of one moment."""

    @abc.abstractmethod
    def _writing(self) -> contextlib.AbstractContextManager[Table]:
        """Begin to read and write, alone."""

    def get_all(
        self,
        filters: Mapping[str, Any] | None = None,
        marker: str | None = None,
        limit: int | None = None,
    ) -> list[Image]:
        """Return the images, the newest first."""
        filtering.check(filters, limit)
        with self._reading() as table:
            after = None if marker is None else _found(table, marker)
            return filtering.page(table.newest_first(after), filters, limit)

    def get(self, image_id: str) -> Image:
        """Return an image."""
        with self._reading() as table:
            return _found(table, image_id)

    def create(self, image: Image) -> Image:
        """Record a new image."""
        new = records.created(image)
        with self._writing() as table:
            if table.find(str(new.id)) is not None:
                raise exception.DestinationExists(
                    f'there is an image {new.id} already'
                )
            table.put(new)
        return new

    def update(
        self,
        image_id: str,
        changes: Mapping[str, Any],
        *,
        remove: Collection[str] = (),
    ) -> Image:
        """Change an image."""
        with self._writing() as table:
            image = records.changed(_found(table, image_id), changes, remove)
            table.put(image)
        return image

    def delete(self, image_id: str) -> None:
        """Delete a record."""
        with self._writing() as table:
            check_unprotected(_found(table, image_id))
            table.drop(image_id)

    def add_location(
        self, image_id: str, location: Location, bits: Bits | None = None
    ) -> Image:
        """Record where the bits lie."""
        with self._writing() as table:
            image = records.located(_found(table, image_id), location, bits)
            table.put(image)
        return image

    def remove_location(self, image_id: str, location: Location) -> Image:
        """Forget a location."""
        with self._writing() as table:
            image = records.without(_found(table, image_id), location)
            table.put(image)
        return image


def check_unprotected(image: Image) -> None:
    """Raise when an image must not be deleted.

    :raises PermissionDenied:
    """
    if image.protected:
        raise exception.PermissionDenied(
            f'the image {image.id} is protected (update protected to False '
            'to delete it)'
        )


def _found(table: Table, image_id: str) -> Image:
    image = table.find(check_id(image_id))
    if image is None:
        raise exception.ImageNotFound(
            f'there is no image {image_id!r} in the catalogue'
        )
    return image
