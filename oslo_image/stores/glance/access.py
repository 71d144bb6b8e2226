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

"""How the configured Glance is reached, for the store and the catalogue."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from oslo_image.image import Image, Location
from oslo_image.stores.glance import identity, uri

if TYPE_CHECKING:
    from oslo_image.stores.glance.service import Service
    from oslo_image.stores.wire import Client


class Access:
    """The client of one configuration; making one opens nothing.

    :param options: those of :mod:`oslo_image.stores.glance.options`.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._services: dict[tuple[Any, str, int], Service] = {}

    def service(self, auth: Any = None, endpoint: str = '') -> Service:
        """Return Glance as somebody sees it.

        :param auth: his own credentials, if they are not those configured.
        :param endpoint: another one than the configured; no credentials are
            sent to what they are not for.
        """
        # An object of which nobody knows whether it can be hashed.
        key = (
            auth if isinstance(auth, str) else id(auth),
            endpoint,
            os.getpid(),
        )
        with self._lock:
            if key not in self._services:
                self._services[key] = self._make(auth, endpoint)
            return self._services[key]

    def home(self, image: Image, auth: Any = None) -> Location:
        """Return where the API has an image's bits, and what is known of them.

        What is known spares the store a request.
        """
        place = self.service(auth).endpoint
        known = {'size': image.size, 'checksum': image.checksum}
        return Location(
            uri.build(place, str(image.id)),
            {'image': known} if image.status == 'active' else {},
            trusted=True,
        )

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            client, self._client = self._client, None
            self._services.clear()
        if client is not None:
            client.close()

    def _make(self, auth: Any, endpoint: str) -> Service:
        from oslo_image.stores import wire
        from oslo_image.stores.glance.service import Service

        o = self._options
        if self._client is None:
            self._client = wire.Client(
                wire.Settings(
                    ca_file=o.glance_ca_certificates_file,
                    insecure=o.glance_insecure,
                )
            )
        configured = identity.settings(o).endpoint
        who = identity.identity(o, auth, endpoint)
        if endpoint and endpoint != configured and not who.knows(endpoint):
            who = identity.Nobody()
        return Service(
            who,
            self._client,
            endpoint=endpoint or configured,
            region=o.glance_region_name,
            interface=o.glance_interface,
        )
