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

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from oslo_image import exception
from oslo_image.stores.glance.answers import Reply, is_image
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
        self._shows_locations: bool | None = None
        #: Whether it has shown that it reads us no locations, by the API that
        #: they have of their own.
        self.hides_locations = False

    @property
    def endpoint(self) -> str:
        """Where it is, without a version.

        :raises ImageInvalidApi: when nobody says so.
        """
        if not self._named:
            self._named = self.identity.endpoint(self._region, self._interface)
        return self._named

    @property
    def shows_locations(self) -> bool | None:
        """Whether an image's record has them; None: there is no image.

        Where it has, they can be changed like its other fields.
        """
        if self._shows_locations is None:
            found, _ = self.page('limit=1')
            if found:
                self._shows_locations = 'locations' in found[0]
        return self._shows_locations

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
        :raises ImageError: when it cannot be read for the moment.
        """
        reply = self._ask('GET', f'{self.endpoint}/', None, '', side, None)
        if reply.status in (401, 408, 429) or reply.status >= 500:
            raise self.error(reply, side)
        found = reply.value()
        known = found.get('versions') if isinstance(found, dict) else None
        if not any(
            isinstance(one, dict)
            and str(one.get('id')).partition('.')[0] == 'v2'
            for one in (known if isinstance(known, list) else ())
        ):
            raise self._no_version_2()

    def record(self, reply: Reply, side: Side = 'catalogue') -> Any:
        """Return the image's record that a successful answer holds.

        :raises ImageInvalidApi: when it holds none.
        """
        return self._value(reply, side, is_image)

    def page(
        self, query: str, side: Side = 'catalogue'
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return images, and whether there are more.

        :raises ImageInvalidApi:
        """
        reply = self.ask('GET', f'/images?{query}', side=side)
        found = self._value(reply, side, _is_page)
        return found['images'], 'next' in found and bool(found['images'])

    def listed(
        self, reply: Reply, fits: Callable[[Any], bool]
    ) -> list[dict[str, Any]]:
        """Return the list that a successful answer is.

        :param fits: tells whether an entry is one.
        :raises ImageInvalidApi:
        """
        found: list[dict[str, Any]] = self._value(
            reply,
            'catalogue',
            lambda found: isinstance(found, list) and all(map(fits, found)),
        )
        return found

    def _value(
        self, reply: Reply, side: Side, fits: Callable[[Any], bool]
    ) -> Any:
        if reply.status == 404:
            self.check_api(side)
        if reply.status not in (200, 201):
            raise self.error(reply, side)
        found = reply.value()
        if not fits(found):
            raise exception.ImageInvalidApi(
                f'{self.endpoint} does not answer as the Images API does'
            )
        return found

    def _no_version_2(self) -> exception.ImageInvalidApi:
        return exception.ImageInvalidApi(
            f'{self.endpoint} does not speak version 2 of the Images API'
        )

    def error(self, reply: Reply, side: Side) -> exception.ImageError:
        """Return our error for an answer that is one."""
        if reply.status == 300:
            # Glance offers its versions to who asks for none of them.
            return self._no_version_2()
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


def _is_page(found: Any) -> bool:
    images = found.get('images') if isinstance(found, dict) else None
    return isinstance(images, list) and all(map(is_image, images))
