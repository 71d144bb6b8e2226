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

"""An answer as a store sees it."""

from __future__ import annotations

import http.client
import logging
import time

from oslo_image import exception
from oslo_image.exception import Side
from oslo_image.stores.base import fill
from oslo_image.stores.wire import fields, urls
from oslo_image.stores.wire.answer import Answer
from oslo_image.stores.wire.body import Body

LOG = logging.getLogger(__name__)

#: A body up to this size is read so that its connection can be kept.
_DRAINED = 1 << 16
#: How much of a small answer is read at once, in bytes.
_STEP = 1 << 16


class Response:
    """An answer whose body is still to be read; a context manager.

    :ivar status: the HTTP status.
    :ivar headers: its fields; ``get`` ignores case.
    :ivar url: where it came from after redirects. Secret, if signed.
    :ivar trusted: whether that place is as trusted as the first one.
    :ivar body: a :class:`~oslo_image.stores.wire.body.Body`.
    """

    def __init__(
        self, answer: Answer, target: urls.Target, trusted: bool, body: Body
    ) -> None:
        self.status = answer.status
        self.headers: http.client.HTTPMessage = answer.headers
        self.url = target.url
        self.trusted = trusted
        self.body = body

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks us to wait, or None."""
        text = self.headers.get('Retry-After')
        return fields.parse_retry_after(text, time.time())

    def read(self, limit: int = 1 << 20) -> bytes:
        """Return the whole body of a small answer, and close it.

        :param limit: bytes.
        :raises ProtocolViolation: when the body is longer than that.
        """
        found = bytearray()
        buffer = memoryview(bytearray(min(limit + 1, _STEP)))
        with self.body as body:
            while count := fill(body, buffer):
                found += buffer[:count]
                if len(found) > limit:
                    raise exception.ProtocolViolation(
                        f'an answer of more than {limit} bytes where a short '
                        'one was due'
                    )
        return bytes(found)

    def error(self, side: Side = 'source') -> exception.ImageError:
        """Return our error for the status, and let go of the body."""
        self.close()
        return exception.from_http_status(
            self.status, side, retry_after=self.retry_after
        )

    def close(self) -> None:
        """Let go of the connection, which is kept if little is left."""
        body = self.body
        if body.length is not None and body.length - body.offset <= _DRAINED:
            try:
                fill(body, memoryview(bytearray(body.length - body.offset)))
            except exception.ImageError as error:
                LOG.debug('the rest of an answer was not read: %s', error)
        body.close()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.body.close()
