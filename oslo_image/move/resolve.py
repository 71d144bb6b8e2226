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

"""From what the caller names to the locations of the bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from oslo_image import exception
from oslo_image.catalog import options, registry
from oslo_image.catalog.base import Driver
from oslo_image.image import Image, Location, unique
from oslo_image.move.preference import preferred
from oslo_image.stores.registry import Stores


def resolve(
    image_id_or_uri: str,
    stores: Stores,
    image: Mapping[str, Any] | Image | None,
    data: Callable[[], Any] | None,
    *,
    name: str | None = None,
    auth: Any = None,
    catalog: Driver | None = None,
) -> Image:
    """Return the image with its locations in order.

    A URI is its own location, the first and a trusted one; those of ``image``
    follow, untrusted, in the configured order. An id without ``image`` and
    ``data`` is asked of the catalogue; where its service has the bits itself,
    that is the last location.

    :param name: that of the only location to use.
    :param catalog: the catalogue, if not the configured one.
    :raises ImageNotFound: for an id that nothing is known of, or a name.
    :raises InvalidLocation, UnknownScheme: for a URI that cannot be used.
    """
    if not isinstance(image_id_or_uri, str) or not image_id_or_uri:
        raise exception.InvalidLocation(
            f'an image is named by its id or a URI, not {image_id_or_uri!r}'
        )
    own: tuple[Location, ...] = ()
    home: Location | None = None
    if isinstance(image, Image):
        known = image
    elif image is None or isinstance(image, Mapping):
        known = Image.from_mapping(image or {})
    else:
        raise exception.InvalidOption(
            "image= is an Image or a mapping as of Glance v2's, not "
            f'{type(image).__name__}'
        )
    if '://' in image_id_or_uri:
        own = (stores.location(image_id_or_uri),)
    elif image is None and data is None:
        driver = catalog or registry.load(stores.conf, auth)
        known = registry.lookup(driver, image_id_or_uri)
        home = driver.home(known)
    order = preferred(
        (dataclasses.replace(one, trusted=False) for one in known.locations),
        stores.conf[options.GROUP],
    )
    found = dataclasses.replace(
        known,
        id=known.id or (None if own else image_id_or_uri),
        locations=unique((*own, *order, *([home] if home else ()))),
    )
    return found if name is None else _only(found, name)


def _only(image: Image, name: str) -> Image:
    """Return the image with the location of a name, and no other."""
    named = {one.name: one for one in image.locations if one.name is not None}
    if name not in named:
        there = ', '.join(sorted(named)) or 'none with a name'
        raise exception.ImageNotFound(
            f'the image {image.id or ""} has no location {name!r}; there is '
            f'{there}'
        )
    return dataclasses.replace(image, locations=(named[name],))
