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


"""The order of an image's locations: ties between equal offers end by it.

Glance's ``location_strategy`` and ``store_type_preference``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from oslo_image.image import Location

#: Schemes and Glance's types that go by another name here.
_ALIASES = {'filesystem': 'file', 'https': 'http'}


def preferred(
    locations: Iterable[Location], options: Any
) -> tuple[Location, ...]:
    """Return the locations in the configured order; it is a stable one.

    :param options: the values of the group ``oslo_image``.
    """
    if options.location_strategy != 'store_type':
        return tuple(locations)
    types: Sequence[str] = [
        _type(one) for one in options.store_type_preference
    ]

    def rank(location: Location) -> int:
        kind = _type(location.scheme)
        return types.index(kind) if kind in types else len(types)

    return tuple(sorted(locations, key=rank))


def _type(scheme: str) -> str:
    """Return the type of the store that serves a scheme (swift+https)."""
    plain = scheme.strip().lower().partition('+')[0]
    return _ALIASES.get(plain, plain)
