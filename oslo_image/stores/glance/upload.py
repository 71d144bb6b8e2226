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

"""The request that brings an image's bits to Glance."""

from __future__ import annotations

from typing import Final

from oslo_image import exception
from oslo_image.stores.glance.answers import Reply
from oslo_image.stores.glance.service import Service
from oslo_image.stores.wire import Sending

#: Seconds for Glance to store what it has got, once it has all.
_PATIENCE: Final = 600.0
#: Seconds for it to notice that an upload has broken off.
NOTICED: Final = 20.0


class Upload:
    """One PUT of an image's bits, which come in order.

    Glance has the image active once it has every byte of a stated size. So
    the last one is kept back: only :meth:`finish` sends it.

    :param size: the bytes that are to come; None when unknown.
    :param store: the name of Glance's store; None is its default one.
    """

    def __init__(
        self,
        service: Service,
        image_id: str,
        size: int | None,
        store: str | None,
        about: object,
    ) -> None:
        headers = {'Content-Type': 'application/octet-stream'}
        if store:
            headers['X-Image-Meta-Store'] = store
        self._service = service
        self._size = size
        self._last = b''
        #: The bytes that came.
        self.sent = 0
        #: Whether Glance has said no.
        self.denied = False
        #: Whether it was to answer to the whole, and has not yet.
        self.unheard = False
        self._sending: Sending | None = service.client.send(
            'PUT',
            service.url(f'/images/{image_id}/file'),
            headers=headers,
            # Of no bytes at all, it would have every one.
            length=size or None,
            auth=service.identity,
            timeout=_PATIENCE,
            about=about,
        )

    def put(self, data: memoryview) -> Reply | None:
        """Send the next bytes.

        :returns: what Glance says if it takes no more; else None.
        :raises SizeMismatch: when they are more than were announced.
        """
        sent = self.sent + len(data)
        if self._size is not None and sent > self._size:
            raise exception.SizeMismatch(
                f'{self._size} bytes were declared, and more come',
                side='destination',
            )
        if data and sent == self._size:
            self._last = bytes(data[-1:])
            data = data[:-1]
        sending = self._open()
        sending.put(data)
        self.sent = sent
        return self._answer(sending) if sending.refused else None

    def finish(self) -> Reply:
        """Send what was kept back, and return what Glance says."""
        sending = self._open()
        self.unheard = True
        sending.put(memoryview(self._last))
        reply = self._answer(sending)
        self.unheard = False
        return reply

    def interrupt(self) -> None:
        """Wake who waits for Glance, in another thread."""
        sending = self._sending
        if sending is not None:
            sending.interrupt()

    def abort(self) -> None:
        """Break the request off; harmless when repeated."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.abort(NOTICED)

    def _answer(self, sending: Sending) -> Reply:
        with sending.finish() as response:
            self._sending = None
            if response.status == 204 and sending.refused:
                raise exception.ProtocolViolation(
                    'Glance took an image before it had all of it',
                    side='destination',
                )
            reply = self._service.reply(response)
        self.denied = reply.status != 204
        return reply

    def _open(self) -> Sending:
        if self._sending is None:
            raise ValueError('the upload is over')
        return self._sending
