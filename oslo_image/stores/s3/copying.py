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

"""Copies that the server makes: one request, or parts beyond 5 GiB."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

from oslo_image import exception
from oslo_image.stores.base import MiB
from oslo_image.stores.facets import S3Object
from oslo_image.stores.s3 import library, uri
from oslo_image.stores.s3.service import Service
from oslo_image.stores.s3.upload import Upload
from oslo_image.stores.wire import Client

#: What one CopyObject takes at most, and a part of a larger copy has.
_ONE_REQUEST = 5 * 1024 * MiB
_PART = 512 * MiB
_AT_ONCE = 4
#: What the server answers when it will not, or cannot, copy by itself.
_UNABLE = (
    exception.PermissionDenied,
    exception.ImageNotFound,
    exception.InvalidLocation,
)


def copy(
    origin: S3Object,
    service: Service,
    client: Client,
    spec: uri.Spec,
    check: Callable[[], None],
    *,
    about: object,
) -> Upload | None:
    """Copy an object of the same endpoint, with the destination's keys.

    :param check: called between two requests; raises to end it.
    :returns: an upload that is still to be completed; None when the object is
        there.
    :raises Refused: when the server would not, and nothing is there.
    :raises SourceChanged: when the object is no longer the one that it was.
    """
    source = _source(origin)
    try:
        if origin.size <= _ONE_REQUEST:
            with library.mapped('destination', about):
                service.client.copy_object(
                    Bucket=spec.bucket, Key=spec.key, **source
                )
            return None
        return _in_parts(origin, service, client, spec, check, about=about)
    except exception.DestinationExists as error:
        # 412: the condition on the source.
        raise exception.SourceChanged(
            'the object was replaced', side='source'
        ) from error
    except exception.DestinationError as error:
        if error.temporary:
            raise
        raise exception.Refused(
            f'the server would not copy it ({error.message})'
        ) from error
    except _UNABLE as error:
        raise exception.Refused(
            f'the server would not copy it ({error.message})',
            "let the destination's keys read the source",
        ) from error


def _source(origin: S3Object) -> dict[str, Any]:
    found = {'Bucket': origin.bucket, 'Key': origin.key}
    if origin.version_id:
        found['VersionId'] = origin.version_id
    more = {'CopySourceIfMatch': origin.etag} if origin.etag else {}
    return {'CopySource': found, **more}


def _in_parts(
    origin: S3Object,
    service: Service,
    client: Client,
    spec: uri.Spec,
    check: Callable[[], None],
    *,
    about: object,
) -> Upload:
    upload = Upload(service, client, spec.bucket, spec.key, about)

    def one(number: int, start: int) -> None:
        end = min(start + _PART, origin.size) - 1
        span = {'CopySourceRange': f'bytes={start}-{end}'}
        upload.copy(number, {**_source(origin), **span})

    pool = concurrent.futures.ThreadPoolExecutor(_AT_ONCE)
    try:
        futures = [
            pool.submit(one, number, start)
            for number, start in enumerate(range(0, origin.size, _PART), 1)
        ]
        for future in futures:
            check()
            future.result()
    except BaseException:
        pool.shutdown(cancel_futures=True)
        upload.abort()
        raise
    pool.shutdown()
    return upload
