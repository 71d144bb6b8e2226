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

"""Open every location of an image, and see what is known of the sizes."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Self

from oslo_image import exception, plugins
from oslo_image.image import Image, Location
from oslo_image.move.plan import Refusal
from oslo_image.stores.base import Source
from oslo_image.stores.registry import Stores

LOG = logging.getLogger(__name__)


class Opened:
    """The sources of an image, opened; a context manager that closes them.

    :param stores: where its locations are opened.
    :param max_size: the most bytes that it may have.
    :param auth: the caller's own credentials.
    :raises TooLarge: above what the caller and the operator allow.
    """

    def __init__(
        self, image: Image, stores: Stores, *, max_size: int, auth: Any
    ) -> None:
        check_cap(image, max_size)
        self.sources: list[Source] = []
        #: The locations that gave none, and why.
        self.refusals: list[Refusal] = []
        self._errors: list[exception.ImageError] = []
        self._stack = contextlib.ExitStack()
        with self._stack:
            self._stack.callback(stores.close)
            for location in image.locations:
                self._open(location, image, stores, max_size, auth)
            self._stack = self._stack.pop_all()

    def _open(
        self,
        location: Location,
        image: Image,
        stores: Stores,
        max_size: int,
        auth: Any,
    ) -> None:
        try:
            store = stores.find(location)
            store.parse(location.reveal())
            source = store.open_source(location, auth=auth)
            self._stack.callback(source.close)
            check_source(image, source, max_size)
        except exception.TooLarge as error:
            error.annotate(source=location)
            raise
        except exception.ImageError as error:
            error.annotate(source=location, side='source')
            LOG.info('%s', error)
            self._errors.append(error)
            self.refusals.append(Refusal(None, location, error.message))
        except Exception as error:
            LOG.exception('the store of %s failed to open it', location)
            reason = f'its store failed ({plugins.told(error)})'
            self._errors.append(
                exception.SourceError(reason, source=location, side='source')
            )
            self.refusals.append(Refusal(None, location, reason))
        else:
            self.sources.append(source)

    def no_source(self, identity: str) -> exception.ImageError:
        """Return the error to raise when no location gave a source.

        Not found only when every location said so: who may come back later,
        or was denied, has not lost the image. When the service itself was not
        to be asked, that is said first: the caller may ask it.
        """
        errors = sorted(
            self._errors,
            key=lambda one: not isinstance(one, exception.ImageInvalidApi),
        )
        for error in errors:
            if not isinstance(error, exception.ImageNotFound):
                break
        else:
            error = (
                errors[0]
                if len(errors) == 1
                else _not_found(identity, len(errors))
            )
        for other in errors:
            if other is not error:
                error.add_note(str(other))
        return error

    def close(self) -> None:
        """Close the sources, and the connections behind them."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def check_cap(image: Image, max_size: int) -> None:
    """Compare the declared sizes with what is allowed.

    :raises TooLarge:
    """
    for size in (image.size, image.virtual_size):
        if size is not None and size > max_size:
            raise exception.TooLarge(
                f'{size} bytes are more than the allowed {max_size}'
            )


def check_source(image: Image, source: Source, max_size: int) -> None:
    """Compare a source's size with the declared one and what is allowed.

    :raises TooLarge:
    :raises SizeMismatch: when the source has not the declared size.
    """
    if source.size is None:
        return
    if image.size not in (None, source.size):
        raise exception.SizeMismatch(
            f'it has {source.size} bytes and the image {image.size}',
            side='source',
        )
    if source.size > max_size:
        raise exception.TooLarge(
            f'{source.size} bytes are more than the allowed {max_size}'
        )


def _not_found(identity: str, count: int) -> exception.ImageNotFound:
    return exception.ImageNotFound(
        f'none of the {count} locations of {identity} holds its bits'
        if count
        else f'{identity} has no location to read it from'
    )
