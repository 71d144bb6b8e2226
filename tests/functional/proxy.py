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

"""A proxy in front of a real server, with faults on the way.

::

    with Proxy(server.port) as proxy:
        # Of the second part, 1000 bytes arrive, and then nothing more.
        proxy.on('PUT', 'partNumber=2', cut_request=1000)
        # Every list is answered by the proxy.
        proxy.on('GET', 'list-type', answer=(503, {}), times=None)
            'GET', r'\\?list', answer=(503, {'Retry-After': '1'}), times=None
        )
        client = connect(proxy.url)

What no rule is for passes as it came, Host included, which signatures cover.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import http.server
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

HOST = '127.0.0.1'
_STEP = 64 * 1024
#: Of one hop: the proxy keeps connections, and says where a body ends, itself.
_HOP = frozenset(('connection', 'expect', 'keep-alive', 'transfer-encoding'))

Answer = tuple[int, Mapping[str, str]] | tuple[int, Mapping[str, str], bytes]


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client asked for.

    :param target: the path and query, as sent.
    :param headers: by names in lower case.
    :param length: the bytes of its body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    length: int


class _Cut(Exception):
    """The connection ends here."""


@dataclasses.dataclass
class _Rule:
    method: str
    pattern: re.Pattern[str]
    first: int
    times: int | None
    before: Callable[[], Any] | None
    pause: float
    answer: Answer | None
    cut_request: int | None
    cut_answer: int | None
    lose_answer: bool
    fields: Mapping[str, str | None]
    seen: int = 0

    def takes(self, request: Request) -> bool:
        if request.method != self.method:
            return False
        if not self.pattern.search(request.target):
            return False
        self.seen += 1
        last = None if self.times is None else self.first + self.times
        return self.seen >= self.first and (last is None or self.seen < last)


class Proxy:
    """Passes requests on to a server of this machine.

    A context manager; leaving it ends all connections.

    :param port: the server's.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self.ended = threading.Event()
        #: All that was asked for, in order.
        self.requests: list[Request] = []
        self._server = _Server((HOST, 0), _handler(self))

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        return f'http://{HOST}:{self.port}'

    def on(
        self,
        method: str,
        pattern: str = '',
        *,
        first: int = 1,
        times: int | None = 1,
        before: Callable[[], Any] | None = None,
        pause: float = 0,
        answer: Answer | None = None,
        cut_request: int | None = None,
        cut_answer: int | None = None,
        lose_answer: bool = False,
        fields: Mapping[str, str | None] | None = None,
    ) -> None:
        """Have a fault befall some of the requests that match.

        The first rule that takes a request is the one that counts.

        :param pattern: searched for in path and query.
        :param first: the number, from 1, of the first one that it befalls.
        :param times: how many; None: all from there.
        :param before: called before anything else, in a thread of the proxy:
            a change behind the client's back.
        :param pause: seconds to wait then.
        :param answer: what the proxy answers itself; the server hears nothing.
        :param cut_request: the bytes of the body that the server gets, before
            both connections end.
        :param cut_answer: the bytes of the answer's body that the client
            gets, likewise.
        :param lose_answer: whether the client gets nothing of it at all: the
            server has done what it should.
        :param fields: of the answer: set, or with None removed.
        """
        rule = _Rule(
            method,
            re.compile(pattern),
            first,
            times,
            before,
            pause,
            answer,
            cut_request,
            cut_answer,
            lose_answer,
            {name.lower(): text for name, text in (fields or {}).items()},
        )
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """Forget all rules and requests, and end what pauses."""
        self.ended.set()
        with self._lock:
            self.ended = threading.Event()
            self._rules.clear()
            self.requests.clear()

    def asked(self, method: str, pattern: str = '') -> int:
        """Return how many requests matched."""
        with self._lock:
            return sum(
                one.method == method
                and re.search(pattern, one.target) is not None
                for one in self.requests
            )

    def take(self, request: Request) -> _Rule | None:
        """Note a request; return the rule for it."""
        with self._lock:
            self.requests.append(request)
            found = [rule for rule in self._rules if rule.takes(request)]
        return found[0] if found else None

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self._target, timeout=60)

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to talk about."""


def _handler(proxy: Proxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(_Exchange):
        def __init__(self, *arguments: Any) -> None:
            self.proxy = proxy
            super().__init__(*arguments)

    return Handler


class _Exchange(http.server.BaseHTTPRequestHandler):
    """One connection of a client, and what it asks for."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    proxy: Proxy

    def log_message(self, *arguments: Any) -> None:
        pass

    def pass_on(self) -> None:
        length = int(self.headers.get('Content-Length') or 0)
        headers = {name.lower(): text for name, text in self.headers.items()}
        chunked = 'chunked' in headers.get('transfer-encoding', '')
        request = Request(self.command, self.path, headers, length)
        body = self._chunks() if chunked else self._body(length)
        rule = self.proxy.take(request)
        try:
            self._answer(request, rule, body, chunked)
        except _Cut:
            # Not by a FIN, which would be a server's orderly end.
            linger = struct.pack('ii', 1, 0)
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on
    do_COPY = do_OPTIONS = pass_on

    def _body(self, length: int) -> Iterator[bytes]:
        while length:
            data = self.rfile.read(min(length, _STEP))
            if not data:
                raise _Cut
            length -= len(data)
            yield data

    def _chunks(self) -> Iterator[bytes]:
        while length := int(self.rfile.readline().partition(b';')[0], 16):
            yield from self._body(length)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _answer(
        self,
        request: Request,
        rule: _Rule | None,
        body: Iterator[bytes],
        chunked: bool,
    ) -> None:
        if rule is not None:
            if rule.before is not None:
                rule.before()
            self.proxy.ended.wait(rule.pause)
            if rule.answer is not None:
                for _ in body:
                    pass
                self._own(*rule.answer)
                return
        with contextlib.closing(self.proxy.connect()) as server:
            self._ask(server, request, rule, body, chunked)
            with server.getresponse() as response:
                if rule is not None and rule.lose_answer:
                    response.read()
                    raise _Cut
                self._give(response, rule)

    def _ask(
        self,
        server: http.client.HTTPConnection,
        request: Request,
        rule: _Rule | None,
        body: Iterator[bytes],
        chunked: bool,
    ) -> None:
        server.putrequest(
            request.method,
            request.target,
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, text in self.headers.items():
            if name.lower() not in _HOP:
                server.putheader(name, text)
        if chunked:
            server.putheader('Transfer-Encoding', 'chunked')
        server.endheaders()
        left = None if rule is None else rule.cut_request
        for data in body:
            step = data if left is None else data[:left]
            server.send(_chunk(step) if chunked else step)
            if left is not None and (left := left - len(step)) <= 0:
                raise _Cut
        if chunked:
            server.send(b'0\r\n\r\n')

    def _give(
        self, response: http.client.HTTPResponse, rule: _Rule | None
    ) -> None:
        changed = rule.fields if rule else {}
        length = response.length
        bare = self.command == 'HEAD' or response.status in (204, 304)
        chunked = length is None and not bare
        lines = [f'HTTP/1.1 {response.status} {response.reason}']
        for name, text in response.getheaders():
            if name.lower() not in _HOP and name.lower() not in changed:
                lines.append(f'{name}: {text}')
        lines += [f'{name}: {text}' for name, text in changed.items() if text]
        if chunked:
            lines.append('Transfer-Encoding: chunked')
        self.wfile.write('\r\n'.join([*lines, '', '']).encode('latin-1'))
        left = None if rule is None else rule.cut_answer
        while data := response.read1(_STEP) if not bare else b'':
            step = data if left is None else data[:left]
            self.wfile.write(_chunk(step) if chunked and step else step)
            if left is not None and (left := left - len(step)) <= 0:
                self.wfile.flush()
                raise _Cut
        if response.length and not bare:
            # The server has ended before its end.
            raise _Cut
        if chunked:
            self.wfile.write(b'0\r\n\r\n')

    def _own(
        self, status: int, headers: Mapping[str, str], body: bytes = b''
    ) -> None:
        lines = [f'HTTP/1.1 {status} {http.client.responses.get(status, "")}']
        lines += [f'{name}: {text}' for name, text in headers.items()]
        lines.append(f'Content-Length: {len(body)}')
        head = '\r\n'.join([*lines, '', '']).encode('latin-1')
        self.wfile.write(head if self.command == 'HEAD' else head + body)


def _chunk(data: bytes) -> bytes:
    return b'%x\r\n%b\r\n' % (len(data), data)
