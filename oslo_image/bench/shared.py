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

"""A place at a server that others use too."""

from __future__ import annotations

import abc
import itertools
import logging
import secrets
import time
from collections.abc import Iterable
from typing import Any, Self

from oslo_image.bench import failures
from oslo_image.bench.places import Place
from oslo_image.bench.shape import Shape

LOG = logging.getLogger(__name__)

#: What the names of all that is made there begin with.
PREFIX = 'oslo-image.bench.'
#: Seconds after which nobody works with it any more.
_OLD = 86400


class Shared(Place):
    """A pool, a bucket, a container or a Glance; a context manager.

    Only what is of this run is touched: it bears a name that nobody else has,
    and is gone afterwards. What a killed run left is removed by the next one
    that begins a day later or more.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self._prefix = f'{PREFIX}{secrets.token_hex(4)}'
        self._numbers = itertools.count()
        self._images: dict[Shape, str] = {}

    def put(self, shape: Shape) -> str:
        """Make an image, if this run has not made it yet."""
        if shape not in self._images:
            self._images[shape] = self.make(shape)
        return self._images[shape]

    @abc.abstractmethod
    def make(self, shape: Shape) -> str:
        """Make an image; return its URI."""

    @abc.abstractmethod
    def forgotten(self, before: float) -> Iterable[str]:
        """Return the URIs of what a run made and nobody changed since.

        :param before: seconds of the epoch.
        """

    def forget(self, image: str) -> None:
        """Remove an image that was made."""
        self.discard(image)

    def name(self) -> str:
        """Return a name that was never used."""
        return f'{self._prefix}.{next(self._numbers)}'

    def __enter__(self) -> Self:
        for one in list(self.forgotten(time.time() - _OLD)):
            try:
                self.forget(one)
            except Exception as error:  # noqa: BLE001 - any library's
                LOG.warning(
                    '%s, which a killed benchmark left, stays: %s',
                    *(one, failures.reason(error)),
                )
        return self

    def __exit__(self, *exc_info: object) -> None:
        while self._images:
            _, made = self._images.popitem()
            self.forget(made)
