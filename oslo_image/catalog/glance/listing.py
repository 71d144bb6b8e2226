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

"""Lists of images, page by page, in the order that the contract asks for.

Glance sorts by times finer than the seconds that it shows. So the images of
one second are sorted again here, by id, and a page begins behind its marker by
asking for that second and all before it.
"""

from __future__ import annotations

import datetime
import heapq
import itertools
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, Final

from oslo_image.catalog.glance import shape
from oslo_image.image import Image
from oslo_image.stores.glance.service import Service

#: Images asked for at once.
PAGE: Final = 100
#: What Glance itself can look for; the rest is looked through here.
_ASKED: Final = ('id', 'name', 'status', 'disk_format', 'container_format')
_SIZES: Final = ('size_min', 'size_max')


def newest_first(
    service: Service,
    filters: Mapping[str, Any],
    after: Image | None,
    limit: int | None,
) -> Iterator[Image]:
    """Yield the images that may pass the filters, behind a marker."""
    hidden = filters.get('os_hidden', False)
    asked = hidden if _many(hidden) else [hidden]
    pages = [
        _in_order(service, {**_query(filters, after), **more}, limit)
        for more in (
            {'os_hidden': 'true' if one else 'false'} for one in set(asked)
        )
    ]
    for image in heapq.merge(*pages, key=_rank, reverse=True):
        if after is None or _rank(image) < _rank(after):
            yield image


def _in_order(
    service: Service, query: Mapping[str, Any], limit: int | None
) -> Iterator[Image]:
    for _, group in itertools.groupby(
        _pages(service, query, limit), key=lambda image: image.created_at
    ):
        yield from sorted(group, key=_rank, reverse=True)


def _pages(
    service: Service, query: Mapping[str, Any], limit: int | None
) -> Iterator[Image]:
    size = PAGE if limit is None else min(PAGE, limit + 1)
    asked = {**query, 'limit': size, 'sort': 'created_at:desc,id:desc'}
    while True:
        found, more = service.page(urllib.parse.urlencode(asked, doseq=True))
        for record in found:
            yield shape.image_of(record)
        if not more:
            return
        asked['marker'] = found[-1]['id']


def _query(filters: Mapping[str, Any], after: Image | None) -> dict[str, Any]:
    query: dict[str, Any] = {}
    for name in _ASKED:
        if (wanted := filters.get(name)) is not None:
            values = list(wanted) if _many(wanted) else [wanted]
            if all(map(_can_be_quoted, values)):
                query[name] = 'in:' + ','.join(f'"{one}"' for one in values)
    for name in _SIZES:
        if name in filters:
            query[name] = filters[name]
    if 'tag' in filters:
        query['tag'] = filters['tag']
    for name in ('owner', 'member_status'):
        if isinstance(filters.get(name), str):
            query[name] = filters[name]
    if (visible := filters.get('visibility')) is not None:
        # By default those of a whole community are left out.
        query['visibility'] = 'all' if _many(visible) else visible
    if after is not None and after.created_at is not None:
        until = after.created_at + datetime.timedelta(seconds=1)
        query['created_at'] = f'lt:{until:%Y-%m-%dT%H:%M:%SZ}'
    return query


def _many(wanted: Any) -> bool:
    return isinstance(wanted, list | tuple | set | frozenset)


def _can_be_quoted(value: Any) -> bool:
    """Tell whether Glance would find a text, which it does not unescape."""
    return isinstance(value, str) and not {'"', '\\'} & {*value}


def _rank(image: Image) -> tuple[Any, ...]:
    return image.created_at, image.id
