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
import functools
import pathlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from oslo_image import exception, stores
from oslo_image.bench import rbd
from oslo_image.bench.cell import Cannot
from oslo_image.bench.places import PLACES, Enter, Missing, Place
from oslo_image.bench.shape import Shape
from oslo_image.bench.shared import PREFIX, Shared
from oslo_image.catalog import API
from oslo_image.move import options
from oslo_image.stores.glance.access import Access
from oslo_image.stores.glance.options import list_opts
from oslo_image.stores.registry import Stores


class GlanceImages(Shared):
    """Images in a Glance.

    :param config: with the catalogue ``glance``, and how it and its stores
        are reached.
    :param targets: where they are copied to.
    :param store: where in Glance the images lie; None is its default.
    :raises Missing: when no Glance is known by the configuration.
    """

    def __init__(
        self, config: Any, targets: Place, store: str | None = None
    ) -> None:
        super().__init__(config)
        self.targets = targets
        self._store = store
        found = _stores(config)
        reached = found.find(found.location('glance://any')).options
        self._known = {
            'catalog': 'glance',
            **{
                name: value
                for name in (one.dest for one in list_opts())
                if (value := getattr(reached, name)) is not None
            },
        }
        self._access = Access(reached)
        try:
            service = self._access.service()
            self.endpoint: str = service.endpoint
        except exception.ImageError as error:
            raise Missing(f'Glance: {error}') from error
        self._identity = service.identity

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

    @property
    def headers(self) -> Mapping[str, str]:
        """What shows who asks: a token, or nothing."""
        return self._identity.sign('GET', self.endpoint, {})

    def curl(self, image_id: str) -> str:
        """Return what tells curl to download an image."""
        fields = (f'{name}: {text}' for name, text in self.headers.items())
        return '\n'.join(
            (
                f'url = "{self.url(image_id)}/file"',
                *(f'header = "{one}"' for one in fields),
            )
        )

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

    def __enter__(self) -> Self:
        try:
            return super().__enter__()
        except exception.ImageError as error:
            raise Missing(f'Glance: {error}') from error

    def __exit__(self, *exc_info: object) -> None:
        try:
            super().__exit__(*exc_info)
        finally:
            self._access.close()

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


def configured(config: Any) -> Mapping[str, Enter]:
    """Return the places that a configuration adds, by name."""
    if config is None or _stores(config).conf.oslo_image.catalog != 'glance':
        return {}
    beside = {'file': PLACES['here'], **rbd.configured(config)}
    return {
        f'glance-{name}': functools.partial(_enter, config, enter)
        for name, enter in beside.items()
    }


@contextlib.contextmanager
def _enter(config: Any, beside: Enter, work: pathlib.Path) -> Iterator[Place]:
    own = work / 'glance'
    own.mkdir(exist_ok=True)
    with beside(own) as targets, GlanceImages(config, targets) as place:
        yield place


def _stores(config: Any) -> Stores:
    return Stores(config, options.list_opts())
