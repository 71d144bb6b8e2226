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

"""A source over HTTP: probed once, pinned, read by ranges or in one stream.

The probe is a GET of the first bytes, because a signed URL often refuses HEAD.

* 206: any range can be read, by several threads. The head is kept, so that
  looking at an image's format costs no further request.
* 206 without a strong ETag or a Last-Modified: ranges could be of different
  versions, so it is asked again without a range, and read in one stream.
* 200: the server knows no ranges. The answer stays open and becomes the first
  stream; another one is a new GET, whose version is compared.
* 416 with ``bytes */0``: an empty image. Another 416, or a 204, 400 or 501
  (servers that reject a Range they cannot serve): asked again without a range.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import MiB, Reader, Source, fill
from oslo_image.stores.wire import fields, pinning, urls
from oslo_image.stores.wire.auth import Auth
from oslo_image.stores.wire.body import Body
from oslo_image.stores.wire.client import Client
from oslo_image.stores.wire.response import Response
from oslo_image.stores.wire.watch import Watch

#: Bytes that the probe asks for.
HEAD = 1 << 16
_RANGE_REJECTED = (204, 400, 416, 501)
#: A signed place that a redirect led to answers so when its time is over.
_PLACE_GONE = (401, 403, 404, 410)


class _Route(NamedTuple):
    url: str
    trusted: bool


class WireSource(Source):
    """One version of what lies at a URL.

    Failures are raised at once, the temporary ones with ``temporary``,
    ``offset`` and ``retry_after`` set; trying again is the caller's business.

    :param client: the store's client; it stays the store's.
    :param url: where the bits lie; ``location`` is only shown.
    :param auth: credentials for the URL's origin.
    :param headers: further fields for every request to that origin.
    :param refused: makes an error of an answer that is one; by default its
        status does.
    :param conditional: whether to ask for the pinned version alone, which some
        servers understand amiss; every answer is compared in any case.
    :param trusted: whether the URL may lead to any address; by default as the
        location is trusted.
    :param mark: a field of its answers that stands for the very bytes, where
        the server is known to send it instead of an ETag.
    :raises ImageNotFound, PermissionDenied, LocationDenied,
        SourceUnavailable, ProtocolViolation:
    """

    chunk = 8 * MiB

    def __init__(
        self,
        location: Location,
        client: Client,
        url: str,
        *,
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        refused: Callable[[Response], exception.ImageError] = Response.error,
        conditional: bool = True,
        trusted: bool | None = None,
        mark: str | None = None,
    ) -> None:
        super().__init__(location)
        self._client = client
        self._refused = refused
        self._auth = auth
        self._headers = dict(headers or {})
        self._conditional = conditional
        if trusted is None:
            trusted = location.trusted
        self._home = self._route = _Route(url, trusted)
        self._mark = mark
        self._origin = urls.split(url).origin
        self._lock = threading.Lock()
        self._head = b''
        self._open: Response | None = None
        self._pin = pinning.Pin(None, None, None)
        self._watch = Watch()
        try:
            self._probe()
        except exception.ImageError as error:
            self.close()
            error.offset = None  # nothing was delivered
            raise self._told(error) from None
        self.version = self._pin.version

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream; one request, or none where the head suffices.

        :raises SourceError: for another offset than 0 where there are no
            ranges.
        """
        if not self.ranged:
            return self._open_whole(offset, length)
        size = self.size or 0
        end = size if length is None else min(size, offset + length)
        if end <= len(self._head) or offset >= end:
            return _Bytes(self._head[offset:end])
        try:
            return self._open_range(offset, end - 1)
        except exception.ImageError as error:
            raise self._told(error, offset) from None

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the buffer; what lies in the head costs no request."""
        if not self.ranged and offset + len(buffer) <= HEAD:
            self._read_ahead()
            part = self._head[offset : offset + len(buffer)]
            buffer[: len(part)] = part
            return len(part)
        return super().read_into(offset, buffer)

    def check_unchanged(self) -> None:
        """Do nothing: every answer was compared with the pinned version.

        What was read is of one version, whatever lies there now.
        """

    def interrupt(self) -> None:
        """Wake who waits for the server; another copy may begin anew."""
        watch, self._watch = self._watch, Watch()
        watch.interrupt()

    def close(self) -> None:
        """Let go of the answer that is still open, if one is."""
        with self._lock:
            response, self._open = self._open, None
        if response is not None:
            response.body.close()

    def _probe(self) -> None:
        response = self._ask(0, HEAD - 1)
        total = fields.parse_unsatisfied(response.headers.get('Content-Range'))
        if response.status == 416 and total == 0:
            self._pin = pinning.pin(response, 0, self._mark)
            self.size = 0
            response.close()
            return
        if _is_partial(response):
            with response:
                found = pinning.check_partial(response, 0, HEAD - 1)
                pinned = pinning.pin(response, found.total, self._mark)
                if found.total is not None and pinned.version is not None:
                    self._take_head(response, found.total)
                    return
        elif response.status not in _RANGE_REJECTED:
            return self._take_whole(response)
        response.close()
        self._take_whole(self._ask())

    def _take_head(self, response: Response, total: int) -> None:
        head = bytearray(min(HEAD, total))
        response.body.place(0, len(head))
        fill(response.body, memoryview(head))
        self._head = bytes(head)
        self._pin = pinning.pin(response, total, self._mark)
        self.size = total

    def _take_whole(self, response: Response) -> None:
        if response.status != 200:
            raise self._refused(response)
        self.ranged = False
        self.size = response.body.length
        self._pin = pinning.pin(response, self.size, self._mark)
        self._open = response

    def _open_range(self, start: int, end: int) -> Body:
        response = self._ask(start, end)
        try:
            if _is_partial(response):
                found = pinning.check_partial(response, start, end)
                self._pin.compare(response)
                self._pin.compare_size(found.total)
            elif response.status == 200:
                self._pin.compare(response)
                self._pin.compare_size(response.body.length)
                if (start, end + 1) != (0, self.size):
                    raise exception.ProtocolViolation(
                        'the server sent the whole where it was asked for '
                        'a range, although it knew ranges before'
                    )
            elif response.status in (412, 416):
                raise exception.SourceChanged(
                    f'the server says so (HTTP {response.status})',
                    side='source',
                )
            else:
                raise self._refused(response)
            response.body.place(start, end + 1 - start)
        except exception.ImageError:
            response.body.close()
            raise
        return response.body

    def _open_whole(self, offset: int, length: int | None) -> Reader:
        if offset:
            raise exception.SourceError(
                'the server serves no ranges, so reading starts at byte 0',
                source=self.location,
                side='source',
                offset=offset,
            )
        with self._lock:
            response, self._open = self._open, None
            head = self._head
        if response is not None:
            return _Whole(head, response.body, length)
        try:
            return _Whole(b'', self._ask_again(), length)
        except exception.ImageError as error:
            raise self._told(error, 0) from None

    def _ask_again(self) -> Body:
        response = self._ask()
        try:
            if response.status != 200:
                raise self._refused(response)
            self._pin.compare(response)
            self._pin.compare_size(response.body.length)
            response.body.place(0, self.size)
        except exception.ImageError:
            response.body.close()
            raise
        return response.body

    def _read_ahead(self) -> None:
        """Read the head of the open answer, which goes on behind it."""
        with self._lock:
            response = self._open
            if response is None or self._head:
                return
            head = bytearray(HEAD)
            count = fill(response.body, memoryview(head))
            self._head = bytes(head[:count])

    def _ask(
        self, start: int | None = None, end: int | None = None
    ) -> Response:
        headers = dict(self._headers)
        if start is not None:
            headers['Range'] = f'bytes={start}-{end}'
            if self._conditional:
                headers.update(self._pin.conditions())
        route = self._route
        response = self._send(route, headers)
        if response.status in _PLACE_GONE and route is not self._home:
            response.close()
            route = self._home
            response = self._send(route, headers)
        if response.status in (200, 206) and response.url != route.url:
            route = _Route(response.url, response.trusted)
        self._route = route
        return response

    def _send(self, route: _Route, headers: Mapping[str, str]) -> Response:
        known = urls.split(route.url).origin == self._origin
        return self._client.request(
            'GET',
            route.url,
            headers=headers,
            auth=self._auth if known else None,
            trusted=route.trusted,
            about=self.location,
            watch=self._watch,
        )

    def _told(
        self, error: exception.ImageError, offset: int | None = None
    ) -> exception.ImageError:
        return error.annotate(
            source=self.location, side='source', offset=offset
        )


def _is_partial(response: Response) -> bool:
    """Tell whether an answer is a range, which is still to be checked.

    rclone says 200 to ranges, with the right part and its Content-Range.
    """
    return response.status == 206 or (
        response.status == 200 and 'Content-Range' in response.headers
    )


class _Bytes:
    """A reader over bytes that are here already."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def readinto(self, buffer: memoryview, /) -> int:
        count = min(len(buffer), len(self._data))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count

    def close(self) -> None:
        self._data = self._data[:0]


class _Whole:
    """The head that was read ahead, and then the body it was read from."""

    def __init__(self, head: bytes, body: Body, length: int | None) -> None:
        self._head = _Bytes(head)
        self._body = body
        self._left = length

    def readinto(self, buffer: memoryview, /) -> int:
        if self._left is not None:
            buffer = buffer[: self._left]
        count = self._head.readinto(buffer) or self._body.readinto(buffer)
        if self._left is not None:
            self._left -= count
        return count

    def close(self) -> None:
        self._head.close()
        self._body.close()
