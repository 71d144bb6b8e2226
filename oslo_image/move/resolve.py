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

from oslo_image import exception, masking
from oslo_image.image import Image, unique
from oslo_image.stores.registry import Stores


def resolve(
    image_id_or_uri: str,
    stores: Stores,
    image: Mapping[str, Any] | None,
    data: Callable[[], Any] | None,
) -> Image:
    """Return the image with its locations in order.

    A URI is its own location, the first and a trusted one; those of ``image``
    follow, untrusted. An id without ``image`` and ``data`` would be asked of
    the catalogue.

    :raises ImageNotFound: for an id that nothing is known of.
    :raises InvalidLocation, UnknownScheme: for a URI that cannot be used.
    """
    if not isinstance(image_id_or_uri, str) or not image_id_or_uri:
        raise exception.InvalidLocation(
            f'an image is named by its id or a URI, not {image_id_or_uri!r}'
        )
    if image is not None and not isinstance(image, Mapping):
        raise exception.InvalidOption(
            f'image= is a mapping as of Glance v2, not {type(image).__name__}'
        )
    known = Image.from_mapping(image or {})
    if '://' in image_id_or_uri:
        own = stores.location(image_id_or_uri)
        return dataclasses.replace(
            known, locations=unique((own, *known.locations))
        )
    if image is None and data is None:
        raise exception.ImageNotFound(
            f'no image {masking.mask_uri(image_id_or_uri)!r} is known: there '
            'is no catalogue to ask, and neither image= nor data= was given'
        )
    return dataclasses.replace(known, id=known.id or image_id_or_uri)
