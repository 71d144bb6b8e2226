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

"""Copies that the server makes: one request, or one for each segment."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any

from oslo_image import exception
from oslo_image.stores.facets import SwiftObject
from oslo_image.stores.swift import marks
from oslo_image.stores.swift.place import Place
from oslo_image.stores.swift.pool import Pool
from oslo_image.stores.swift.segments import Segments
from oslo_image.stores.swift.service import Service

#: What the server answers when it will not, or cannot, copy by itself.
_UNABLE = (
    exception.PermissionDenied,
    exception.ImageNotFound,
    exception.NoSpace,
)


def copy(
    origin: SwiftObject,
    service: Service,
    place: Place,
    segments: Segments,
    check: Callable[[], None],
) -> bool:
    """Copy an object of the same cluster, with the destination's token.

    :param segments: where those of a segmented object go.
    :param check: called before each request, and between them; raises to end
        it.
    :returns: whether the object is there; False when it is still to be made
        of the segments.
    :raises Refused: when the server would not, and nothing is there.
    :raises SourceChanged: when what was copied is not what it was.
    """
    own = service.account.url.rpartition('/')[2]
    account = '' if origin.account == own else origin.account
    try:
        if origin.segmented:
            _each(origin, account, service, segments, check)
            return False
        check()
        etag = _whole(origin, account, service, place)
    except exception.DestinationExists as error:
        # 412: the condition on the source. Of an object that was made of
        # segments by COPY it never holds (Swift 2.38): who reads it will see.
        if not origin.segmented:
            raise exception.Refused(
                'the cluster says that it is another version'
            ) from error
        raise exception.SourceChanged(
            'a segment was replaced', side='source'
        ) from error
    except exception.DestinationError as error:
        if error.temporary:
            raise
        raise _refused(error) from error
    except _UNABLE as error:
        raise _refused(error) from error
    if etag != origin.etag:
        # The object is there, and to be taken back.
        place.doubt.done = True
        raise exception.SourceChanged('the object was replaced', side='source')
    origin.copied()
    return True


def _whole(
    origin: SwiftObject, account: str, service: Service, place: Place
) -> str:
    try:
        return service.copy(
            urllib.parse.quote(f'/{origin.container}/{origin.name}'),
            account,
            origin.size,
            place.container,
            place.name,
            {
                **origin.fields,
                'If-Match': origin.etag,
                marks.FIELD: place.token,
            },
            place.doubt,
        )
    except exception.ImageError:
        # An answer may be lost after the deed.
        made = place.made()
        if made is None:
            raise
        return (made.get('ETag') or '').strip('"')


def _refused(error: exception.ImageError) -> exception.Refused:
    return exception.Refused(
        f'the cluster would not copy it ({error.message})',
        "let the destination's user read the source",
    )


def _each(
    origin: SwiftObject,
    account: str,
    service: Service,
    segments: Segments,
    check: Callable[[], None],
) -> None:
    """Copy each segment once, however often the manifest names it."""
    most = service.limits.most
    entries = origin.segments()
    if not entries:
        raise exception.Refused(
            'the cluster does not tell which segments the object has'
        )
    if len(entries) > most:
        raise exception.Refused(
            f'it has {len(entries)} segments, and a manifest names {most}'
        )
    if any(entry.get('sub_slo') for entry in entries):
        raise exception.Refused(
            'it names a part of a manifest, or one that was replaced'
        )
    first: dict[str, int] = {}
    with Pool(check, service.interrupt) as pool:
        for number, entry in enumerate(entries, 1):
            if 'path' not in entry:
                segments.note(number, entry)
            elif first.setdefault(entry['path'], number) == number:
                quoted = {**entry, 'path': urllib.parse.quote(entry['path'])}
                pool.run(segments.copy, number, quoted, account)
    for number, entry in enumerate(entries, 1):
        if 'path' in entry and first[entry['path']] != number:
            segments.note(number, _again(entry, segments, first))


def _again(
    entry: dict[str, Any], segments: Segments, first: dict[str, int]
) -> dict[str, Any]:
    """Return an entry that names a segment a second time."""
    return {**entry, 'path': segments.entry(first[entry['path']])['path']}
