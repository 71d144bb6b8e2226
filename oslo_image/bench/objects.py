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

"""A place for objects: a bucket, or a container."""

from __future__ import annotations

import abc
import itertools
import secrets
from typing import Any, Self

from oslo_image import stores
from oslo_image.bench.places import Place
from oslo_image.bench.shape import Shape


class Objects(Place):
    """What a configuration names; a context manager.

    Only objects of this run are touched: all bear a name that nobody else
    has, and are gone afterwards.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self._prefix = f'oslo-image.bench.{secrets.token_hex(4)}'
        self._numbers = itertools.count()
        self._images: dict[Shape, str] = {}

    @abc.abstractmethod
    def uri(self, name: str) -> str:
        """Return the URI of an object."""

    def put(self, shape: Shape) -> str:
        """Make an object."""
        if shape not in self._images:
            made = self.target()
            with stores.open_writer(
                made, self.config, size=shape.size
            ) as writer:
                shape.send(writer)
                writer.commit()
            self._images[shape] = made
        return self._images[shape]

    def target(self) -> str:
        """Return the URI of an object that is not there."""
        return self.uri(f'{self._prefix}.{next(self._numbers)}')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        while self._images:
            _, made = self._images.popitem()
            self.discard(made)
