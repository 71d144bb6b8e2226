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

"""An image in Glance as a destination: its bits are uploaded in order."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Final

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import DescriptorRange, Writer
from oslo_image.stores.glance import leftovers
from oslo_image.stores.glance.service import Reply, Service
from oslo_image.stores.wire import Sending

#: Seconds for Glance to store what it has got, once it has all.
_PATIENCE: Final = 600.0
#: Seconds for it to notice that an upload has broken off.
_NOTICED: Final = 20.0


class GlanceWriter(Writer):
    """The bits of a queued image, or of one that is made for them.

    Glance counts and hashes what it gets. When the upload breaks off it makes
    the image queued again, as it was; an image that was made here is deleted.

    :param store: the name of Glance's store; None is its default one.
    :param record: what an image that is made gets beside its id.
    """

    positioned = False

    def __init__(
        self,
        location: Location,
        size: int | None,
        image_id: str,
        service: Service,
        *,
        store: str | None = None,
        record: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(location, size)
        self._id = image_id
        self._service = service
        self._store = store
        self._record = dict(record or {})
        self._sending: Sending | None = None
        #: Glance's record of the image, as long as there is one.
        self._found: Any = None
        #: Whether the image is ours to delete.
        self._made = False
        self._uploaded = False
        #: Whether it bears the tag of what is unfinished.
        self._marked = False
        self._sent = 0
        self._leftovers: list[str] = []

    @property
    def leftovers(self) -> list[str]:
        """The image, when it could not be deleted."""
        return self._leftovers

    def check(self, size: int | None) -> None:
        """Look whether the image is one without bits, or none."""
        self._look()

    def _look(self) -> bool:
        """Tell whether there is an image, which is then a queued one."""
        self._found = None
        try:
            found = self._service.show(self._id, side='destination')
        except exception.ImageNotFound:
            return False
        if found['status'] != 'queued':
            raise exception.DestinationExists(
                f'the image {self._id} is {found["status"]}: it has its bits',
                destination=self.location,
                side='destination',
            )
        self._found = found
        self._marked = leftovers.is_unfinished(found)
        return True

    def begin(self, size: int | None) -> None:
        """Make the image if need be, and begin the upload."""
        self._prepare(size)
        self._upload()

    def _prepare(self, size: int | None) -> None:
        self.size = size if size is not None else self.size
        if not self._look():
            self._make()
        self._state = 'begun'

    def _upload(self) -> None:
        headers = {'Content-Type': 'application/octet-stream'}
        if self._store:
            headers['X-Image-Meta-Store'] = self._store
        try:
            self._sending = self._service.client.send(
                'PUT',
                self._service.url(f'/images/{self._id}/file'),
                headers=headers,
                length=self.size,
                auth=self._service.identity,
                timeout=_PATIENCE,
                about=self.location,
            )
        except BaseException:
            self.rollback()
            raise

    def _make(self) -> None:
        reply = self._service.ask(
            'POST',
            '/images',
            {
                'disk_format': 'raw',
                'container_format': 'bare',
                **self._record,
                'id': self._id,
                'tags': [*self._record.get('tags', ()), leftovers.MARK],
            },
            side='destination',
            about=self.location,
        )
        if reply.status == 409:
            raise exception.DestinationExists(
                f'there is, or was, an image {self._id} already',
                destination=self.location,
                side='destination',
            )
        if reply.status == 404:
            raise self._service.absent(self._id, 'destination')
        if reply.status != 201:
            raise self._service.error(reply, 'destination')
        self._made = self._marked = True
        self._found = self._service.record(reply)

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Send the bytes, which are the next ones."""
        if isinstance(data, DescriptorRange) or offset != self._sent:
            raise exception.InvalidWriter(
                'an upload takes its bytes in order',
                side='destination',
                offset=offset,
            )
        sending = self._open()
        sending.put(data)
        if sending.refused:
            self._finish()
        self._sent += len(data)
        self._reach(self._sent)

    def commit(self, size: int | None = None) -> Location | None:
        """End the upload; Glance then has the image active."""
        if self._state == 'new':
            self.begin(size)
        try:
            size = self._reached if size is None else size
            if self._sent < size:
                self.put_zeros(self._sent, size - self._sent)
            if self.size not in (None, size):
                raise exception.SizeMismatch(
                    f'{self.size} bytes were declared and {size} came',
                    side='destination',
                )
            self._finish()
        except BaseException:
            self.close()
            raise
        self._state = 'committed'
        return self._published()

    def _published(self) -> Location | None:
        if self._marked:
            leftovers.unmark(self._service, self._id)
        return self.location and dataclasses.replace(
            self.location, trusted=True
        )

    def _finish(self) -> None:
        sending = self._open()
        response = sending.finish()
        self._sending = None
        with response:
            if response.status == 204:
                if sending.refused:
                    raise exception.ProtocolViolation(
                        'Glance took an image before it had all of it',
                        side='destination',
                    )
                self._uploaded = True
                return
            reply = self._service.reply(response)
        raise self._lost(reply)

    def _lost(self, reply: Reply) -> exception.ImageError:
        """Return our error for an upload that was refused.

        Who was later to begin is told so by 409; when two begin at one moment
        the later one gets 410, as does an upload whose image is deleted in
        its midst (glance.api.v2.image_data.upload), and as does one to a
        store that takes none.
        """
        if reply.status not in (409, 410):
            return self._service.error(reply, 'destination')
        found = self._outdone()
        return found or self._service.error(reply, 'destination')

    def _outdone(self) -> exception.ImageError | None:
        """Return our error if the image has got bits of another; else None."""
        try:
            status = self._service.show(self._id, side='destination')['status']
        except exception.ImageNotFound:
            status = 'deleted'
        except exception.ImageError as error:
            return error
        if status == 'queued':
            return None
        self._made = False
        if status == 'deleted':
            return exception.DestinationError(
                f'the image {self._id} was deleted while it was uploaded',
                destination=self.location,
                side='destination',
            )
        return exception.DestinationExists(
            f'another upload to the image {self._id} was first',
            destination=self.location,
            side='destination',
        )

    def _open(self) -> Sending:
        if self._sending is None:
            raise ValueError('the upload is over')
        return self._sending

    def rollback(self) -> exception.DestinationState:
        """Break the upload off.

        An image that was made here stays for another try, until the writer is
        closed: Glance gives no id twice.
        """
        sending, self._sending = self._sending, None
        if sending is not None and not sending.abort(_NOTICED):
            self._settle()
        self._state = 'new'
        self._sent = self._position = self._reached = 0
        return 'untouched'

    def _settle(self) -> None:
        """Wait until Glance has noticed, and the image is queued again.

        While it is "saving", it can be neither deleted nor uploaded to.
        """
        deadline = time.monotonic() + _NOTICED
        pause = 0.01
        while time.monotonic() < deadline:
            try:
                found = self._service.show(self._id, side='destination')
            except exception.ImageError:
                return
            if found['status'] != 'saving':
                return
            time.sleep(pause)
            pause = min(2 * pause, 0.5)

    def close(self) -> None:
        """Break off what was not committed; delete what was made for it."""
        super().close()
        if self._made and not self._uploaded:
            self._made = False
            self._delete()

    def _delete(self) -> None:
        try:
            reply = self._service.ask(
                'DELETE', f'/images/{self._id}', side='destination'
            )
            gone = reply.status in (204, 404)
        except exception.ImageError:
            gone = False
        if not gone:
            self._leftovers.append(f'image {self._id} in Glance')
