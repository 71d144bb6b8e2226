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
        client = connect(proxy.url)

What no rule is for passes as it came, Host included, which signatures cover.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from tests.functional.proxy_exchange import Exchange
from tests.functional.proxy_rules import Answer, Request, Rule

HOST = '127.0.0.1'


class Proxy:
    """Passes requests on to a server of this machine.

    A context manager; leaving it ends all connections.

    :param port: the server's.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self.ended = threading.Event()
        #: All that was asked for, in order.
        self.requests: list[Request] = []
        handler = type('Handler', (Exchange,), {'proxy': self})
        self._server = _Server((HOST, 0), handler)

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
        after: Callable[[], Any] | None = None,
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
        :param after: called when the server has begun to answer, before the
            client hears of it.
        """
        rule = Rule(
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
            after,
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

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Break all connections off, and every new one, for a while."""
        self._server.break_off()
        try:
            yield
        finally:
            self._server.away = False

    def asked(self, method: str, pattern: str = '') -> int:
        """Return how many requests matched."""
        with self._lock:
            return sum(
                one.method == method
                and re.search(pattern, one.target) is not None
                for one in self.requests
            )

    def take(self, request: Request) -> Rule | None:
        """Note a request; return the rule for it."""
        with self._lock:
            self.requests.append(request)
            found = [rule for rule in self._rules if rule.takes(request)]
        return found[0] if found else None

    def connect(self) -> http.client.HTTPConnection:
        if self._server.away:
            raise ConnectionRefusedError
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
        self.away = False

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.away

    def break_off(self) -> None:
        self.away = True
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

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
