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

"""A container in Swift as a place: the tests' own, or an operator's."""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oslo_image import exception, stores
from oslo_image.bench.objects import Objects
from oslo_image.bench.places import Enter, Missing, Place
from oslo_image.bench.shared import PREFIX
from oslo_image.stores.registry import Stores
from oslo_image.stores.swift import uri
from oslo_image.stores.swift.account import Settings, password
from oslo_image.stores.swift.references import references

_OWN = re.compile(re.escape(PREFIX) + r'[0-9a-f]+\.\d+')


class SwiftContainer(Objects):
    """The container that a configuration names.

    :param config: with ``swift_store_auth_address``, ``swift_store_user``,
        ``swift_store_key`` and ``swift_store_container``.
    :raises Missing: when no token is given.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        options = _options(config)
        self.reference: str = options.default_swift_reference
        self.container: str = options.swift_store_container
        self.settings: Settings = references(options)[self.reference]
        try:
            #: The account's URL, for what is measured without asking.
            self.url = self._tokens.url('destination')
        except exception.ImageError as error:
            raise Missing(f'Swift: {error}') from error

    @property
    def _tokens(self) -> Any:
        return password(self.settings)

    @property
    def token(self) -> str:
        """A token for the account."""
        found: str = self._tokens.token('destination')
        return found

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program needs: in its arguments, all could read the key."""
        return {
            **os.environ,
            'OS_STORAGE_URL': self.url,
            'OS_AUTH_TOKEN': self.token,
        }

    def object_name(self, location: str) -> str:
        """Return an object's name."""
        return uri.parse(location).name

    def at(self, location: str) -> str:
        """Return an object's URL."""
        return f'{self.url}/{self.container}/{self.object_name(location)}'

    def uri(self, name: str) -> str:
        """Return the URI of an object."""
        return uri.build(self.reference, self.container, name)

    def discard(self, target: str) -> None:
        """Remove the object, and all segments that bear its name."""
        self._remove(target)
        name = self.object_name(target)
        for one, _ in self._listed(name):
            if not one.removeprefix(name)[:1].isdigit():
                self._remove(self.uri(one))

    def _remove(self, target: str) -> None:
        with contextlib.suppress(exception.ImageNotFound):
            stores.delete(target, self.config)

    def forgotten(self, before: float) -> Iterable[str]:
        """Return the objects of killed runs, whose segments go with them."""
        names = {
            found[0]
            for name, modified in self._listed(PREFIX)
            if (found := _OWN.match(name)) and modified < before
        }
        return map(self.uri, sorted(names))

    def _listed(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Yield the names that begin so, and when they were changed."""
        import swiftclient

        connection = swiftclient.Connection(
            preauthurl=self.url, preauthtoken=self.token
        )
        with contextlib.closing(connection):
            _, found = connection.get_container(
                self.container, prefix=prefix, full_listing=True
            )
        for one in found:
            when = datetime.datetime.fromisoformat(one['last_modified'])
            yield (
                one['name'],
                when.replace(tzinfo=datetime.UTC).timestamp(),
            )


def configured(config: Any) -> Mapping[str, Enter]:
    """Return the places that a configuration adds, by name."""
    if config is None:
        return {}
    options = _options(config)
    if options.default_swift_reference in references(options):
        return {'swift': functools.partial(_enter, config)}
    return {}


@contextlib.contextmanager
def _enter(config: Any, work: pathlib.Path) -> Iterator[Place]:
    with SwiftContainer(config) as place:
        yield place


def _options(config: Any) -> Any:
    found = Stores(config)
    return found.find(found.location('swift:///any')).options
