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


"""The catalogue's hands: it reads, stores and deletes the bits of images."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oslo_image import exception
from oslo_image.catalog import options
from oslo_image.catalog.base import Bits, check_id
from oslo_image.catalog.measure import Measure, Sink
from oslo_image.catalog.place import PlaceWriter, remove_abandoned
from oslo_image.catalog.sqlite import make_private
from oslo_image.image import Image, Location
from oslo_image.move.mover import Mover
from oslo_image.move.result import CopyResult
from oslo_image.stores.file import FileStore, path_of, uri_for
from oslo_image.stores.registry import Stores


class BitsKeeper:
    """Moves bits for a catalogue; each of its copies reads them once.

    :param config: the caller's configuration, for the mover.
    :param stores: the stores of that configuration.
    """

    def __init__(self, config: Any, stores: Stores, auth: Any) -> None:
        self._config = config
        self._stores = stores
        self._auth = auth
        self._directory = options.datadir(stores.conf[options.GROUP])
        stores.allow(self._directory)

    def place(self, image_id: str) -> Location:
        """Return where an image's own bits lie, or will."""
        uri = uri_for(os.path.join(self._directory, check_id(image_id)))
        return dataclasses.replace(self._stores.location(uri), trusted=False)

    def measure(
        self, image: Image, location: Location, **copying: Any
    ) -> Bits:
        """Read the bits at a location once, and say what they are.

        It is read under the rules for what a catalogue names, under which it
        will be read again.

        :raises IntegrityError: when they are not the bits of the image.
        """
        _check(copying)
        there = dataclasses.replace(image, locations=(location,))
        try:
            with Measure(there) as measure:
                result = self._mover(str(image.id), there).copy(
                    Sink(), verify='always', verifier=measure, **copying
                )
                return measure.bits(_moved(result))
        except exception.ImageError as error:
            # There is none.
            error.destination = error.destination_state = None
            raise

    @contextlib.contextmanager
    def stored(
        self, image: Image, data: Any, **copying: Any
    ) -> Iterator[tuple[Location, Bits]]:
        """Lay an image's bits into the catalogue's own file store.

        Within the context nobody takes them for abandoned. Leaving it by an
        exception deletes them.

        :param data: as :meth:`oslo_image.catalog.API.create` takes it.
        :raises DestinationExists: when there are bits already.
        """
        _check(copying)
        make_private(self._directory)
        where = self.place(str(image.id))
        permissions = self._stores.find(where).options
        with PlaceWriter(
            where,
            path_of(where),
            None,
            replace=False,
            permissions=permissions.filesystem_store_file_perm,
        ) as writer:
            with Measure(image) as measure:
                result = self._reading(image, data).copy(
                    writer, verify='always', verifier=measure, **copying
                )
                bits = measure.bits(_moved(result))
            try:
                yield where, bits
            except BaseException:
                self.delete(where)
                raise

    def remove_abandoned(
        self, image_id: str, recorded: Callable[[], bool]
    ) -> None:
        """Remove the bits of an upload that was killed before its record.

        :param recorded: asked when nobody is at work there any more.
        """
        remove_abandoned(self.place(image_id), recorded)

    def send(
        self, image: Image, data: Any, where: Location, **copying: Any
    ) -> None:
        """Hand an image's bits to the service that keeps them itself.

        Bits of a declared digest are seen, and not made by a server.
        """
        if image.digest:
            copying.setdefault('verify', 'always')
        store = self._stores.find(where)
        with store.open_writer(where, auth=self._auth) as writer:
            _moved(self._reading(image, data).copy(writer, **copying))

    def delete(self, location: Location) -> None:
        """Delete bits of ours; those that are gone already are no error."""
        with contextlib.suppress(exception.ImageNotFound):
            store = self._stores.find(location)
            store.delete(location, auth=self._auth)

    def delete_own(self, image: Image, location: Location) -> None:
        """Delete bits, unless the record knows them as external as well."""
        path = _file(location)
        for one in image.locations:
            if one.external and path is not None and _file(one) == path:
                return
        self.delete(location)

    def check_owner(self, image_id: str, location: Location) -> None:
        """Raise for a file of the catalogue's under a wrong owner.

        :raises InvalidOption: when another image's own file is to be deleted
            with this one, or this image's own file is to be external.
        """
        path = _file(location)
        directory = os.path.realpath(self._directory)
        if path is None or os.path.commonpath((path, directory)) != directory:
            return
        if (path == os.path.join(directory, image_id)) != location.external:
            return
        raise exception.InvalidOption(
            "it is where the image's own bits are kept, and not external"
            if location.external
            else 'it is where the catalogue keeps its own bits, and not this '
            "image's: it can only be external",
            source=location,
        )

    def _mover(self, image_id_or_uri: str, image: Image) -> Mover:
        return Mover(
            image_id_or_uri, self._config, image=image, auth=self._auth
        )

    def _reading(self, image: Image, data: Any) -> Mover:
        """Return the mover of what the caller hands over."""
        if isinstance(data, str) and '://' in data:
            return self._mover(data, image)
        if isinstance(data, str | os.PathLike):
            return self._mover(uri_for(data), image)
        return Mover(
            str(image.id),
            self._config,
            image=image,
            data=_supply(data),
            auth=self._auth,
        )


def _file(location: Location) -> str | None:
    """Return the path of the file that a location leads to."""
    if location.scheme not in FileStore.schemes:
        return None
    return os.path.realpath(path_of(location))


def _check(copying: Mapping[str, Any]) -> None:
    if ours := {'verify', 'verifier'} & copying.keys():
        raise exception.InvalidOption(
            f'{", ".join(sorted(ours))} is not for the caller to say: bits '
            'that enter the catalogue are always digested'
        )


def _moved(result: CopyResult) -> CopyResult:
    """Raise when no strategy was allowed to read the bits."""
    if not result.success:
        reasons = '; '.join(str(refusal) for refusal in result.refusals)
        raise exception.SourceError(f'nothing may read the bits: {reasons}')
    return result


def _supply(data: Any) -> Callable[[], Any]:
    """Return what gives a reader once an attempt.

    :raises InvalidSource: for what no bytes can be read from.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return lambda: io.BytesIO(data)
    if callable(getattr(data, 'read', None)):
        return lambda: data
    if callable(data):
        supply: Callable[[], Any] = data
        return supply
    raise exception.InvalidSource(
        f'a {type(data).__name__} is no path, URI, reader or callable'
    )
