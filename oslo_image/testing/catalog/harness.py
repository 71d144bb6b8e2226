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


"""What the suite makes of a driver, and how it looks at it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import pytest

from oslo_image import exception
from oslo_image.catalog.base import Bits, Driver
from oslo_image.image import Image, Location

Make = Callable[..., Image]
ABSENT = '00000000-0000-4000-8000-000000000000'
THREADS = 8
#: What a service behind a driver may refuse, with PermissionDenied.
CAPABILITIES = {
    'emptying': 'removing the last location of an image',
    'deactivated': 'adding a location to a deactivated image',
}


def bits(content: bytes) -> Bits:
    """Return what reading these bytes finds."""
    return Bits(
        len(content),
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
        'sha512',
        hashlib.sha512(content).hexdigest(),
    )


class DriverTests:
    """Base of the suite's parts: what they make, and how they look.

    ``lacks`` maps what the service refuses, in the words of
    :data:`CAPABILITIES`, to the reason.
    """

    lacks: ClassVar[Mapping[str, str]] = {}

    #: A service that looks at what a location names overrides this.
    content = b'the bits of an image'

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for word, reason in cls.lacks.items():
            if word not in CAPABILITIES or not reason.strip():
                raise TypeError(
                    f'{cls.__name__}.lacks: {word!r} must be one of '
                    f'{", ".join(CAPABILITIES)} and have a reason'
                )

    @pytest.fixture
    def driver(self) -> Driver:
        """Return the driver at work; every subclass says how."""
        raise NotImplementedError('a conformance test wants a driver fixture')

    @pytest.fixture
    def location(self) -> Callable[[str], Location]:
        """Return what makes a location of a name; ``content`` lies there."""
        return lambda name: Location(
            f'https://images.example.org/{name}', name=name, external=True
        )

    @pytest.fixture
    def tag(self) -> str:
        """Return the tag of the images that this test makes."""
        return f'test-{uuid.uuid4()}'

    @pytest.fixture
    def make(self, driver: Driver, tag: str) -> Iterable[Make]:
        """Return what records an image; all are deleted afterwards."""
        made: list[str] = []

        def make(**fields: Any) -> Image:
            fields = {
                'disk_format': 'raw',
                'container_format': 'bare',
                **fields,
                'tags': (*fields.get('tags', ()), tag),
            }
            image = driver.create(Image(**fields))
            made.append(str(image.id))
            return image

        yield make
        for image_id in made:
            try:
                driver.update(image_id, {'protected': False})
                driver.delete(image_id)
            except exception.ImageNotFound:
                pass

    def ids(self, driver: Driver, tag: str, *args: Any, **filters: Any) -> Any:
        """Return the ids of a list of this test's images."""
        found = driver.get_all({'tag': tag, **filters}, *args)
        return [image.id for image in found]
