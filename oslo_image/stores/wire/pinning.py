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

"""Which version of a resource is read, and whether an answer belongs to it."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from typing import NamedTuple

from oslo_image import exception
from oslo_image.stores.wire import fields
from oslo_image.stores.wire.response import Response


class Pin(NamedTuple):
    """What the first answer said of the version that it sent.

    :param etag: as it was sent, quotes and ``W/`` included.
    :param modified: the Last-Modified field.
    :param size: bytes; None when it was not said.
    :param mark: the field of the answer that stands for these very bytes
        where the server sends no ETag, and
    :param digest: its value.
    :param settled: whether the Last-Modified lies a second before the answer's
        Date, so that a later change must show in it (RFC 9110, 8.8.2.2).
    """

    etag: str | None
    modified: str | None
    size: int | None
    settled: bool = False
    mark: str | None = None
    digest: str | None = None

    @property
    def version(self) -> str | None:
        """The version in words, for a log; None: it cannot be pinned.

        A weak ETag (``W/``) stands for bytes that differ (RFC 9110, 8.8.1).
        """
        if self.strong:
            return f'ETag {self.etag}'
        if self.modified and self.settled:
            return f'Last-Modified {self.modified}'
        if self.digest:
            return f'{self.mark} {self.digest}'
        return None

    @property
    def strong(self) -> bool:
        """Whether the ETag stands for these very bytes."""
        return self.etag is not None and not self.etag.startswith('W/')

    def conditions(self) -> Mapping[str, str]:
        """Return the fields that make a server refuse another version."""
        if self.etag is not None and self.strong:
            return {'If-Match': self.etag}
        if self.modified and self.settled:
            return {'If-Unmodified-Since': self.modified}
        return {}

    def compare(self, response: Response) -> None:
        """Compare an answer; servers may ignore the conditions.

        :raises SourceChanged: when it is of another version.
        :raises ProtocolViolation: when it does not say of which.
        """
        now = pin(response, self.size, self.mark)
        if self.digest != now.digest:
            if now.digest is None:
                raise exception.ProtocolViolation(
                    f'this answer has no {self.mark}, although the first one '
                    'had'
                )
            raise _changed(str(self.mark), str(self.digest), now.digest)
        if self.etag and now.etag != self.etag:
            if now.etag is None:
                raise exception.ProtocolViolation(
                    'this answer has no ETag, although the first one had'
                )
            raise _changed('ETag', self.etag, now.etag)
        if not self.etag and now.etag:
            raise _changed('ETag', 'none', now.etag)
        if self.modified and now.modified != self.modified:
            if now.modified is None and self.strong:
                return
            if now.modified is None:
                raise exception.ProtocolViolation(
                    'this answer has no Last-Modified, although the first '
                    'one had'
                )
            raise _changed('Last-Modified', self.modified, now.modified)

    def compare_size(self, size: int | None) -> None:
        """Compare the size that an answer states for the whole.

        :raises SourceChanged: when it is another one.
        """
        if None not in (size, self.size) and size != self.size:
            raise _changed('size', str(self.size), str(size))


def pin(response: Response, size: int | None, mark: str | None = None) -> Pin:
    """Return what an answer says of its version.

    :param mark: see :class:`Pin`.
    """
    return Pin(
        response.headers.get('ETag') or None,
        response.headers.get('Last-Modified') or None,
        size,
        _settled(response),
        mark,
        (response.headers.get(mark) or None) if mark else None,
    )


def _settled(response: Response) -> bool:
    try:
        modified, date = (
            email.utils.parsedate_to_datetime(response.headers[name])
            for name in ('Last-Modified', 'Date')
        )
        return (date - modified).total_seconds() >= 1
    except (TypeError, ValueError):  # absent, or no date
        return False


def check_partial(
    response: Response, start: int, end: int
) -> fields.ContentRange:
    """Check that a 206 is the one range that was asked for.

    :param end: the last byte, inclusive; what lies beyond the total is
        allowed to be missing.
    :raises ProtocolViolation: when it is not.
    """
    kind = response.headers.get('Content-Type', '')
    if kind.strip().lower().startswith('multipart/byteranges'):
        raise exception.ProtocolViolation(
            'several ranges were sent where one was asked for'
        )
    stated = response.headers.get_all('Content-Range') or []
    if len(stated) != 1:
        raise exception.ProtocolViolation(
            'a partial answer needs one Content-Range, and has '
            f'{len(stated) or "none"}'
        )
    found = fields.parse_content_range(stated[0])
    last = end if found.total is None else min(end, found.total - 1)
    if (found.start, found.end) != (start, last):
        raise exception.ProtocolViolation(
            f'bytes {start}-{last} were asked for, and '
            f'{found.start}-{found.end} sent'
        )
    return found


def _changed(what: str, old: str, new: str) -> exception.SourceChanged:
    return exception.SourceChanged(
        f'the {what} was {old[:80]} and is {new[:80]} now'
    )
