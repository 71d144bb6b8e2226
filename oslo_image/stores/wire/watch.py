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

"""Wake the threads that wait for a server, when nobody wants their bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from _socket import socket as _Socket
from typing import Any

from oslo_image import exception
from oslo_image.stores.wire.connection import Connection


class Watch:
    """The connections that one copy uses of a source; thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: dict[Connection, Any] = {}
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether it was interrupted."""
        return self._ended

    def add(self, connection: Connection) -> None:
        """A request begins on a connection.

        :raises SourceUnavailable: after an interrupt.
        """
        with self._lock:
            if self._ended:
                raise exception.SourceUnavailable('the copy has ended')
            # http.client lets go of it when the answer says so, and reads on.
            self._busy[connection] = connection.sock

    def discard(self, connection: Connection) -> None:
        """The connection is let go of, and may be another's soon."""
        with self._lock:
            self._busy.pop(connection, None)

    def interrupt(self) -> None:
        """Shut all down: who waits gets an end or an error at once.

        Below TLS, whose object the waiting thread still uses, and below
        eventlet's sockets, which do not pass it on (``fd`` is the real one).
        """
        with self._lock:
            self._ended = True
            for sock in self._busy.values():
                with contextlib.suppress(OSError):
                    _Socket.shutdown(
                        getattr(sock, 'fd', sock), socket.SHUT_RDWR
                    )
