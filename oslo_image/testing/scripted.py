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

"""A web server that does what a script tells it, for tests.

::

    with ScriptedServer(b'image' * 1000, [Reset(at=2000)]) as server:
        source = store.open_source(store.parse(server.url))

It serves its content with ranges and an ETag, as a good server does, on a real
socket of 127.0.0.1. A script names the faults: a list of answers that are used
up one a request, after which it is good again, or a callable that is given the
request's number (from 0) and the :class:`Request`, and returns an answer, or
None for a good one. Every request is recorded in ``server.requests``.

An answer is a callable that takes an :class:`Exchange`; the classes and
functions below make the usual ones, and a test can bring its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO, Self

__all__ = [
    'Answer',
    'Chunked',
    'Drip',
    'Exchange',
    'Fields',
    'Good',
    'Request',
    'Reset',
    'Script',
    'ScriptedServer',
    'Short',
    'Surplus',
    'UntilClose',
    'Whole',
    'gzipped',
    'redirect',
    'silent',
    'status',
]

Fields = Mapping[str, str | None]
_RANGE = re.compile(r'bytes=(\d+)-(\d*)')
_REASONS = {200: 'OK', 206: 'Partial Content', 302: 'Found'}


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that arrived.

    :param headers: the fields, their names in lower case.
    :param body: what it carried.
    :param connection: the number of the connection, from 0.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def range(self) -> tuple[int, int | None] | None:
        """The first and last byte asked for; None: no range."""
        match = _RANGE.fullmatch(self.headers.get('range', ''))
        if not match:
            return None
        return int(match[1]), int(match[2]) if match[2] else None


class Exchange:
    """One request and the socket on which to answer it.

    :ivar status: what a good server would answer, 200, 206 or 416; and
    :ivar headers: its fields; and
    :ivar body: its bytes.
    :ivar keep: whether the connection stays open after the answer.
    """

    def __init__(
        self, server: ScriptedServer, request: Request, sock: socket.socket
    ) -> None:
        self.server = server
        self.request = request
        self.keep = True
        self._sock = sock
        total = len(server.content)
        self.status = 200
        self.body = server.content
        self.headers: dict[str, str] = {
            'ETag': server.etag,
            'Accept-Ranges': 'bytes',
        }
        if asked := request.range:
            start, last = asked
            end = min(total, total if last is None else last + 1)
            if start >= total:
                self.status, self.body = 416, b''
                self.headers['Content-Range'] = f'bytes */{total}'
            else:
                self.status, self.body = 206, server.content[start:end]
                self.headers['Content-Range'] = (
                    f'bytes {start}-{end - 1}/{total}'
                )
        self.headers['Content-Length'] = str(len(self.body))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._sock.sendall(data)

    def send_head(
        self, status: int | None = None, headers: Fields | None = None
    ) -> None:
        """Send the status line and the fields.

        :param status: None sends the good one.
        :param headers: added to the good ones; a value of None removes one.
        """
        fields = {**self.headers, **(headers or {})}
        code = status or self.status
        lines = [f'HTTP/1.1 {code} {_REASONS.get(code, "Scripted")}']
        lines += [
            f'{name}: {value}' for name, value in fields.items() if value
        ]
        self.send('\r\n'.join([*lines, '', '']).encode('latin-1'))

    def send_body(self, data: bytes) -> None:
        """Send bytes, unless the request was a HEAD."""
        if self.request.method != 'HEAD':
            self.send(data)

    def reset(self) -> None:
        """Break the connection off with a RST."""
        linger = struct.pack('ii', 1, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._sock.close()
        self.keep = False

    def wait(self, seconds: float) -> bool:
        """Wait; return True when the server is stopping."""
        return self.server.stopping.wait(seconds)


Answer = Callable[[Exchange], None]
Script = Iterable[Answer] | Callable[[int, Request], Answer | None]


@dataclasses.dataclass(frozen=True)
class Good:
    """Answer as a good server does.

    :param headers: fields to add or, with None, to leave out.
    :param status: instead of the good status.
    :param body: instead of the good body; its length is stated.
    """

    headers: Fields = dataclasses.field(default_factory=dict)
    status: int | None = None
    body: bytes | None = None

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        body = exchange.body if self.body is None else self.body
        length = {'Content-Length': str(len(body))}
        exchange.send_head(self.status, {**length, **self.headers})
        exchange.send_body(body)


@dataclasses.dataclass(frozen=True)
class Short:
    """State the whole length, send ``at`` bytes of it and hang up."""

    at: int

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        exchange.send_head()
        exchange.send_body(exchange.body[: self.at])
        exchange.keep = False


@dataclasses.dataclass(frozen=True)
class Reset:
    """Send ``at`` bytes of the body and then a RST; None: not even a head."""

    at: int | None

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        if self.at is not None:
            exchange.send_head()
            exchange.send_body(exchange.body[: self.at])
            exchange.wait(0.05)  # a RST overtakes what was not yet read
        exchange.reset()


@dataclasses.dataclass(frozen=True)
class Chunked:
    """Send the body in chunks of ``size`` bytes, and state no length.

    :param at: stop after so many bytes of the body; None sends all.
    :param final: whether the final chunk is sent; without it, hang up.
    """

    size: int = 1000
    at: int | None = None
    final: bool = True

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        chunked = {'Content-Length': None, 'Transfer-Encoding': 'chunked'}
        exchange.send_head(headers=chunked)
        body = exchange.body[: self.at]
        for start in range(0, len(body), self.size):
            piece = body[start : start + self.size]
            exchange.send(b'%x\r\n%b\r\n' % (len(piece), piece))
        if self.final:
            exchange.send(b'0\r\n\r\n')
        exchange.keep = self.final


@dataclasses.dataclass(frozen=True)
class UntilClose:
    """State no length, send ``at`` bytes (None: all) and hang up."""

    at: int | None = None

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        exchange.send_head(
            headers={'Content-Length': None, 'Connection': 'close'}
        )
        exchange.send_body(exchange.body[: self.at])
        exchange.keep = False


@dataclasses.dataclass(frozen=True)
class Surplus:
    """State the right length and send ``extra`` bytes more."""

    extra: int = 1

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        exchange.send_head()
        exchange.send_body(exchange.body + b'+' * self.extra)
        exchange.wait(0.05)
        exchange.keep = False


@dataclasses.dataclass(frozen=True)
class Whole:
    """Ignore the Range: 200 and everything, as ``answer`` sends it."""

    answer: Answer = Good()

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        exchange.status, exchange.body = 200, exchange.server.content
        exchange.headers.pop('Content-Range', None)
        exchange.headers['Content-Length'] = str(len(exchange.body))
        self.answer(exchange)


@dataclasses.dataclass(frozen=True)
class Drip:
    """Send the head, and the body a byte at a time."""

    seconds: float = 1.0

    def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        exchange.send_head()
        for byte in exchange.body:
            exchange.send(bytes([byte]))
            if exchange.wait(self.seconds):
                break
        exchange.keep = False


def gzipped(exchange: Exchange) -> None:
    """Send the body compressed, which nobody asked for."""
    body = gzip.compress(exchange.body)
    Good({'Content-Encoding': 'gzip'}, body=body)(exchange)


def silent(exchange: Exchange) -> None:
    """Take the request and never answer."""
    exchange.server.stopping.wait()
    exchange.keep = False


def status(code: int, headers: Fields | None = None) -> Answer:
    """Answer with a status, a short text, and fields such as Retry-After.

    A 204 has no text (RFC 9110, 15.3.5): it would be taken for an answer.
    """
    nothing = {'Content-Range': None, 'ETag': None}
    text = b'' if code == 204 else b'scripted\n'
    return Good({**nothing, **(headers or {})}, code, text)


def redirect(location: str, code: int = 302) -> Answer:
    """Redirect to a URL or a path."""
    return status(code, {'Location': location})


class ScriptedServer:
    """A context manager; the server runs while it is entered.

    :param content: what it serves, at every path.
    :param script: the answers; see above.
    :ivar port: the port it listens on.
    :ivar requests: those that arrived whole, in order.
    :ivar connections: the number of connections that were accepted.
    :ivar content: may be changed while it runs, and
    :ivar etag: likewise; quotes included.
    """

    def __init__(
        self,
        content: bytes = b'',
        script: Script = (),
        *,
        etag: str = '"v1"',
    ) -> None:
        self.content = content
        self.etag = etag
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._script = script if callable(script) else iter(script)
        self._lock = threading.Lock()
        self._listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._last_peer: object = None

    @property
    def url(self) -> str:
        """A URL that it serves."""
        return f'http://127.0.0.1:{self.port}/image'

    def __enter__(self) -> Self:
        self._accepting = self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stopping.set()
        # Who connected before this is counted; this one ends the loop.
        with socket.socket() as last:
            last.bind(('127.0.0.1', 0))
            self._last_peer = last.getsockname()
            last.connect(self._listener.getsockname())
            self._accepting.join(10)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _start(
        self, target: Callable[..., None], *args: object
    ) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            sock, peer = self._listener.accept()
            if self.stopping.is_set() and peer == self._last_peer:
                sock.close()
                return
            with self._lock:
                self._open.add(sock)
            self._start(self._serve, sock, self.connections)
            self.connections += 1

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = sock.makefile('rb')
        try:
            while request := _read_request(stream, number):
                exchange = Exchange(self, request, sock)
                self._next_answer(request)(exchange)
                if not exchange.keep:
                    break
        except OSError:
            pass  # the client hung up, which is its right
        finally:
            stream.close()
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _next_answer(self, request: Request) -> Answer:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            if callable(self._script):
                return self._script(number, request) or Good()
            return next(self._script, Good())


def _read_request(stream: BinaryIO, number: int) -> Request | None:
    """Return the next request; None when the client is done."""
    readline = stream.readline
    line = readline().decode('latin-1').split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while text := readline().decode('latin-1').strip():
        name, _, value = text.partition(':')
        headers[name.lower()] = value.strip()
    length = int(headers.get('content-length', 0))
    body: bytes = stream.read(length)
    if len(body) < length:
        return None
    return Request(line[0], line[1], headers, body, number)
