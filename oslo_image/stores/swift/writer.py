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

"""An object in Swift as a destination: one PUT, or segments in any order."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import (
    DescriptorRange,
    F,
    MiB,
    SpanRule,
)
from oslo_image.stores.facets import SwiftObject, SwiftTarget
from oslo_image.stores.objects import Limits, ObjectWriter
from oslo_image.stores.pieces import Piece, is_zeros, length_of
from oslo_image.stores.swift import copying, deleting, marks
from oslo_image.stores.swift.gradual import Whole
from oslo_image.stores.swift.growing import Growing, Share
from oslo_image.stores.swift.place import Place
from oslo_image.stores.swift.segments import Segments
from oslo_image.stores.swift.service import Fields, Service
from oslo_image.stores.wire import Watch

#: A copy is planned and begun within so many seconds, or looks again.
_JUST_NOW = 0.5
#: Of an object in one PUT that is sent as it comes, in bytes.
_PIECE = 8 * MiB


class SwiftWriter(ObjectWriter):
    """An object in one PUT, or a static large object.

    :param whole: up to which known size it is one PUT, however small a
        segment is; in bytes.
    :param published: the URI at which it will lie.
    :param make_container: returns whether it is new, and this object's
        alone; None: it is there.
    """

    gradual = True

    def __init__(
        self,
        location: Location,
        size: int | None,
        service: Service,
        container: str,
        name: str,
        *,
        part: int,
        whole: int,
        replace: bool,
        published: str,
        make_container: Callable[[], bool] | None = None,
    ) -> None:
        self._most_whole = whole
        self._looked = -math.inf
        limits = Limits(1, part, 1 << 30)
        super().__init__(location, size, limits, part=part, replace=replace)
        self._service = service
        self._container = container
        self._name = name
        self._uri = published
        self._make_container = make_container
        self._copying = False
        #: Whether the container was made for this object.
        self._made_container = False
        self._beginning = threading.Lock()
        self._body: Whole | None = None
        self._new_upload()
        #: The fields that a copy of segments keeps.
        self._fields: Mapping[str, str] = {}
        self.realm = f'swift {service.cluster}'

    def _new_upload(self) -> None:
        where = self._service, self._container, self._name
        self._segments = Segments(*where)
        self._place = Place(*where, self._segments.token)
        #: Of requests in pieces, which may be begun in this moment.
        self._watch = Watch()
        self._growing = Growing(self._segments, self._watch)
        #: Of an unknown size: that which is being filled.
        self._filled: Share | None = None

    def check(self, size: int | None) -> None:
        """Look whether the name is free, unless that is known of just now."""
        if time.monotonic() - self._looked > _JUST_NOW:
            self._look()

    def _look(self) -> None:
        if not self._replace and self._head() is not None:
            raise self._taken()
        self._looked = time.monotonic()

    def _head(self) -> Fields | None:
        return self._service.head(self._container, self._name)

    def _prepare(self) -> None:
        if self._make_container is not None:
            self._made_container = self._make_container()
        if self._whole:
            return
        self._limits = limits = self._service.limits
        if self._in_pieces:
            return
        if (self.size or 0) > limits.largest * limits.most:
            raise exception.TooLarge(
                f'the cluster takes {limits.most} segments of '
                f'{limits.largest} bytes',
                side='destination',
            )

    @property
    def _in_pieces(self) -> bool:
        """Whether the image is one PUT of pieces."""
        most = min(self._most_whole, self._limits.largest)
        return self.size is not None and self._part < self.size <= most

    def _cut(self) -> None:
        super()._cut()
        if self._in_pieces:
            self.spans = SpanRule(_PIECE, _PIECE, _PIECE)

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Send a segment, unless it is of zeros and there is one."""
        if self._in_pieces:
            self._put_piece(offset, data)
            return
        if not self._whole and is_zeros(data):
            self.put_zeros(offset, length_of(data))
        elif share := self._share(offset, length_of(data)):
            self._reach(offset + length_of(data))
            self._growing.put(share, data)
        else:
            super().put(offset, data)

    def put_zeros(self, offset: int, length: int) -> None:
        """Name a segment of zeros, which is sent once."""
        if self._in_pieces:
            self._put_piece(offset, length)
            return
        if self._whole:
            super().put_zeros(offset, length)
            return
        self._reach(offset + length)
        if share := self._share(offset, length):
            self._growing.put(share, length)
        elif length:
            self._segments.put_zeros(self._number(offset, length), length)

    def _share(self, offset: int, length: int) -> Share | None:
        """Return where a piece belongs; None: it is a segment."""
        if self.spans.piece is None or self._whole:
            return None
        if self.size is not None:
            before, at = divmod(offset, self._part)
            full = min(self._part, self.size - offset + at)
            return Share(before + 1, at, full) if length < full else None
        return self._next_share(offset, length)

    def _next_share(self, offset: int, length: int) -> Share | None:
        if (share := self._filled) is None:
            full = self.spans.length(MiB, None, self._sent)
            if length >= full or full == self.spans.piece:
                return None
            share = Share(self._number(offset, length), 0, full)
        else:
            self._follow(offset, length)
        end = share.at + length
        self._filled = share._replace(at=end) if end < share.length else None
        return share

    def _put_piece(self, offset: int, piece: Piece) -> None:
        self._reach(offset + length_of(piece))
        with self._beginning:
            if self._body is None:
                size, headers = self.size or 0, self._headers()
                self._body = Whole(
                    size,
                    lambda watch: self._service.send(
                        self._container, self._name, size, headers, watch
                    ),
                    self._service.stored,
                    self._watch,
                )
        self._body.put(offset, piece)

    def _headers(self) -> dict[str, str]:
        headers = {**self._fields, marks.FIELD: self._segments.token}
        return headers if self._replace else {**headers, 'If-None-Match': '*'}

    def _send(self, number: int, data: memoryview | DescriptorRange) -> None:
        self._segments.put(number, data)

    def _publish(self, size: int) -> None:
        self._growing.finish()
        if self._replace:
            self._place.remember()
        else:
            # Not every server looks at the condition (RGW 16.2 does not).
            self._look()
        try:
            self._put_object(self._headers())
        except exception.ImageError as error:
            # An answer may be lost after the deed.
            if self._place.made() is None:
                if isinstance(error, exception.DestinationExists):
                    raise self._taken() from None
                raise
        else:
            # Of two at one moment the server lets both pass.
            if not self._replace and self._place.taken():
                raise self._taken()
        self._drop_old()

    def _drop_old(self) -> None:
        """Delete the segments of what was replaced."""
        self._leftovers += self._place.let_go()

    def _put_object(self, headers: Mapping[str, str]) -> None:
        doubt = self._place.doubt
        if self._body is not None:
            self._body.publish(doubt)
            return
        if self._segments:
            self._service.put_manifest(
                self._container,
                self._name,
                self._segments.manifest(),
                headers,
                doubt,
            )
            return
        self._service.put(
            self._container,
            self._name,
            b'' if self._single is None else self._single,
            headers=headers,
            doubt=doubt,
        )

    def _let_go(self) -> None:
        super()._let_go()
        self._growing.abort()
        self._new_upload()
        self._made_container = False
        self._fields = {}
        if self._body is not None:
            self._body.abort()
            self._body = None

    def _take_back(self) -> exception.DestinationState:
        """Delete what is ours; what the server replaced at once is gone."""
        state: exception.DestinationState = 'untouched'
        gone = True
        self._growing.abort()
        if self._copied or self._place.doubt.done:
            state, left, gone = self._place.take_back()
            self._leftovers += left
        segments = self._segments
        self._leftovers += segments.remove() if gone else segments.keep()
        if self._made_container:
            self._leftovers += deleting.remove_empty(
                self._service, self._container
            )
        return state

    def _published(self) -> Location:
        return Location(self._uri, trusted=True)

    def interrupt(self) -> None:
        """Wake who waits for the server, or for a turn."""
        if not self._copying:
            self._service.interrupt()
        self._watch.interrupt()
        self._growing.interrupt()
        if self._body is not None:
            self._body.interrupt()

    def facet(self, kind: type[F]) -> F | None:
        """Return the object to be, for a copy by the server."""
        if kind is not SwiftTarget:
            return None
        found = SwiftTarget(self._service.cluster, self._copy)
        return cast('F', found)

    def _copy(self, source: SwiftObject, check: Callable[[], None]) -> None:
        self._fields = source.fields if source.segmented else {}
        if self._replace and not source.segmented:
            # A copy in one request replaces the object at once.
            self._place.remember()
        # Who copies segments looks by himself, and leaves none half-made.
        self._copying = source.segmented
        try:
            self._copied = copying.copy(
                source, self._service, self._place, self._segments, check
            )
        finally:
            self._copying = False

    def _taken(self) -> exception.DestinationExists:
        return exception.DestinationExists(
            f'there is an object {self._name!r} already',
            destination=self.location,
            side='destination',
        )
