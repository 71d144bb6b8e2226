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


"""Which images a list shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from oslo_image import exception
from oslo_image.catalog.records import check_text
from oslo_image.image import FIELDS, Image

_SIZES = ('size_min', 'size_max')
_NOT_BY = frozenset({'locations', 'properties', 'tags'})


def page(
    images: Iterable[Image],
    filters: Mapping[str, Any] | None,
    limit: int | None,
) -> list[Image]:
    """Return the first images that pass, at most ``limit`` of them.

    :param filters: as :meth:`oslo_image.catalog.base.Driver.get_all` has it.
    """
    found: list[Image] = []
    for image in images if limit != 0 else ():
        if _passes(image, {'os_hidden': False, **(filters or {})}):
            found.append(image)
            if len(found) == limit:
                break
    return found


def check(filters: Mapping[str, Any] | None, limit: int | None) -> None:
    """Raise what stands against a question.

    :raises InvalidOption:
    """
    if limit is not None and not (type(limit) is int and limit >= 0):
        raise exception.InvalidOption(
            f'limit is a number and not below 0, not {limit!r}'
        )
    if wrong := _NOT_BY & (filters or {}).keys():
        raise exception.InvalidOption(
            f'images are not found by {", ".join(sorted(wrong))}'
        )
    for name, wanted in (filters or {}).items():
        check_text(name)
        for one in wanted if _many(wanted) else [wanted]:
            check_text(one)
            if name in _SIZES and (_many(wanted) or type(one) is not int):
                raise exception.InvalidOption(
                    f'{name} is a number of bytes, not {wanted!r}'
                )
            if name == 'tag' and not isinstance(one, str):
                raise exception.InvalidOption(f'a tag is text, not {one!r}')


def _many(wanted: Any) -> bool:
    return isinstance(wanted, list | tuple | set | frozenset)


def _passes(image: Image, filters: Mapping[str, Any]) -> bool:
    for name, wanted in filters.items():
        many = _many(wanted)
        if name == 'tag':
            if not set(wanted if many else [wanted]) <= set(image.tags):
                return False
        elif name in _SIZES:
            if image.size is None:
                return False
            low = name == 'size_min'
            if image.size < wanted if low else image.size > wanted:
                return False
        else:
            value = (
                getattr(image, name)
                if name in FIELDS
                else image.properties.get(name)
            )
            if value not in (wanted if many else (wanted,)):
                return False
    return True
