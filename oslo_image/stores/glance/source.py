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

"""An image as Glance's API gives it, pinned by the MD5 that Glance knows.

Glance sends no ETag, and for an image of a given id never other bits; every
answer has the image's MD5 (Content-MD5, of the whole in an answer to a range
too), if it is known. An image without one is read in one stream.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from oslo_image import exception
from oslo_image.image import Location, check_active
from oslo_image.stores.base import MiB, Reader, Source
from oslo_image.stores.glance.service import (
    MARK,
    UNAUTHENTICATED,
    Service,
    size_of,
    version_of,
)
from oslo_image.stores.wire import Response, WireSource


class GlanceSource(Source):
    """One image, asked for its bits when they are read.

    With what is known of it already, opening it asks nobody. Whether there are
    ranges is known when it is pinned: stores behind Glance may have none (S3).

    :param known: its size and checksum, as Glance has them.
    """

    chunk = 8 * MiB
    # Each request costs Glance a look into its database and its policy, and
    # several keep each other waiting (benchmarks, glance-api).
    in_one = True

    def __init__(
        self,
        location: Location,
        image_id: str,
        service: Service,
        known: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(location)
        self._id = image_id
        self._service = service
        self._lock = threading.Lock()
        self._wire: WireSource | None = None
        record = known
        if record is None:
            record = service.show(image_id, side='source')
            check_active(image_id, str(record.get('status')))
        self.size = size_of(record)
        self.version = version_of(record)
        self.ranged = bool(self.version and self.size)
        if known is None:
            self.pin()

    def pin(self) -> None:
        """Ask for the first bytes, by which it shows what can be had."""
        self._reading()

    def open_stream(
        self, offset: int = 0, length: int | None = None
    ) -> Reader:
        """Open a stream over one request."""
        return self._reading().open_stream(offset, length)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill the buffer; what lies in the head costs no request."""
        return self._reading().read_into(offset, buffer)

    def interrupt(self) -> None:
        """Wake who waits for the server."""
        if self._wire is not None:
            self._wire.interrupt()

    def close(self) -> None:
        """Let go of the connection."""
        if self._wire is not None:
            self._wire.close()

    def _reading(self) -> WireSource:
        with self._lock:
            if self._wire is None:
                self._wire = self._opened()
            return self._wire

    def _opened(self) -> WireSource:
        service = self._service
        wire = WireSource(
            self.location,
            service.client,
            service.url(f'/images/{self._id}/file'),
            auth=service.identity,
            mark=MARK,
            refused=_refused,
            # Whose endpoint it is was checked, so it may be anywhere.
            trusted=True,
        )
        # Of a size of 0, Glance does not say whether it is known.
        if None not in (self.size, wire.size) and self.size != wire.size:
            wire.close()
            raise exception.SizeMismatch(
                f'Glance gives {wire.size} bytes, and its record says '
                f'{self.size}',
                side='source',
            )
        self.size = wire.size if self.size is None else self.size
        self.ranged = wire.ranged
        self.version = wire.version
        return wire


def _refused(response: Response) -> exception.ImageError:
    """Return our error for an answer without bits."""
    if response.status == 401:
        response.close()
        return exception.PermissionDenied(UNAUTHENTICATED)
    if response.status == 300:
        response.close()
        return exception.ImageInvalidApi(
            'the endpoint does not speak version 2 of the Images API'
        )
    if response.status != 204:
        return response.error()
    response.close()
    return exception.ImageNotFound('none of its stores has the bits')
