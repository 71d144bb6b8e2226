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

"""What the stores that speak HTTP have in common: one client, made late."""

from __future__ import annotations

import abc
import threading
from typing import TYPE_CHECKING, Any

from oslo_image.stores.base import Store

if TYPE_CHECKING:
    from oslo_image.stores.wire import Client, Settings


class WebStore(Store):
    """A store whose bodies go through :mod:`oslo_image.stores.wire`."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._lock = threading.Lock()
        self._client: Client | None = None

    @abc.abstractmethod
    def _connecting(self) -> Settings:
        """Return how to connect, as the options have it."""

    def _wire(self) -> Client:
        """Return the client of all that the store opens."""
        from oslo_image.stores import wire

        with self._lock:
            if self._client is None:
                self._client = wire.Client(self._connecting())
            return self._client

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
