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

"""Move an image: resolve, negotiate, move, verify, commit."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oslo_image import exception, masking
from oslo_image.catalog.base import Driver
from oslo_image.catalog.options import datadir
from oslo_image.image import Image
from oslo_image.move import options, strategies
from oslo_image.move.attempt import Terms
from oslo_image.move.data import LOCATION as DATA
from oslo_image.move.data import DataSource
from oslo_image.move.destination import adapt
from oslo_image.move.needs import Fed, Needs
from oslo_image.move.negotiation import negotiate
from oslo_image.move.opening import Opened
from oslo_image.move.pipe import Progress
from oslo_image.move.plan import Notify, Plan
from oslo_image.move.resolve import resolve
from oslo_image.move.result import CopyResult
from oslo_image.move.run import run
from oslo_image.stores.base import Writer
from oslo_image.stores.registry import Stores


class Mover:
    """Moves one image by the cheapest path that its ends allow.

    :param image_id_or_uri: an image's id, or the URI of its bits.
    :param config: an oslo.config ConfigOpts, a mapping (options by name, or
        by group), or None for the defaults.
    :param image: what the caller knows already: a mapping shaped like Glance
        v2's image, locations among it, or an :class:`~oslo_image.image.Image`.
        No catalogue is asked then.
    :param data: a callable without arguments that returns a reader or an
        iterator of bytes; it serves as the last location.
    :param auth: the caller's own credentials, handed to the stores and to the
        catalogue.
    :param location: the name of the location to use; no other is, nor data.
    :param catalog: the catalogue to ask, if not the configured one.
    :raises InvalidLocation, UnknownScheme: for a URI that cannot be used.
    :raises InvalidOption: for a configuration that cannot be.
    :raises ImageNotFound: for an id that nothing is known of, or a location's
        name.
    :raises SourceUnavailable: for an image that has no bits yet.
    :raises PermissionDenied: for one that is deactivated.
    :raises CatalogError: when the catalogue cannot be read.
    :raises ImageInvalidApi: when it is a Glance without version 2 of its API.
    """

    def __init__(
        self,
        image_id_or_uri: str,
        config: Any = None,
        *,
        image: Mapping[str, Any] | Image | None = None,
        data: Callable[[], Any] | None = None,
        auth: Any = None,
        location: str | None = None,
        catalog: Driver | None = None,
    ) -> None:
        self._stores = Stores(config, options.list_opts())
        self._stores.allow(datadir(self._stores.conf[options.GROUP]))
        self._image = resolve(
            image_id_or_uri,
            self._stores,
            image,
            data,
            name=location,
            auth=auth,
            catalog=catalog,
        )
        self._data = data if location is None else None
        self._auth = auth

    def __repr__(self) -> str:
        return f'<Mover of {self._name}>'

    def plan(self, writer: Any, **needs: Any) -> Plan:
        """Return what :meth:`copy` would do, and why; changes nothing.

        :param writer: as for :meth:`copy`.
        :param needs: the fields of :class:`~oslo_image.move.needs.Needs`.
        :raises: as :meth:`copy`, for what shows before anything moves.
        """
        demands = self._needs(needs)
        with self._negotiated(self._adapt(writer), demands) as plan:
            return plan

    def copy(
        self,
        writer: Any,
        *,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        notify: Notify | None = None,
        **needs: Any,
    ) -> CopyResult:
        """Move the image to a writer.

        :param writer: what :func:`oslo_image.stores.open_writer` gave, which
            is committed or aborted; or any object with ``write(bytes)``.
        :param progress: called with (bytes done, bytes in all or None).
        :param cancel: an event that ends the copy when it is set.
        :param notify: called with the Plan, then with each Offer when its
            turn has come, and with each Refusal in the doing.
        :param needs: the fields of :class:`~oslo_image.move.needs.Needs`.
        :returns: a result that unpacks to (success, bytes_written). Not a
            success means that no allowed strategy could move the image, and
            the destination is as it was.
        :raises ImageNotFound: when no location holds the bits.
        :raises ImageInvalidApi: when nothing but Glance's API has them, and it
            is not to be asked.
        :raises InvalidWriter, DestinationExists, NoSpace, PermissionDenied:
        :raises TooLarge, UnsafeImage, IntegrityError, SourceError, Cancelled:
        """
        started = time.monotonic()
        demands = self._needs(needs)
        if demands.verifier is not None:
            fed = Fed(demands.verifier)
            demands = dataclasses.replace(demands, verifier=fed)
        destination = self._adapt(writer)
        try:
            with self._negotiated(destination, demands) as plan:
                terms = self._terms(demands, progress, cancel, notify)
                terms.tell(plan)
                result = run(plan, destination, terms)
        except BaseException as error:
            state = destination.rollback()
            if isinstance(error, exception.ImageError):
                error.annotate(
                    source=self._name,
                    destination=destination.location or str(destination),
                    destination_state=state,
                )
                if left := destination.abort():
                    error.add_note(f'left behind: {", ".join(left)}')
            else:
                destination.close()
            raise
        seconds = time.monotonic() - started
        return dataclasses.replace(result, seconds=seconds)

    @property
    def _name(self) -> str:
        image = self._image
        if image.id:
            return masking.mask_uri(image.id)
        return str(next(iter(image.locations), DATA))

    def _adapt(self, writer: Any) -> Writer:
        try:
            return adapt(writer)
        except exception.ImageError as error:
            error.annotate(source=self._name)
            raise

    def _needs(self, needs: Mapping[str, Any]) -> Needs:
        known = {field.name for field in dataclasses.fields(Needs)}
        for name in needs:
            if name not in known:
                raise exception.InvalidOption(
                    f'there is no need {name!r}; there are '
                    f'{", ".join(sorted(known))}'
                )
        demands = Needs(**needs)
        loaded, broken = strategies.plugins()
        names = {*(one.name for one in loaded), *broken}
        if unknown := set(demands.disabled) - names:
            raise exception.InvalidOption(
                f'no strategy is called {", ".join(sorted(unknown))}; there '
                f'are {", ".join(sorted(names))}'
            )
        switched_off = self._stores.conf[options.GROUP].disabled_strategies
        return dataclasses.replace(
            demands, disabled=frozenset({*demands.disabled, *switched_off})
        )

    def _terms(
        self,
        needs: Needs,
        progress: Progress | None,
        cancel: threading.Event | None,
        notify: Notify | None,
    ) -> Terms:
        tuning = self._stores.conf[options.GROUP]
        return Terms(
            image=self._image,
            needs=needs,
            max_size=self._max_size(needs),
            workers=tuning.parallel_requests,
            retries=tuning.retries,
            retry_pause=tuning.retry_pause,
            progress=progress,
            cancel=cancel,
            notify=notify,
        )

    def _max_size(self, needs: Needs) -> int:
        cap: int = self._stores.conf.image_size_cap
        return cap if needs.max_size is None else min(cap, needs.max_size)

    @contextlib.contextmanager
    def _negotiated(self, writer: Writer, needs: Needs) -> Iterator[Plan]:
        """Open every location and rank what can be done with it."""
        found, broken = strategies.plugins()
        writer.look_ahead()
        with Opened(
            self._image,
            self._stores,
            max_size=self._max_size(needs),
            auth=self._auth,
        ) as opened:
            sources = opened.sources
            if self._data is not None:
                sources.append(DataSource(self._data, self._image.size))
            if not sources:
                raise opened.no_source(self._name)
            sizes = [self._image.size, *(source.size for source in sources)]
            size = next((one for one in sizes if one is not None), None)
            if None not in (size, writer.size) and size != writer.size:
                raise exception.SizeMismatch(
                    f'the image has {size} bytes and the writer was declared '
                    f'for {writer.size}',
                    side='destination',
                )
            writer.check(size)
            yield negotiate(
                self._image,
                sources,
                writer,
                needs,
                found,
                broken={**self._stores.broken, **broken},
                refusals=opened.refusals,
            )
