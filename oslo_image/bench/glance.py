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

"""Images of a Glance as a place, and beside it where they are copied to."""

from __future__ import annotations

import contextlib
import copy
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from oslo_image import exception, stores
from oslo_image.bench.cell import Cannot
from oslo_image.bench.places import Place
from oslo_image.bench.shape import Shape
from oslo_image.bench.shared import PREFIX, Shared
from oslo_image.catalog import API


class GlanceImages(Shared):
    """Images in one store of a Glance that asks for no credentials.

    :param endpoint: Glance's.
    :param store: where in Glance the images lie.
    :param targets: where they are copied to.
    :param config: how Glance's stores are reached.
    """

    def __init__(
        self,
        endpoint: str,
        store: str,
        targets: Place,
        config: Mapping[str, Any],
    ) -> None:
        self.endpoint = endpoint
        self.targets = targets
        self._known = {'catalog': 'glance', 'glance_endpoint': endpoint}
        super().__init__({**self._known, **config})
        self._store = store

    def make(self, shape: Shape) -> str:
        """Upload an image; return its id, which is no URI."""
        made = self.image()
        with stores.open_writer(
            f'glance://{made}',
            self.config,
            size=shape.size,
            store=self._store,
            name=self.name(),
            tags=[PREFIX.rstrip('.')],
        ) as writer:
            shape.send(writer)
            writer.commit()
        return made

    @staticmethod
    def image() -> str:
        """Return the id of an image that is not there."""
        return str(uuid.uuid4())

    def forgotten(self, before: float) -> Iterable[str]:
        """Return the ids of the images of killed runs."""
        tag = PREFIX.rstrip('.')
        for image in API(self.config).get_all({'tag': tag}):
            made = image.created_at
            if made is not None and made.timestamp() < before:
                yield str(image.id)

    def by_api(self) -> GlanceImages:
        """Return the same images, for who cannot reach Glance's stores."""
        found = copy.copy(self)
        found.config = self._known
        return found

    def url(self, image_id: str) -> str:
        """Return where the API has an image's record."""
        return f'{self.endpoint}/v2/images/{image_id}'

    def target(self) -> str:
        """Return a URI where nothing is."""
        return self.targets.target()

    def discard(self, target: str) -> None:
        """Take away what was copied."""
        self.targets.discard(target)

    def compare(self, target: str, shape: Shape) -> None:
        """Compare every byte of a copy with its image."""
        self.targets.compare(target, shape)

    def forget(self, image: str) -> None:
        """Delete an image."""
        with contextlib.suppress(exception.ImageNotFound):
            stores.delete(f'glance://{image}', self.config)


def at(place: Place) -> GlanceImages:
    """Return the Glance that an end of a job is.

    :raises Cannot: when it is none.
    """
    if not isinstance(place, GlanceImages):
        raise Cannot('it is not in Glance')
    return place
