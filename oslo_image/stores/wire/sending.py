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

"""A request whose body comes piece by piece, as a writer gets it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange
from oslo_image.stores.wire import failures
from oslo_image.stores.wire.answer import Answer
from oslo_image.stores.wire.connection import Connection
from oslo_image.stores.wire.response import Response
from oslo_image.stores.wire.watch import Watch

LOG = logging.getLogger(__name__)


class Sending:
    """An open request; :meth:`finish` or :meth:`abort` ends it.

    A server that refuses the body says why before it hangs up; then the rest
    of the body is dropped, and :meth:`finish` has its answer.

    :param length: the body's bytes; None: it is sent in chunks.
    """

    def __init__(
        self,
        connection: Connection,
        length: int | None,
        timeout: float,
        respond: Callable[[Answer], Response],
        about: object,
    ) -> None:
        self._connection: Connection | None = connection
        self._watch = Watch()
        self._watch.add(connection)
        self._left = length
        self._timeout = timeout
        self._respond = respond
        self._about = about
        self.refused = False

    def put(self, data: memoryview | DescriptorRange) -> None:
        """Send the next bytes.

        :raises SizeMismatch: when they are more than were announced.
        """
        length = (
            data.length if isinstance(data, DescriptorRange) else len(data)
        )
        if not length:
            return
        if self._left is None:
            self._send(b'%x\r\n' % length, data, b'\r\n')
            return
        if length > self._left:
            raise exception.SizeMismatch(
                f'{length} bytes come where {self._left} are announced',
                side='destination',
            )
        self._left -= length
        self._send(data)

    def finish(self) -> Response:
        """End the body, and return the answer.

        :raises SizeMismatch: when bytes are missing.
        """
        if self._left and not self.refused:
            raise exception.SizeMismatch(
                f'{self._left} of the announced bytes are missing',
                side='destination',
            )
        if self._left is None:
            self._send(b'0\r\n\r\n')
        connection, self._connection = self._open(), None
        failure: exception.ImageError | None = None
        try:
            return self._respond(
                connection.answer(self._timeout, not self.refused)
            )
        except failures.FAILURES as error:
            failure = self._told(error)
        finally:
            if failure is not None:
                connection.close()
        raise failure

    def interrupt(self) -> None:
        """Wake who sends or waits for the answer, in another thread."""
        self._watch.interrupt()

    def abort(self, patience: float = 0) -> bool:
        """Break the request off; harmless when repeated.

        :param patience: seconds for the server to notice: it finds the end
            where more was due, and answers when it has cleaned up.
        :returns: whether it has answered.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return True
        try:
            if patience and connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_WR)
                connection.answer(patience, complete=False).close()
                return True
        except failures.FAILURES as error:
            LOG.debug('no answer to a request broken off: %s', error)
        finally:
            connection.close()
        return False

    def _send(self, *pieces: bytes | memoryview | DescriptorRange) -> None:
        connection = self._open()
        failure: exception.ImageError | None = None
        for piece in pieces if not self.refused else ():
            try:
                connection.send_piece(
                    memoryview(piece) if isinstance(piece, bytes) else piece
                )
            except ConnectionError:
                self.refused = True
                return
            except failures.FAILURES as error:
                failure = self._told(error)
                break
        if failure is not None:
            raise failure

    def _open(self) -> Connection:
        if self._connection is None:
            raise ValueError('the request is over')
        return self._connection

    def _told(self, error: Exception) -> exception.ImageError:
        return failures.translate(
            error, 'sending a body', side='destination'
        ).annotate(destination=self._about, side='destination')
