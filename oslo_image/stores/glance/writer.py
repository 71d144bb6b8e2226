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
from oslo_image.stores.glance.answers import Reply
from oslo_image.stores.glance.service import Service
from oslo_image.stores.glance.upload import NOTICED, Upload

#: What an image without bits may be.
_WITHOUT: Final = ('queued', 'deleted')


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
        self._upload: Upload | None = None
        #: Glance's record of the image, as long as there is one.
        self._found: Any = None
        #: Whether the image is ours to delete.
        self._made = False
        self._uploaded = False
        #: Whether it bears the tag of what is unfinished.
        self._marked = False
        #: Whether Glance may have kept what was sent.
        self._spoilt = False
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
        """Make the image if need be; the upload begins with the first byte."""
        self.size = size if size is not None else self.size
        if not self._look():
            self._make()
        self._state = 'begun'

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
        """Send the bytes, which are the next ones; keep the last one back."""
        upload = self._uploading()
        if isinstance(data, DescriptorRange) or offset != upload.sent:
            raise exception.InvalidWriter(
                'an upload takes its bytes in order',
                side='destination',
                offset=offset,
            )
        if (reply := upload.put(data)) is not None:
            raise self._lost(reply)
        self._reach(upload.sent)

    def _uploading(self) -> Upload:
        if self._upload is None:
            self._upload = Upload(
                *(self._service, self._id, self.size, self._store),
                about=self.location,
            )
        return self._upload

    def commit(self, size: int | None = None) -> Location | None:
        """End the upload; Glance then has the image active."""
        if self._state == 'new':
            self.begin(size)
        try:
            size = self._settled(size)
            upload = self._uploading()
            if upload.sent < size:
                self.put_zeros(upload.sent, size - upload.sent)
            self._finish(upload)
        except BaseException:
            self.rollback()
            raise
        self._uploaded = True
        self._state = 'committed'
        return self._published()

    def _published(self) -> Location | None:
        if self._marked:
            leftovers.unmark(self._service, self._id)
        return self.location and dataclasses.replace(
            self.location, trusted=True
        )

    def _finish(self, upload: Upload) -> None:
        try:
            reply = upload.finish()
        except exception.ImageError:
            # Nobody else knows of an image that was made here.
            if upload.unheard and self._made and self._has(upload.sent):
                return
            raise
        if reply.status != 204:
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

    def interrupt(self) -> None:
        """Stop the upload."""
        upload = self._upload
        if upload is not None:
            upload.interrupt()

    def rollback(self) -> exception.DestinationState:
        """Break the upload off.

        An image that was made here stays for another try, until the writer is
        closed: Glance gives no id twice.
        """
        upload, self._upload = self._upload, None
        if upload is not None and not upload.denied:
            upload.abort()
            status = self._settle().get('status', 'out of reach')
            if status not in _WITHOUT:
                self._spoilt = True
                if not self._made:
                    self._leftovers.append(
                        f'image {self._id} in Glance, which is {status}'
                    )
        self._restart()
        return 'modified' if self._spoilt else 'untouched'

    def _has(self, size: int) -> bool:
        """Tell whether Glance has got all, though its answer is lost."""
        found = self._settle()
        return found.get('status') == 'active' and found.get('size') == size

    def _settle(self) -> dict[str, Any]:
        """Return what Glance says of the image once it is not "saving".

        While it is, it can be neither deleted nor uploaded to.

        :returns: nothing, when there is no answer.
        """
        deadline = time.monotonic() + NOTICED
        pause = 0.01
        while True:
            try:
                found: dict[str, Any] = self._service.show(
                    self._id, side='destination'
                )
            except exception.ImageNotFound:
                return {'status': 'deleted'}
            except exception.ImageError:
                return {}
            if found['status'] != 'saving' or time.monotonic() > deadline:
                return found
            time.sleep(pause)
            pause = min(2 * pause, 0.5)

    def _dismiss(self) -> None:
        """Delete what was made for an upload that did not come."""
        if self._made and not self._uploaded:
            self._made = False
            self._delete()

    def _delete(self) -> None:
        try:
            made = {**self._record, 'id': self._id}
            leftovers.discard(self._service, made)
        except exception.ImageError:
            self._leftovers.append(f'image {self._id} in Glance')
