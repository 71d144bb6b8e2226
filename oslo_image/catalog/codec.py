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


"""A record as text, and back."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any, Final

from oslo_image import exception
from oslo_image.image import Image, Location

_TIMES: Final = ('created_at', 'updated_at')


def encode(image: Image) -> str:
    """Return a record as JSON, with the secrets in its locations.

    :raises InvalidOption: when a location's metadata cannot be written so.
    """
    fields = dataclasses.asdict(image)
    for name in _TIMES:
        if fields[name] is not None:
            fields[name] = fields[name].isoformat()
    for location in fields['locations']:
        del location['trusted']
    try:
        return json.dumps(fields, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise exception.InvalidOption(
            f'the record cannot be written: {error}'
        ) from error


def decode(text: str) -> Image:
    """Return the record of a text; its locations are untrusted.

    :raises CatalogError: when it is not what :func:`encode` makes.
    """
    try:
        fields: dict[str, Any] = json.loads(text)
        for name in _TIMES:
            if fields[name] is not None:
                fields[name] = datetime.datetime.fromisoformat(fields[name])
        fields['locations'] = tuple(
            Location(**location) for location in fields['locations']
        )
        fields['tags'] = tuple(fields['tags'])
        return Image(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # What json says of a text holds the text, and so perhaps a secret.
        raise exception.CatalogError(
            f'a record cannot be read ({type(error).__name__})'
        ) from None
