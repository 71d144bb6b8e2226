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

"""One HTTP connection: urllib3's, with our own dialling, clock and sending.

urllib3 gives TLS, tunnels and the rules of host names. Its pool is not used:
it logs whole URLs, rewrites paths that may be signed (``..``, ``%2f``), and
copies bodies.
"""

from __future__ import annotations

import functools
import http.client
import os
import socket
import ssl
from typing import Any, cast

from urllib3 import connection as urllib3_connection
from urllib3.util import wait

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange
from oslo_image.stores.wire import addresses
from oslo_image.stores.wire.answer import Answer, Clock
from oslo_image.stores.wire.payload import Payload

#: What is sent under one deadline.
_SEND_STEP = 1 << 20


class _Own:
    """What our plain and our TLS connection have in common."""

    response_class: Any

    def own(
        self,
        policy: addresses.AddressPolicy | None,
        connect_timeout: float,
        clock: Clock,
    ) -> None:
        """Set what urllib3's constructor does not take."""
        self.policy = policy
        self.connect_timeout = connect_timeout
        self.clock = clock
        self.peer = ''
        #: Which process may use it.
        self.process = os.getpid()
        #: Whether an answer was read to its end on this connection.
        self.used = False
        self.response_class = functools.partial(Answer, clock=clock)

    def _new_conn(self) -> socket.socket:
        connection = cast(urllib3_connection.HTTPConnection, self)
        sock = addresses.dial(
            connection.host,
            connection.port,
            self.connect_timeout,
            self.policy,
        )
        try:
            self.peer = sock.getpeername()[0]
        except OSError:  # it was reset already
            sock.close()
            raise
        # A tunnel's answer is read during connect().
        self.clock.expect_head(sock, self.connect_timeout)
        return sock

    def exchange(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        payload: Payload,
        head_timeout: float,
    ) -> Answer:
        """Send one request and return its answer, the body still unread.

        :param path: the request's target, sent verbatim.
        :param head_timeout: seconds until the answer's head must be complete,
            from when the request was sent.
        """
        self.start(method, path, headers)
        try:
            for piece in payload.pieces():
                self.send_piece(piece)
            complete = True
        except ConnectionError:
            # A server that refuses a body hangs up after it has said why.
            complete = False
        return self.answer(head_timeout, complete)

    def start(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Send the head of a request."""
        connection = cast(urllib3_connection.HTTPConnection, self)
        connection.sock.settimeout(self.clock.idle)
        connection.putrequest(
            method, path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()

    def send_piece(self, piece: memoryview | DescriptorRange) -> None:
        """Send a part of the body.

        :raises ConnectionError: when the server takes no more of it.
        """
        connection = cast(urllib3_connection.HTTPConnection, self)
        send(connection.sock, piece, self.clock.idle)

    def answer(self, head_timeout: float, complete: bool = True) -> Answer:
        """Return the answer, its body still unread.

        :param complete: whether the request was sent whole.
        """
        connection = cast(urllib3_connection.HTTPConnection, self)
        self.clock.expect_head(connection.sock, head_timeout)
        answer = cast(
            Answer, http.client.HTTPConnection.getresponse(connection)
        )
        answer.will_close = answer.will_close or not complete
        answer.expect_body()
        return answer


class PlainConnection(_Own, urllib3_connection.HTTPConnection):
    """Plain HTTP."""


class TlsConnection(_Own, urllib3_connection.HTTPSConnection):
    """HTTP over TLS, if need be through a proxy's tunnel."""


Connection = PlainConnection | TlsConnection


def send(
    sock: socket.socket,
    piece: memoryview | DescriptorRange,
    timeout: float,
) -> None:
    """Send bytes or a range of a file; each MiB has its own deadline.

    A file's bytes do not enter this process unless TLS must see them.

    :raises Truncated: when the file ends before the range does.
    """
    if not isinstance(piece, DescriptorRange):
        for start in range(0, len(piece), _SEND_STEP):
            sock.sendall(piece[start : start + _SEND_STEP])
        return
    offset, end = piece.offset, piece.offset + piece.length
    direct = not isinstance(sock, ssl.SSLSocket)
    while offset < end:
        step = min(end - offset, _SEND_STEP)
        if direct:
            count = _sendfile(sock, piece.fileno, offset, step, timeout)
        else:
            data = os.pread(piece.fileno, step, offset)
            sock.sendall(data)
            count = len(data)
        if not count:
            raise exception.Truncated(
                'the file ended before the range to be sent',
                side='source',
                offset=offset,
            )
        offset += count


def _sendfile(
    sock: socket.socket, fileno: int, offset: int, step: int, timeout: float
) -> int:
    while True:
        try:
            return os.sendfile(sock.fileno(), fileno, offset, step)
        except BlockingIOError:
            ready = wait.wait_for_write(sock, timeout)
        if not ready:
            raise TimeoutError


def make_connection(
    scheme: str,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
) -> Any:
    """Return an unconnected connection object for the scheme."""
    if scheme == 'https':
        return TlsConnection(host, port, ssl_context=context)
    return PlainConnection(host, port)
