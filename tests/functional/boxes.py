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

"""Containers in Swift of a test's own, and what oslo.image does with them."""

from __future__ import annotations

import contextlib
import copy
import pathlib
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, Self

import swiftclient

from oslo_image import move, stores
from oslo_image.stores import registry
from tests.functional import proxy as proxies

MiB = 1 << 20
_SEGMENT = re.compile(r'oslo-image\.segment/(.+)/[0-9a-f]{16}/(.+)')


class Box:
    """A container, with a plain client beside.

    :param options: of the store, with the client's own credentials.
    """

    #: What it is behind, if it is.
    proxy: proxies.Proxy

    def __init__(
        self,
        client: swiftclient.Connection,
        options: Mapping[str, Any],
        name: str,
    ) -> None:
        self.client = client
        self.name = name
        self.config = {'swift_store_large_object_chunk_size': 1, **options}
        client.put_container(name)

    def via(self, proxy: proxies.Proxy) -> Self:
        """Return the same container, to be reached through a proxy.

        The plain client goes past it, and so do those for tokens.
        """
        account = urllib.parse.urlsplit(self.client.get_auth()[0]).path
        other = copy.copy(self)
        other.proxy = proxy
        other.config = {
            **self.config,
            'swift_store_endpoint': proxy.url + account,
            'retry_pause': 0.01,
        }
        return other

    def uri(self, name: str) -> str:
        return f'swift+config://ref1/{self.name}/{name}'

    def put(
        self, name: str, data: bytes = b'', **headers: str
    ) -> dict[str, Any]:
        """Store an object; return its manifest's entry."""
        fields = {key.replace('_', '-'): one for key, one in headers.items()}
        etag = self.client.put_object(self.name, name, data, headers=fields)
        path = f'/{self.name}/{name}'
        return {'path': path, 'etag': etag, 'size_bytes': len(data)}

    def get(self, name: str) -> bytes:
        data: bytes = self.client.get_object(self.name, name)[1]
        return data

    def head(self, name: str) -> dict[str, str]:
        found: dict[str, str] = self.client.head_object(self.name, name)
        return found

    def static(self, name: str) -> bool:
        return self.head(name).get('x-static-large-object') == 'True'

    def names(self) -> list[str]:
        """Return the names of all objects; segments without their token."""
        found = self.client.get_container(self.name, full_listing=True)[1]
        return sorted(
            _SEGMENT.sub(r'\1:\2', one['name'])
            for one in found
            if 'name' in one
        )

    def clean(self, name: str = 'image') -> None:
        """Remove the segments that copies to a name have left."""
        with contextlib.closing(registry.Stores(self.config)) as found:
            location = found.location(self.uri(name))
            store = found.find(location)
            for one in list(store.leftovers(location, older_than=0)):
                assert store.remove_leftover(one)

    def copy(self, source: str, name: str, **keywords: Any) -> move.CopyResult:
        """Copy an image into the container."""
        how = keywords.pop('if_exists', 'fail')
        size = keywords.pop('size', None)
        with stores.open_writer(
            self.uri(name), self.config, if_exists=how, size=size
        ) as writer:
            return move.Mover(source, self.config, **keywords).copy(writer)

    def fetch(
        self, name: str, path: pathlib.Path, **keywords: Any
    ) -> move.CopyResult:
        """Copy an object to a file that is not there."""
        with stores.open_writer(f'file://{path}') as writer:
            mover = move.Mover(self.uri(name), self.config, **keywords)
            return mover.copy(writer)


def options(address: str, user: str, key: str) -> dict[str, str]:
    return {
        'swift_store_auth_address': address,
        'swift_store_user': user,
        'swift_store_key': key,
    }
