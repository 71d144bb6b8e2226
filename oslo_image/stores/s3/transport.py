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

"""How boto3's requests go: over the connections that the bytes go over.

boto3 builds and signs a request, and reads the answer; between the two it is
asked for by :mod:`oslo_image.stores.wire`, under the same rules (deadlines,
TLS, no proxy of the environment), and who waits can be woken.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import botocore.awsrequest
import botocore.exceptions

from oslo_image import exception
from oslo_image.stores.wire import Client, Settings, Watch

#: The longest answer: a page of a listing, with the longest names.
_LONGEST = 16 << 20
#: What a server, or one before it, may answer after the deed.
_DOUBTFUL = (500, 502, 504)


class Failed(botocore.exceptions.BotoCoreError):  # type: ignore[misc]
    """A request that got no answer, and will get none.

    :param failure: what the wire said.
    """

    fmt = 'no answer: {failure}'

    def __init__(self, failure: exception.ImageError) -> None:
        super().__init__(failure=failure.message)
        self.failure = failure


class Unanswered(botocore.exceptions.HTTPClientError):  # type: ignore[misc]
    """A request that got no answer; boto3 asks again."""

    fmt = Failed.fmt

    def __init__(self, failure: exception.ImageError) -> None:
        super().__init__(failure=failure.message)
        self.failure = failure


class Asked:
    """What became of a thread's requests.

    :ivar unheard: how many the server may have done without our hearing of
        it: there was no answer, or one that need not be its own.
    """

    def __init__(self, watch: Watch | None) -> None:
        self.watch = watch
        self.unheard = 0


class Transport:
    """Sends what one service is asked by boto3; shared by threads."""

    def __init__(self, settings: Settings) -> None:
        self._client = Client(settings)
        self._local = threading.local()

    @contextlib.contextmanager
    def watched(self, watch: Watch | None) -> Iterator[Asked]:
        """Let this thread's requests be watched, and counted."""
        before = self._asked
        self._local.asked = asked = Asked(watch)
        try:
            yield asked
        finally:
            self._local.asked = before

    @property
    def _asked(self) -> Asked:
        found: Asked | None = getattr(self._local, 'asked', None)
        return found or Asked(None)

    def send(self, request: Any, **event: Any) -> Any:
        """Send a request; the handler of botocore's event "before-send"."""
        asked = self._asked
        failure: exception.ImageError
        try:
            answer = self._send(request, asked.watch)
        except exception.ImageError as error:
            asked.unheard += 1
            failure = error
        else:
            asked.unheard += answer.status_code in _DOUBTFUL
            return answer
        ended = asked.watch is not None and asked.watch.ended
        if failure.temporary and not ended:
            raise Unanswered(failure)
        raise Failed(failure)

    def _send(self, request: Any, watch: Watch | None) -> Any:
        headers = {
            name: _text(value)
            for name, value in request.headers.items()
            if name.lower() not in ('host', 'content-length')
        }
        body = request.body
        if body is None and request.method not in ('GET', 'HEAD'):
            # So that it is not sent again unheard on another connection.
            body = b''
        elif hasattr(body, 'read'):
            body = body.read()
        response = self._client.request(
            request.method,
            request.url,
            headers=headers,
            body=body,
            trusted=True,
            watch=watch,
            # botocore knows more of where a bucket is.
            follow=False,
        )
        raw = _Raw(response.read(_LONGEST))
        return botocore.awsrequest.AWSResponse(
            request.url, response.status, dict(response.headers), raw
        )


class _Raw:
    """A body that is there, as botocore reads one."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **ignored: Any) -> Iterator[bytes]:
        """Yield it."""
        yield self._body


def _text(value: str | bytes) -> str:
    return value.decode('latin-1') if isinstance(value, bytes) else value
