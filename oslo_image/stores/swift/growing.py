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
"""Segments that are larger than memory should hold."""

from __future__ import annotations

import threading
from typing import NamedTuple

from oslo_image.stores.pieces import Piece, length_of
from oslo_image.stores.swift.gradual import Gradual
from oslo_image.stores.swift.segments import Segments
from oslo_image.stores.wire import Watch


class Share(NamedTuple):
    """Where a piece belongs.

    :param number: of its segment, from 1.
    :param at: where the piece begins in it, in bytes.
    :param length: the bytes that the segment is to have, at most.
    """

    number: int
    at: int
    length: int


class Growing:
    """Those of one upload that come in pieces; shared by threads.

    :param watch: by which their requests are watched.
    """

    def __init__(self, segments: Segments, watch: Watch) -> None:
        self._segments = segments
        self._watch = watch
        self._lock = threading.Lock()
        self._open: dict[int, Gradual] = {}

    def put(self, share: Share, piece: Piece) -> None:
        """Send a piece when its turn has come, and end a full segment."""
        with self._lock:
            one = self._open.get(share.number)
            if one is None:
                one = self._segments.begin(share.number, self._watch)
                self._open[share.number] = one
        one.put(share.at, piece)
        if share.at + length_of(piece) == share.length:
            self._end(share.number)

    def finish(self) -> None:
        """End what is not full: nobody knew that the image ends there."""
        for number in list(self._open):
            self._end(number)

    def _end(self, number: int) -> None:
        one = self._open[number]
        etag = one.finish()
        if etag:
            self._segments.stored(number, etag, one.size)
        else:
            self._segments.put_zeros(number, one.size)
        with self._lock:
            del self._open[number]

    def interrupt(self) -> None:
        """Wake who waits for the server, or for a turn."""
        for one in list(self._open.values()):
            one.interrupt()

    def abort(self) -> None:
        """Break all requests off; harmless when repeated."""
        for one in list(self._open.values()):
            one.abort()
        self._open.clear()
