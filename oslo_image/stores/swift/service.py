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

"""The requests that an account in Swift is asked by, all but reading."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import threading
import types
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from oslo_image import exception
from oslo_image.stores.base import MiB
from oslo_image.stores.objects import Limits
from oslo_image.stores.swift import uri
from oslo_image.stores.swift.account import Account
from oslo_image.stores.swift.doubt import Doubt
from oslo_image.stores.wire import (
    Client,
    Persistence,
    Response,
    Sending,
    Watch,
)
from oslo_image.stores.wire.payload import Content

#: What Swift allows unless it says otherwise (``/info``), and RGW.
_LIMITS = Limits(least=1, largest=5 * 1024 * MiB, most=1000)
#: The largest answer that is taken: a listing, a manifest.
_MOST = 64 * MiB
#: How much a server handles in a second at least while it says nothing: it
#: copies an object, or looks at the segments of a manifest.
_COPIED = 8 * MiB
_LOOKED_AT = 10
#: Worth another try; Swift's limit of rates says 498.
_TEMPORARY = (408, 425, 429, 498, 500, 502, 503, 504)

Query = Mapping[str, str]
#: The header fields of an object; case does not matter to ``get``.
Fields = http.client.HTTPMessage
_NOTHING: Query = types.MappingProxyType({})


class Entry(NamedTuple):
    """An object in a listing; ``modified`` as the server writes it."""

    name: str
    size: int
    etag: str
    modified: str


class Service:
    """One account, on one side of a copy; shared by threads.

    :param about: the location, for errors.
    """

    def __init__(
        self,
        account: Account,
        client: Client,
        side: exception.Side,
        about: object,
    ) -> None:
        self.account = account
        self.client = client
        self.side: exception.Side = side
        self.about = about
        self._lock = threading.Lock()
        self._limits: Limits | None = None
        self._persistence = Persistence()
        self._interrupts = 0

    @property
    def cluster(self) -> str:
        """Which cluster the account belongs to."""
        return uri.cluster(self.account.url)

    def url(
        self, container: str, name: str = '', query: Query = _NOTHING
    ) -> str:
        """Return the URL of a container or an object."""
        path = urllib.parse.quote(container, '')
        if name:
            path += f'/{urllib.parse.quote(name)}'
        found = f'{self.account.url}/{path}'
        return f'{found}?{urllib.parse.urlencode(query)}' if query else found

    def head(
        self,
        container: str,
        name: str = '',
        *,
        newest: bool = False,
        timeout: float | None = None,
        patience: float = math.inf,
    ) -> Fields | None:
        """Return an object's fields; None when it is not there.

        :param newest: whether all of the servers that have it are asked.
        """
        headers = {'X-Newest': 'true'} if newest else None
        response = self._ask(
            'HEAD',
            self.url(container, name),
            headers=headers,
            timeout=timeout,
            patience=patience,
        )
        response.close()
        if response.status == 404:
            return None
        if response.status not in (200, 204):
            raise self.refused(response)
        return response.headers

    def put(
        self,
        container: str,
        name: str,
        body: Content = b'',
        *,
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
        query: Query = _NOTHING,
        timeout: float | None = None,
        doubt: Doubt | None = None,
    ) -> str:
        """Store an object; return the ETag, unquoted.

        :param doubt: told of tries that failed.
        :raises DestinationExists: when the server has a newer object.
        """
        response = self._ask(
            'PUT',
            self.url(container, name, query),
            headers=headers,
            body=body,
            length=length,
            timeout=timeout,
            doubt=doubt,
        )
        return self.stored(response)

    def make_container(
        self, container: str, headers: Mapping[str, str]
    ) -> bool:
        """Make a container, or set its fields; return whether it is new."""
        response = self._ask(
            'PUT', self.url(container), headers=headers, body=b''
        )
        if response.status not in (201, 202):
            raise self.refused(response)
        response.close()
        return response.status == 201

    def send(
        self,
        container: str,
        name: str,
        size: int | None,
        headers: Mapping[str, str],
        watch: Watch,
    ) -> Sending:
        """Begin to store an object whose body comes piece by piece.

        It cannot be sent again with another token: so the one that there is
        is tried first.

        :param size: of the body, in bytes; None: nobody knows.
        """
        with contextlib.suppress(exception.PermissionDenied):
            self.head(container)
        return self.client.send(
            'PUT',
            self.url(container, name),
            headers=headers,
            length=size,
            auth=self.account,
            about=self.about,
            watch=watch,
        )

    def stored(self, response: Response) -> str:
        """Return the ETag, unquoted, of what an answer says is stored."""
        # 202: what is there is newer, by the clocks of two proxies.
        if response.status == 202:
            response.close()
            raise exception.DestinationExists(
                'the server has a newer object', side='destination'
            )
        if response.status != 201:
            raise self.refused(response)
        etag = response.headers.get('ETag') or ''
        response.close()
        return etag.strip('"')

    def copy(
        self,
        origin: str,
        account: str,
        size: int,
        container: str,
        name: str,
        headers: Mapping[str, str],
        doubt: Doubt,
    ) -> str:
        """Have the server make an object of another; return its ETag.

        :param origin: the other's container and name, quoted.
        :param account: its account; '' is this one.
        :param size: of the other, in bytes.
        :param headers: all the fields that the object is to have, and
            conditions on the other.
        """
        # Swift carries the day on which the other expires, too.
        more = {'X-Copy-From': origin, 'X-Fresh-Metadata': 'true'}
        if account:
            more['X-Copy-From-Account'] = account
        response = self._ask(
            'PUT',
            self.url(container, name),
            headers={**headers, **more},
            body=b'',
            timeout=60 + size / _COPIED,
            doubt=doubt,
        )
        if response.status == 404:
            error = self.refused(response)
            error.message = (
                'there is no such object, or no such container (HTTP 404)'
            )
            raise error
        return self.stored(response)

    def put_manifest(
        self,
        container: str,
        name: str,
        segments: list[dict[str, Any]],
        headers: Mapping[str, str],
        doubt: Doubt,
    ) -> None:
        """Make segments a static large object."""
        self.put(
            container,
            name,
            json.dumps(segments).encode(),
            headers=headers,
            query={'multipart-manifest': 'put'},
            timeout=60 + len(segments) / _LOOKED_AT,
            doubt=doubt,
        )

    def manifest(self, container: str, name: str) -> list[dict[str, Any]]:
        """Return the manifest of a static large object.

        It is as the server shows it, not as it was sent, and empty where it
        shows none (RGW 16.2).
        """
        query = {'multipart-manifest': 'get'}
        response = self._ask('GET', self.url(container, name, query))
        if response.status != 200:
            raise self.refused(response)
        found = self._parsed(response)
        return found if isinstance(found, list) else []

    def listing(self, container: str, prefix: str) -> Iterator[Entry]:
        """Yield the objects whose name begins so, by name, page by page."""
        marker = ''
        while True:
            query = {'format': 'json', 'prefix': prefix, 'marker': marker}
            response = self._ask('GET', self.url(container, query=query))
            if response.status == 404:
                response.close()
                return
            if response.status not in (200, 204):
                raise self.refused(response)
            page = self._parsed(response) or []
            for one in page:
                if 'name' in one:
                    yield Entry(
                        one['name'],
                        one.get('bytes', 0),
                        one.get('hash', ''),
                        one.get('last_modified', ''),
                    )
            if not page:
                return
            last = page[-1]
            marker = last.get('name') or last['subdir']

    def delete(
        self,
        container: str,
        name: str = '',
        query: Query = _NOTHING,
        *,
        timeout: float | None = None,
        patience: float = math.inf,
    ) -> bool:
        """Delete; return whether it was there."""
        response = self._ask(
            'DELETE',
            self.url(container, name, query),
            timeout=timeout,
            patience=patience,
        )
        response.close()
        if response.status not in (200, 204, 404):
            raise self.refused(response)
        return response.status != 404

    def update(self, container: str, headers: Mapping[str, str]) -> None:
        """Change the fields of a container."""
        response = self._ask('POST', self.url(container), headers=headers)
        if response.status not in (201, 202, 204):
            raise self.refused(response)
        response.close()

    @property
    def limits(self) -> Limits:
        """What the cluster allows; asked once."""
        with self._lock:
            if self._limits is None:
                self._limits = self._ask_limits()
            return self._limits

    def _ask_limits(self) -> Limits:
        response = self._ask('GET', f'{self.cluster}/info')
        if response.status != 200:
            response.close()
            return _LIMITS
        found = self._parsed(response)
        try:
            slo, most = found['slo'], found['swift']['max_file_size']
            return Limits(
                int(slo.get('min_segment_size', _LIMITS.least)),
                min(int(most), _LIMITS.largest) // MiB * MiB or int(most),
                int(slo.get('max_manifest_segments', _LIMITS.most)),
            )
        except (KeyError, TypeError, ValueError):
            return _LIMITS

    def _parsed(self, response: Response) -> Any:
        text = response.read(_MOST)
        try:
            return json.loads(text or b'null')
        except ValueError:
            raise exception.ProtocolViolation(
                'the answer is not JSON', side=self.side
            ) from None

    def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Content | None = None,
        length: int | None = None,
        timeout: float | None = None,
        patience: float = math.inf,
        doubt: Doubt | None = None,
    ) -> Response:
        interrupts = self._interrupts

        def once(watch: Watch) -> Response:
            status = 0
            try:
                response = self.client.request(
                    method,
                    url,
                    headers=headers,
                    body=body,
                    length=length,
                    auth=self.account,
                    trusted=True,
                    timeout=timeout,
                    side=self.side,
                    about=self.about,
                    watch=watch,
                )
                status = response.status
                if status in _TEMPORARY:
                    raise self.refused(response)
            except exception.ImageError as error:
                if doubt is not None:
                    gave_up = interrupts != self._interrupts
                    # A gateway's word; the server behind it goes on.
                    doubt.note(error, gave_up or status == 504)
                raise
            return response

        return self._persistence.run(once, patience)

    def interrupt(self) -> None:
        """Wake who waits for the server."""
        self._interrupts += 1
        self._persistence.interrupt()

    def refused(self, response: Response) -> exception.ImageError:
        """Return our error for an answer, and let go of it."""
        error = response.error(self.side)
        if response.status in _TEMPORARY:
            error.temporary = True
        text = {
            401: 'the token is not, or no longer, good',
            403: 'the account does not allow it',
            404: 'there is no such object'
            if self.side == 'source'
            else 'there is no such container',
            413: 'it is full, or the object too large',
        }.get(response.status)
        if text:
            error.message = f'{text} (HTTP {response.status})'
        return error.annotate(**{self.side: self.about})
