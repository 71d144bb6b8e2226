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

"""The Images API v2 of one Glance, as one user sees it."""

from __future__ import annotations

import functools
import html
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from oslo_image import exception, masking
from oslo_image.stores.glance.identity import Identity

if TYPE_CHECKING:
    from oslo_image.stores.wire import Client, Response

#: The most bytes of an answer in JSON: a page of 1000 images and more.
_MOST: Final = 64 << 20
#: The field that has the MD5 of the whole, in answers to ranges too.
MARK: Final = 'Content-MD5'
#: What a 401 means, which comes when nothing better is left to be shown.
UNAUTHENTICATED: Final = (
    'Glance answered HTTP 401: there was no token, or it has expired or was '
    'revoked; of a password, an application credential or a session, new ones '
    'are got'
)
_LONGEST_WORDS: Final = 300
_MD5_OF_NOTHING: Final = 'd41d8cd98f00b204e9800998ecf8427e'
_PATCH: Final = 'application/openstack-images-v2.1-json-patch'

Side = Literal['catalogue', 'source', 'destination']


def size_of(record: Mapping[str, Any]) -> int | None:
    """Return an image's bytes; for an unknown size Glance may say 0."""
    size: int | None = record.get('size')
    if not size and record.get('checksum') != _MD5_OF_NOTHING:
        return None
    return size


def version_of(record: Mapping[str, Any]) -> str | None:
    """Return what tells the bits from others, in the words of the wire."""
    checksum = record.get('checksum')
    return f'{MARK} {checksum}' if checksum else None


class Reply(NamedTuple):
    """An answer of the API, read to its end."""

    status: int
    body: bytes
    retry_after: float | None = None

    def words(self) -> str:
        """Return what Glance says of an error, on one line."""
        text = self.body[:4096].decode('utf-8', 'replace')
        try:
            text = json.loads(self.body)['message']
        except (ValueError, TypeError, KeyError):
            pass
        text = re.sub(r'<head>.*?</head>|<[^>]*>', ' ', text, flags=re.S)
        text = ' '.join(html.unescape(text).split())
        text = re.sub(rf'^{self.status} [A-Z][A-Za-z ]*? ', '', text)
        return masking.printable(text)[:_LONGEST_WORDS].rstrip(' .')


class Service:
    """One Glance; shared by threads.

    :param endpoint: without a version; '' asks the identity's catalogue.
    :param client: the owner's; it stays his.
    """

    def __init__(
        self,
        identity: Identity,
        client: Client,
        *,
        endpoint: str = '',
        region: str | None = None,
        interface: str = 'public',
    ) -> None:
        self.identity = identity
        self.client = client
        self._named = endpoint
        self._region = region
        self._interface = interface

    @functools.cached_property
    def endpoint(self) -> str:
        """Where it is, without a version.

        :raises ImageInvalidApi: when nobody says so.
        """
        return self._named or self.identity.endpoint(
            self._region, self._interface
        )

    @functools.cached_property
    def shows_locations(self) -> bool | None:
        """Whether an image's record has them; None: there is no image.

        Where it has, they can be changed like its other fields.
        """
        found = self.record(self.ask('GET', '/images?limit=1'))['images']
        return 'locations' in found[0] if found else None

    def url(self, path: str) -> str:
        """Return the URL of a path below the version."""
        return f'{self.endpoint}/v2{path}'

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = 'application/json',
        side: Side = 'catalogue',
        about: object = None,
    ) -> Reply:
        """Send a request of the control plane; return what is answered.

        :param path: below the version.
        :param body: what JSON can say; None is no body.
        :raises CatalogUnavailable, SourceUnavailable, DestinationError: when
            there is no answer, by the side.
        """
        return self._ask(method, self.url(path), body, kind, side, about)

    def reply(self, response: Response) -> Reply:
        """Read an answer to its end."""
        retry_after = response.retry_after
        return Reply(response.status, response.read(_MOST), retry_after)

    def patch(
        self,
        image_id: str,
        steps: list[dict[str, Any]],
        *,
        side: Side = 'catalogue',
    ) -> Reply:
        """Send a JSON patch of an image's record (RFC 6902)."""
        path = f'/images/{image_id}'
        return self.ask('PATCH', path, steps, kind=_PATCH, side=side)

    def show(self, image_id: str, *, side: Side = 'catalogue') -> Any:
        """Return Glance's record of an image.

        :raises ImageNotFound, PermissionDenied, ImageInvalidApi:
        """
        reply = self.ask('GET', f'/images/{image_id}', side=side)
        if reply.status == 404:
            raise self.absent(image_id, side)
        return self.record(reply, side)

    def absent(self, image_id: str, side: Side) -> exception.ImageError:
        """Return our error for a 404: no image, or no Images API at all."""
        try:
            self.check_api(side)
        except exception.ImageInvalidApi as error:
            return error
        return exception.ImageNotFound(
            f'Glance at {self.endpoint} has no image {image_id}'
        )

    def check_api(self, side: Side = 'catalogue') -> None:
        """Read the version document.

        :raises ImageInvalidApi: when it does not name version 2.
        """
        reply = self._ask('GET', f'{self.endpoint}/', None, '', side, None)
        try:
            known = {
                str(one['id']).partition('.')[0]
                for one in json.loads(reply.body)['versions']
            }
        except (ValueError, TypeError, KeyError):
            known = set()
        if 'v2' not in known:
            raise exception.ImageInvalidApi(
                f'{self.endpoint} does not speak version 2 of the Images API'
            )

    def record(self, reply: Reply, side: Side = 'catalogue') -> Any:
        """Return what a successful answer says, which is a mapping or list.

        :raises ImageInvalidApi: when it is no JSON.
        """
        if reply.status not in (200, 201):
            raise self.error(reply, side)
        try:
            found = json.loads(reply.body)
        except ValueError:
            found = None
        if not isinstance(found, dict | list):
            raise exception.ImageInvalidApi(
                f'{self.endpoint} does not answer as the Images API does'
            )
        return found

    def error(self, reply: Reply, side: Side) -> exception.ImageError:
        """Return our error for an answer that is one."""
        text = f'Glance answered HTTP {reply.status}: {reply.words()}'
        status = reply.status
        if status == 401:
            text = UNAUTHENTICATED
        if side != 'catalogue':
            found = exception.from_http_status(
                status, side, retry_after=reply.retry_after
            )
            found.message = text
            return found
        kind: type[exception.ImageError] = {
            400: exception.InvalidOption,
            401: exception.PermissionDenied,
            403: exception.PermissionDenied,
            404: exception.ImageNotFound,
            409: exception.InUse,
            410: exception.ImageNotFound,
            413: exception.NoSpace,
        }.get(
            status,
            exception.CatalogUnavailable
            if status in (408, 429) or status >= 500
            else exception.CatalogError,
        )
        return kind(text, retry_after=reply.retry_after)

    def _ask(
        self,
        method: str,
        url: str,
        body: Any,
        kind: str,
        side: Side,
        about: object,
    ) -> Reply:
        headers = {'Accept': 'application/json'}
        data: bytes | None = None
        if body is not None:
            headers['Content-Type'] = kind
            data = json.dumps(body).encode()
        try:
            response: Response = self.client.request(
                method,
                url,
                headers=headers,
                body=data,
                auth=self.identity,
                trusted=True,
                side='destination' if side == 'destination' else 'source',
                about=about,
            )
            return self.reply(response)
        except exception.SourceError as error:
            if side != 'catalogue':
                raise
            failure = exception.CatalogUnavailable(
                f'Glance at {self.endpoint}: {error.message}'
            )
        raise failure
