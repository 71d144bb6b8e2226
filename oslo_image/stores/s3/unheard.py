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

"""Uploads that S3 began and nobody heard of: their answer was lost.

An upload bears nothing of its owner's, so they are told from another's by all
that a listing shows: they are of our key and our user, were begun while we
asked, are no more than we asked for, and got no part.
"""

from __future__ import annotations

import datetime
import logging
import time
from typing import Any

from oslo_image.stores.s3 import leftovers, library
from oslo_image.stores.s3.service import Service

LOG = logging.getLogger(__name__)
#: How exact a Date is, and a server's clock is to another's of its cluster.
_SLACK = datetime.timedelta(seconds=2)


class Unheard:
    """What may have been begun while one upload was asked for.

    :param where: Bucket and Key.
    """

    def __init__(self, service: Service, where: dict[str, str]) -> None:
        self._client = service.client
        self._where = where
        self._since = self._until = time.monotonic()
        self._count = 0

    def note(self, count: int) -> None:
        """Note requests of which we did not hear, until now."""
        if count:
            self._count += count
            self._until = time.monotonic()

    def drop(self, own: str | None) -> list[str]:
        """Abort them, as far as they are known.

        To be called late, when another's upload has had time for a part.

        :param own: the id of the upload of which we did hear.
        :returns: the names of what may be left.
        """
        if not self._count:
            return []
        name = '{Bucket}/{Key}'.format(**self._where)
        errors = library.load().exceptions
        try:
            found = [one for one in self._find(own) if self._is_bare(one)]
            if len(found) <= self._count:
                for one in found:
                    LOG.info(
                        'S3 had begun another upload of %s: %s', name, one
                    )
                    self._client.abort_multipart_upload(
                        **self._where, UploadId=one
                    )
                self._count = 0
                return []
        except (errors.ClientError, errors.BotoCoreError) as error:
            LOG.info('uploads of %s: %s', name, type(error).__name__)
        return [f'an upload of {name} that S3 began unheard']

    def _find(self, own: str | None) -> list[str]:
        """Return the ids of those that were begun while we asked."""
        found, now = leftovers.uploads(
            self._client, self._where['Bucket'], self._where['Key']
        )
        passed = time.monotonic()
        since = now - datetime.timedelta(seconds=passed - self._since)
        until = now - datetime.timedelta(seconds=passed - self._until)
        users = [_user(one) for one in found if one['UploadId'] == own]
        return [
            one['UploadId']
            for one in found
            if since - _SLACK <= one['Initiated'] <= until + _SLACK
            and one['UploadId'] != own
            and (not users or _user(one) in users)
        ]

    def _is_bare(self, upload: str) -> bool:
        answer = self._client.list_parts(
            **self._where, UploadId=upload, MaxParts=1
        )
        return not answer.get('Parts')


def _user(upload: dict[str, Any]) -> str:
    return str(upload.get('Initiator', {}).get('ID', ''))
