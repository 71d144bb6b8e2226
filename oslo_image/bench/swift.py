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
import functools
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_image import exception, stores
from oslo_image.bench.objects import Objects
from oslo_image.bench.places import Enter, Missing, Place
from oslo_image.stores.registry import Stores
from oslo_image.stores.swift import uri
from oslo_image.stores.swift.account import Settings, password
from oslo_image.stores.swift.references import references


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

    def name(self, location: str) -> str:
        """Return an object's name."""
        return uri.parse(location).name

    def at(self, location: str) -> str:
        """Return an object's URL."""
        return f'{self.url}/{self.container}/{self.name(location)}'

    def uri(self, name: str) -> str:
        """Return the URI of an object."""
        return uri.build(self.reference, self.container, name)

    def discard(self, target: str) -> None:
        """Remove the object, with its segments."""
        with contextlib.suppress(exception.ImageNotFound):
            stores.delete(target, self.config)


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
