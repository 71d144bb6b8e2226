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

"""Images that were made for uploads which were killed.

When an upload breaks off, Glance makes its image queued again. One that was
made for it bears a tag until it has its bits. An image that is being uploaded
to is "saving" and so no leftover; for the moments before, the age must do.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from oslo_image import exception
from oslo_image.stores.base import Leftover
from oslo_image.stores.glance.service import Service

LOG = logging.getLogger(__name__)
#: The tag.
MARK: Final = 'oslo-image.unfinished'
_PAGE: Final = 100


class Key(NamedTuple):
    """By what an image is known again.

    :param updated_at: as Glance wrote it when the image was found.
    """

    service: Service
    image_id: str
    updated_at: str

    def __repr__(self) -> str:
        return f'<unfinished image {self.image_id}>'


def is_unfinished(record: Mapping[str, Any]) -> bool:
    """Tell whether an image waits for an upload that made it."""
    return record['status'] == 'queued' and MARK in (record.get('tags') or ())


def find(
    service: Service, image_id: str, older_than: float
) -> Iterator[Leftover]:
    """Yield the image, or all, if nobody has gone on with it for so long.

    :param image_id: '' is every image that Glance lists for us.
    """
    before = time.time() - older_than
    for record in _records(service, image_id):
        updated_at = str(record.get('updated_at'))
        try:
            when = datetime.datetime.fromisoformat(updated_at).timestamp()
        except ValueError:
            continue  # nobody knows its age
        if is_unfinished(record) and when <= before:
            key = Key(service, record['id'], updated_at)
            name = f'image {record["id"]} in Glance'
            yield Leftover(name, None, when, key)


def remove(key: Key) -> bool:
    """Delete the image, unless it was gone on with."""
    service, image_id = key.service, key.image_id
    try:
        record = service.show(image_id, side='destination')
    except exception.ImageNotFound:
        return True
    if not is_unfinished(record) or record.get('updated_at') != key.updated_at:
        return False
    discard(service, record)
    return True


def discard(service: Service, record: Mapping[str, Any]) -> None:
    """Delete an image without bits, which may be protected.

    :raises ImageError: when it stays.
    """
    path = f'/images/{record["id"]}'
    reply = service.ask('DELETE', path, side='destination')
    if reply.status == 403 and record.get('protected'):
        step = {'op': 'replace', 'path': '/protected', 'value': False}
        reply = service.patch(record['id'], [step], side='destination')
        service.record(reply, 'destination')
        reply = service.ask('DELETE', path, side='destination')
    if reply.status not in (204, 404):
        raise service.error(reply, 'destination')


def unmark(service: Service, image_id: str) -> None:
    """Take the tag from an image that has its bits; never raises.

    Where the tag stays it does no harm: such an image is not queued.
    """
    try:
        reply = service.ask(
            'DELETE', f'/images/{image_id}/tags/{MARK}', side='destination'
        )
        if reply.status not in (204, 404):
            raise service.error(reply, 'destination')
    except exception.ImageError as error:
        LOG.warning('the image %s keeps its tag %s: %s', image_id, MARK, error)


def _records(service: Service, image_id: str) -> Iterator[Mapping[str, Any]]:
    if image_id:
        try:
            yield service.show(image_id, side='destination')
        except exception.ImageNotFound:
            pass
        return
    query = f'tag={MARK}&status=queued&limit={_PAGE}'
    marker = ''
    while True:
        found, more = service.page(f'{query}{marker}', 'destination')
        yield from found
        if not more:
            return
        marker = f'&marker={found[-1]["id"]}'
