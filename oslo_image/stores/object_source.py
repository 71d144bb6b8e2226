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

"""What the sources of objects have in common: looked at, and read later."""

from __future__ import annotations

import abc
import threading
from typing import Any, ClassVar, cast

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import F, MiB, Reader, Source
from oslo_image.stores.wire import WireSource


class ObjectSource(Source):
    """One version of an object, known by its ETag.

    Opening it asks what it is. Its bytes are asked for when they are read,
    which a copy by the server never does.
    """

    chunk = 8 * MiB
    #: The facet by which a server copies it.
    served: ClassVar[type]

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self._lock = threading.Lock()
        self._wire: WireSource | None = None
        #: As it was sent; '' when there is none.
        self._etag = ''
        #: Set when a server's answer has shown that it copied this version.
        self._copied = threading.Event()
        #: Whether the facet was the last that was asked for: then it was not
        #: we who gave the bytes, though we may have shown some before.
        self._by_server = False

    @abc.abstractmethod
    def _open(self) -> WireSource:
        """Open what lies there now."""

    @abc.abstractmethod
    def _look_again(self) -> tuple[str, int]:
        """Return the ETag and the size of what lies there now."""

    @abc.abstractmethod
    def _serve(self) -> Any:
        """Return the facet."""

    def facet(self, kind: type[F]) -> F | None:
        """Return the object, for a copy by the server."""
        if kind is not self.served:
            return None
        self._by_server = True
        return cast('F', self._serve())

    def _reading(self) -> WireSource:
        self._by_server = False
        with self._lock:
            if self._wire is None:
                wire = self._open()
                self._compare(wire)
                self._wire = wire
            return self._wire

    def _compare(self, wire: WireSource) -> None:
        """See that what is read is what was looked at."""
        same = wire.size == self.size and (
            not self._etag or wire.version == f'ETag {self._etag}'
        )
        if not (same and wire.ranged):
            wire.close()
            raise exception.SourceChanged(
                'the object was replaced'
                if wire.ranged
                else 'the server does not serve ranges any more',
                side='source',
            )

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream over one ranged request; none for no bytes."""
        if not self.size:
            return super().open_stream(offset, length)
        return self._reading().open_stream(offset, length)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the buffer; what lies in the head costs no request."""
        if not self.size:
            return 0
        return self._reading().read_into(offset, buffer)

    def check_unchanged(self) -> None:
        """Look whether the object is still the one that was opened.

        Ranges were compared one by one; what the server copied was not.
        """
        read = self._wire is not None and not self._by_server
        if read or self._copied.is_set():
            return
        if self._look_again() != (self._etag, self.size):
            raise exception.SourceChanged(
                'the object was replaced', side='source'
            )

    def interrupt(self) -> None:
        """Wake who waits for the server."""
        if self._wire is not None:
            self._wire.interrupt()

    def close(self) -> None:
        """Let go of the connection."""
        if self._wire is not None:
            self._wire.close()
