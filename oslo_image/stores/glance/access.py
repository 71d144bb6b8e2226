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

import collections
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from oslo_image.image import Image, Location
from oslo_image.stores.glance import identity, uri

if TYPE_CHECKING:
    from oslo_image.stores.glance.service import Service
    from oslo_image.stores.wire import Client


#: Of so many who ask, what is known of them is kept.
_MOST: Final = 64


class _Kept:
    """What one process has of it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        #: Beside each, whose it is: that must not be another's meanwhile.
        self.services: collections.OrderedDict[
            tuple[Any, str], tuple[Any, Service]
        ] = collections.OrderedDict()


class Access:
    """The client of one configuration; making one opens nothing.

    Thread safe, and usable after a fork.

    :param options: those of :mod:`oslo_image.stores.glance.options`.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._client: Client | None = None
        # By process: who held a lock at a fork is not there to let go of it.
        self._kept: dict[int, _Kept] = {}

    def service(self, auth: Any = None, endpoint: str = '') -> Service:
        """Return Glance as somebody sees it.

        :param auth: his own credentials, if they are not those configured.
        :param endpoint: another one than the configured; no credentials are
            sent to what they are not for.
        """
        # An object of which nobody knows whether it can be hashed.
        key = (auth if isinstance(auth, str) else id(auth), endpoint)
        kept = self._kept.setdefault(os.getpid(), _Kept())
        with kept.lock:
            if key in kept.services:
                kept.services.move_to_end(key)
                return kept.services[key][1]
            client = self._client = self._client or self._connect()
        # Keystone may be asked, and others need not wait for it.
        made = self._make(client, auth, endpoint)
        with kept.lock:
            _, service = kept.services.setdefault(key, (auth, made))
            while len(kept.services) > _MOST:
                kept.services.popitem(last=False)
            return service

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
        self._kept.clear()
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connect(self) -> Client:
        from oslo_image.stores import wire

        return wire.Client(
            wire.Settings(
                ca_file=self._options.glance_ca_certificates_file,
                insecure=self._options.glance_insecure,
            )
        )

    def _make(self, client: Client, auth: Any, endpoint: str) -> Service:
        from oslo_image.stores.glance.service import Service

        o = self._options
        configured = identity.settings(o).endpoint
        who = identity.identity(o, auth, endpoint)
        named = who.named or configured
        if endpoint and endpoint != named and not who.knows(endpoint):
            who = identity.Nobody()
        return Service(
            who,
            client,
            endpoint=endpoint or named,
            region=o.glance_region_name,
            interface=o.glance_interface,
        )
