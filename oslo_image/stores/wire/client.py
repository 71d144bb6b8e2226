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

"""Requests: each hop checked, credentials only to whom they are for."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from oslo_image import exception, masking
from oslo_image.exception import Side
from oslo_image.stores.wire import failures, fields, urls
from oslo_image.stores.wire.answer import Answer
from oslo_image.stores.wire.auth import Auth
from oslo_image.stores.wire.body import Body
from oslo_image.stores.wire.connection import Connection
from oslo_image.stores.wire.payload import Content, Payload
from oslo_image.stores.wire.pool import Pool
from oslo_image.stores.wire.response import Response
from oslo_image.stores.wire.sending import Sending
from oslo_image.stores.wire.settings import Settings, proxy_fields
from oslo_image.stores.wire.watch import Watch

LOG = logging.getLogger(__name__)

#: Redirects that are followed for one request.
MOST_REDIRECTS = 8
_REDIRECTS = (301, 302, 303, 307, 308)
#: All that another origin gets to see of a request's fields.
_FOR_STRANGERS = frozenset(
    (
        'accept',
        'if-match',
        'if-none-match',
        'if-unmodified-since',
        'if-range',
        'range',
        'user-agent',
    )
)


class Client:
    """One store's HTTP client; thread safe, usable after a fork.

    It retries nothing but a request without a body that found its kept
    connection closed. Nothing but ImageError leaves it, with no other
    exception behind it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pool = Pool(settings)

    def close(self) -> None:
        """Close all connections; those in use when their body is done."""
        self._pool.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Content | None = None,
        length: int | None = None,
        auth: Auth | None = None,
        trusted: bool = False,
        timeout: float | None = None,
        side: Side = 'source',
        about: object = None,
        watch: Watch | None = None,
        follow: bool = True,
    ) -> Response:
        """Send a request and return the answer, whatever its status.

        Redirects of GET and HEAD are followed, each to http or https, never
        from https to http. ``auth`` and all but harmless fields go only to the
        origin (scheme, host, port) of ``url``; user and password in ``url``
        are not looked at.

        :param body: see :class:`~oslo_image.stores.wire.payload.Payload`;
            ``length`` is its size in bytes, needed for an iterable.
        :param trusted: whether ``url`` may lead to any address. What it
            redirects to may not, except on its own host and port.
        :param timeout: seconds until the answer's head must be there; None is
            the read timeout.
        :param side: on which side of the copy the server is.
        :param about: the location, for the errors; its ``str`` is shown.
        :param watch: told which connection the answer holds.
        :param follow: whether to follow redirects at all.
        :raises LocationDenied: for an address or a redirect that is denied.
        :raises ProtocolViolation: for too many redirects (a loop), or an
            answer that makes no sense.
        :raises SourceUnavailable: when there is no answer (of a destination:
            DestinationError with ``temporary`` set).
        """
        call = _Call(self._pool, method, Payload(body, length), side)
        call.timeout = timeout or self.settings.read_timeout
        call.auth, call.about, call.watch = auth, about, watch
        call.headers = fields.clean(dict(headers or {}))
        call.follows = follow and method in ('GET', 'HEAD')
        try:
            return call.follow(urls.split(url), trusted)
        except exception.ImageError as error:
            context = {side: about, 'side': side}
            error.annotate(**context)
            raise

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,
        about: object = None,
        watch: Watch | None = None,
    ) -> Sending:
        """Begin a request to a trusted place, whose body comes piece by piece.

        Nothing of it is sent a second time, whatever the answer is.

        :param length: the body's bytes; None sends it in chunks (RFC 9112,
            7.1).
        :param timeout: seconds for the answer, when all is sent.
        :param watch: told which connection the request holds.
        :raises DestinationError: when the server cannot be reached.
        """
        call = _Call(self._pool, method, Payload(None), 'destination')
        call.timeout = timeout or self.settings.read_timeout
        call.auth, call.about, call.watch = auth, about, watch
        framing = (
            {'Transfer-Encoding': 'chunked'}
            if length is None
            else {'Content-Length': str(length)}
        )
        call.headers = fields.clean({**(headers or {}), **framing})
        try:
            return call.begin(urls.split(url), length)
        except exception.ImageError as error:
            error.annotate(destination=about, side='destination')
            raise


class _Call:
    """One request with its redirects."""

    def __init__(
        self, pool: Pool, method: str, payload: Payload, side: Side
    ) -> None:
        self.pool = pool
        self.method = method
        self.payload = payload
        self.side: Side = side
        self.timeout = 60.0
        self.headers: dict[str, str] = {}
        self.auth: Auth | None = None
        self.about: object = None
        self.watch: Watch | None = None
        self.follows = False

    def follow(self, home: urls.Target, trusted: bool) -> Response:
        target = home
        for _ in range(MOST_REDIRECTS + 1):
            at_home = target.origin[1:] == home.origin[1:]
            known = target.origin == home.origin
            response = self._ask(target, trusted and at_home, known)
            if response.status not in _REDIRECTS or not self.follows:
                return response
            place = response.headers.get('Location')
            response.close()
            if not place:
                raise exception.ProtocolViolation('a redirect to nowhere')
            target = urls.follow(target, place)
            LOG.debug(
                '%s redirects to %s', self.about, masking.mask_uri(target.url)
            )
        raise exception.ProtocolViolation(
            f'redirected more than {MOST_REDIRECTS} times'
        )

    def _ask(
        self, target: urls.Target, trusted: bool, known: bool
    ) -> Response:
        auth = self.auth if known else None
        response = self._ask_once(target, trusted, known, auth)
        if response.status != 401 or not auth or not self.payload.again:
            return response
        try:
            renewed = auth.renew()
        except BaseException:
            response.body.close()
            raise
        if not renewed:
            return response
        response.close()
        return self._ask_once(target, trusted, known, auth)

    def _ask_once(
        self,
        target: urls.Target,
        trusted: bool,
        known: bool,
        auth: Auth | None,
    ) -> Response:
        headers = self._fields(target, known, auth)
        while True:
            connection: Connection | None = None
            stale = False
            try:
                connection = self.pool.acquire(target.origin, trusted=trusted)
                if self.watch is not None:
                    self.watch.add(connection)
                answer = self._exchange(connection, target, headers)
                return self._response(connection, answer, target, trusted)
            except exception.ImageError:
                self._drop(connection)
                raise
            except failures.FAILURES as error:
                stale = (
                    connection is not None
                    and connection.used
                    and self.payload.length is None
                    and failures.is_stale(error)
                )
                failure = failures.translate(
                    error, f'asking {target.origin}', side=self.side
                )
                self._drop(connection)
            except BaseException:
                self._drop(connection)
                raise
            if not stale:
                raise failure

    def begin(self, target: urls.Target, length: int | None) -> Sending:
        """Send the head of a request, on a connection of its own."""
        headers = self._fields(target, True, self.auth)
        connection: Connection | None = None
        failure: exception.ImageError | None = None
        try:
            # A kept one may turn out to be closed when it is too late.
            connection = self.pool.connect(target.origin)
            if self.watch is not None:
                self.watch.add(connection)
            path, headers = self._proxied(target, headers)
            connection.start(self.method, path, headers)
        except failures.FAILURES as error:
            failure = failures.translate(
                error, f'asking {target.origin}', side=self.side
            )
        except BaseException:
            self._drop(connection)
            raise
        if connection is None or failure is not None:
            self._drop(connection)
            raise failure or exception.DestinationError('no connection')

        def respond(answer: Answer) -> Response:
            return self._response(connection, answer, target, True)

        return Sending(connection, length, self.timeout, respond, self.about)

    def _fields(
        self, target: urls.Target, known: bool, auth: Auth | None
    ) -> dict[str, str]:
        headers = {
            'Host': target.origin.authority,
            'User-Agent': 'oslo.image',
            'Accept': '*/*',
            'Accept-Encoding': 'identity',
        }
        headers.update(
            (name, value)
            for name, value in self.headers.items()
            if known or name.lower() in _FOR_STRANGERS
        )
        if self.payload.length is not None:
            headers['Content-Length'] = str(self.payload.length)
        if auth is not None:
            signed = auth.sign(self.method, target.url, headers)
            headers.update(fields.clean(dict(signed)))
        return headers

    def _exchange(
        self,
        connection: Connection,
        target: urls.Target,
        headers: dict[str, str],
    ) -> Answer:
        path, headers = self._proxied(target, headers)
        return connection.exchange(
            self.method, path, headers, self.payload, self.timeout
        )

    def _proxied(
        self, target: urls.Target, headers: dict[str, str]
    ) -> tuple[str, dict[str, str]]:
        """Return the request's target and fields, as a proxy wants them."""
        proxy = self.pool.proxy(target.origin.scheme)
        if proxy is None:
            return target.path, headers
        return target.url, {**headers, **proxy_fields(proxy)}

    def _response(
        self,
        connection: Connection,
        answer: Answer,
        target: urls.Target,
        trusted: bool,
    ) -> Response:
        try:
            stated = fields.check_framing(answer.headers)
        except exception.ImageError:
            answer.close()
            raise
        pool, origin, watch = self.pool, target.origin, self.watch

        def release(reusable: bool) -> None:
            if watch is not None:
                watch.discard(connection)
            pool.release(origin, connection, reusable)

        body = Body(answer, stated, release, side=self.side, about=self.about)
        return Response(answer, target, trusted, body)

    def _drop(self, connection: Connection | None) -> None:
        if connection is None:
            return
        if self.watch is not None:
            self.watch.discard(connection)
        connection.close()
