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

"""An image of Glance that a server makes beside it, and Glance is told of."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import F
from oslo_image.stores.glance import locations
from oslo_image.stores.glance.backend import ACTS, Backend
from oslo_image.stores.glance.writer import GlanceWriter

#: Seconds for Glance to do what it has not answered to.
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.1


class RegisteringWriter(GlanceWriter):
    """An image by its location, where a server can make it; else an upload.

    The bits are made in the store of Glance's where an upload would end, under
    the name that Glance gives them, and are Glance's own once the location is
    registered. What fails before removes them.

    :param home: returns the store; raises Refused.
    :param digest: whether the bits are read once, so that Glance has their
        digest.
    """

    def __init__(
        self,
        *arguments: Any,
        home: Callable[[], Backend],
        digest: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        self._home = home
        self._digest = digest
        self._backend: Backend | None = None
        #: Why Glance took none.
        self._refused: exception.Refused | None = None
        #: Whether a location may be registered all the same.
        self._unsure = False
        self._stopped = threading.Event()

    @property
    def leftovers(self) -> list[str]:
        """The image or its bits, when they could not be deleted."""
        backend = self._backend
        return [*self._leftovers, *(backend.leftovers if backend else ())]

    def facet(self, kind: type[F]) -> F | None:
        """Return what a server needs to make the bits in Glance's store.

        :raises Refused: where Glance would not have them.
        """
        if kind not in ACTS:
            return None
        if self._refused is not None:
            raise self._refused
        backend = self._backend or self._home()
        locations.check(self._service, self._found)
        found = backend.facet(kind, self._allowed)
        self._backend = backend
        return found

    def _allowed(self) -> None:
        """Look again, now that there is an image to look at."""
        locations.check(self._service, self._found)

    def commit(self, size: int | None = None) -> Location | None:
        """Tell Glance where the bits are; or end the upload.

        :raises Refused: when Glance takes no location, and none is left.
        """
        backend = self._backend
        if backend is None or not backend.laid:
            return super().commit(size)
        try:
            self._register(backend, backend.publish(size), 'sha512')
        except BaseException:
            self.rollback()
            raise
        backend.keep()
        self._uploaded = True
        self._state = 'committed'
        return self._published()

    def _register(
        self, backend: Backend, where: Location, algorithm: str
    ) -> None:
        entry: dict[str, Any] = {'url': where.reveal(), 'metadata': {}}
        if self._digest:
            entry['validation_data'] = backend.digests(algorithm, self._pause)
        try:
            with self._told(where):
                locations.register(
                    *(self._service, self._id, where, entry),
                    queued=True,
                    pause=self._pause,
                )
        except locations.OtherAlgorithm as other:
            if other.algorithm == algorithm:
                raise exception.CatalogError(str(other)) from None
            self._register(backend, where, other.algorithm)

    def _pause(self, seconds: float = 0) -> None:
        """Wait.

        :raises Cancelled: when the writer is interrupted.
        """
        if self._stopped.wait(seconds):
            raise exception.Cancelled('the copy was cancelled')

    def interrupt(self) -> None:
        """Stop the upload, the reading for a digest, and what waits."""
        self._stopped.set()
        super().interrupt()

    @contextlib.contextmanager
    def _told(self, where: Location) -> Iterator[None]:
        """Say what Glance's answer means, and whether it has one at all."""
        self._unsure = True
        try:
            yield
        except (exception.PermissionDenied, exception.InvalidLocation) as no:
            self._unsure = False
            self._refused = exception.Refused(no.message)
            raise self._refused from no
        except locations.OtherAlgorithm:
            self._unsure = False
            raise
        except exception.Cancelled:
            raise  # and nobody waits for what becomes of it
        except exception.ImageError as error:
            found = self._outcome(error, where)
            if found is error:
                raise
            if found is not None:
                raise found from error
        self._unsure = False

    def _outcome(
        self, error: exception.ImageError, where: Location
    ) -> exception.ImageError | None:
        """Look what became of a request that failed, or got no answer.

        :returns: None, if the location is registered no less; else our error.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                if self._is_registered(where):
                    return None
                found = self._outdone()
            except exception.ImageError:
                return error
            if found is not None or not error.temporary:
                break
            if time.monotonic() > deadline:
                break
            if self._stopped.wait(_PAUSE):
                return error
        self._unsure = False
        return found or error

    def _is_registered(self, where: Location) -> bool:
        """Tell whether the image is active by these bits.

        :raises CatalogError: when it is active, and nobody says by which.
        """
        record = self._service.show(self._id, side='destination')
        if record['status'] != 'active':
            return False
        known = record.get('locations')
        if known is None:
            known = locations.read(self._service, self._id)
        if known is None:
            raise exception.CatalogError(
                f'Glance does not say where the bits of {self._id} lie'
            )
        return any(one['url'] == where.reveal() for one in known)

    def rollback(self) -> exception.DestinationState:
        """Break the upload off, or remove the bits that were laid.

        Where nobody knows whether they are an image's by now they stay, and
        are named; those of an image that was made here go with it.
        """
        backend = self._backend
        if backend is not None:
            if self._unsure and self._made:
                self._made = False
                self._delete()
                self._unsure = bool(self._leftovers)
            if self._unsure:
                self._leftovers.append(
                    f'the bits of image {self._id} in the store '
                    f'{backend.name}, unless they are registered'
                )
                backend.keep()
                self._unsure = False
            backend.take_back()
        self._stopped.clear()
        state = super().rollback()
        return 'modified' if self.leftovers else state

    def _dismiss(self) -> None:
        """Let go of the store, too."""
        super()._dismiss()
        if self._backend is not None:
            self._backend.take_back()
