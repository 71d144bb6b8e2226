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

"""One connection through a proxy, and what is done to it on purpose."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tests.functional.proxy_rules import Request, Rule

_STEP = 64 * 1024
#: Of one hop: the proxy keeps connections, and says where a body ends, itself.
_HOP = frozenset(('connection', 'expect', 'keep-alive', 'transfer-encoding'))


class Passage(Protocol):
    """What an exchange knows of the proxy."""

    ended: threading.Event

    def take(self, request: Request) -> Rule | None: ...

    def connect(self) -> http.client.HTTPConnection: ...


class Cut(Exception):
    """The connection ends here."""


def reset(connection: socket.socket) -> None:
    """Have a connection end, when it is closed, not as a server ends one."""
    linger = struct.pack('ii', 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


class Exchange(http.server.BaseHTTPRequestHandler):
    """One connection of a client, and what it asks for."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    proxy: Passage

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
        except Cut:
            reset(self.connection)
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on
    do_COPY = do_OPTIONS = do_PATCH = pass_on

    def _body(self, length: int) -> Iterator[bytes]:
        while length:
            data = self.rfile.read(min(length, _STEP))
            if not data:
                raise Cut
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
        rule: Rule | None,
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
                if rule is not None and rule.after is not None:
                    rule.after()
                if rule is not None and rule.lose_answer:
                    response.read()
                    raise Cut
                self._give(response, rule)

    def _ask(
        self,
        server: http.client.HTTPConnection,
        request: Request,
        rule: Rule | None,
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
                raise Cut
        if chunked:
            server.send(b'0\r\n\r\n')

    def _give(
        self, response: http.client.HTTPResponse, rule: Rule | None
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
                raise Cut
        if response.length and not bare:
            # The server has ended before its end.
            raise Cut
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
