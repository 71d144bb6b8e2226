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
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from oslo_image import exception
from oslo_image.stores.base import MiB
from oslo_image.stores.facets import S3Object
from oslo_image.stores.objects import Limits
from oslo_image.stores.s3 import library, uri
from oslo_image.stores.s3.service import PATIENCE, Service
from oslo_image.stores.s3.upload import Upload
from oslo_image.stores.wire import Persistence, Watch

#: What one CopyObject takes by Amazon's rules, and a part of a larger copy
#: has. RGW 16.2 takes more, and copies it without rewriting it.
ONE_REQUEST = 5 * 1024 * MiB
_PART = 512 * MiB
#: What S3 allows (Amazon S3 User Guide, "Multipart upload limits").
LIMITS = Limits(least=5 * MiB, largest=5 * 1024 * MiB, most=10_000)
_AT_ONCE = 4
#: How often a wait looks whether the caller cancelled, in seconds.
_TICK = 0.2
#: What the server answers when it will not, or cannot, copy by itself.
_UNABLE = (
    exception.PermissionDenied,
    exception.ImageNotFound,
    exception.InvalidLocation,
)


class Made(NamedTuple):
    """What the server says of an object that it made.

    :param etag: without quotes; '' where it said none.
    """

    etag: str
    version_id: str | None


def whole(
    origin: S3Object,
    service: Service,
    spec: uri.Spec,
    about: object,
    persistence: Persistence,
    check: Callable[[], None],
) -> Made:
    """Copy an object in one request, with the destination's keys.

    :param check: called before each try; raises to end it.
    :raises Refused: when the server would not, and nothing is there.
    :raises SourceChanged: when the object is no longer the one that it was.
    :raises DestinationError: with ``temporary`` set when there was no answer
        and nobody knows whether the object is there.
    """
    where = {'Bucket': spec.bucket, 'Key': spec.key}
    absent = False

    def ask(watch: Watch) -> dict[str, Any]:
        nonlocal absent
        check()
        absent = False
        with service.watched(watch):
            return asked()

    def asked() -> dict[str, Any]:
        nonlocal absent
        try:
            with library.mapped('destination', about):
                answer = service.client.copy_object(**where, **_named(origin))
        except exception.DestinationError as error:
            if not error.temporary or not origin.etag:
                raise
            # An answer may be lost after the deed.
            with library.mapped('destination', about):
                answer = service.find(**where)
            absent = answer is None
            if answer is None or _etag(answer) != origin.etag.strip('"'):
                raise
        return dict(answer)

    with _told():
        try:
            answer = persistence.run(ask, PATIENCE)
        except exception.DestinationError as error:
            error.temporary = error.temporary and not absent
            raise
    made = Made(
        _etag(answer.get('CopyObjectResult', answer)), answer.get('VersionId')
    )
    if made.etag and made.etag == origin.etag.strip('"'):
        origin.copied()
    return made


def _etag(answer: Mapping[str, Any]) -> str:
    """Return an ETag without quotes, as RGW 16.2 answers that of a copy."""
    return str(answer.get('ETag') or '').strip('"')


def in_parts(
    origin: S3Object, upload: Upload, check: Callable[[], None]
) -> None:
    """Copy an object as parts of an upload; completing it is the caller's.

    :param check: called while waiting; raises to end it.
    :raises: as :func:`whole`. The upload may have parts then.
    """

    part = part_size(origin.size)

    def one(number: int, start: int) -> None:
        end = min(start + part, origin.size) - 1
        span = {'CopySourceRange': f'bytes={start}-{end}'}
        upload.copy(number, {**_named(origin), **span})

    pool = concurrent.futures.ThreadPoolExecutor(_AT_ONCE)
    try:
        left = {
            pool.submit(one, number, start)
            for number, start in enumerate(range(0, origin.size, part), 1)
        }
        with _told():
            while left:
                check()
                done, left = concurrent.futures.wait(
                    left, _TICK, concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    future.result()
    except BaseException:
        upload.interrupt()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def part_size(size: int) -> int:
    """Return the bytes of a part, of which an upload has 10000 at most."""
    return max(_PART, -(-size // LIMITS.most))


def _named(origin: S3Object) -> dict[str, Any]:
    found = {'Bucket': origin.bucket, 'Key': origin.key}
    if origin.version_id:
        found['VersionId'] = origin.version_id
    more = {'CopySourceIfMatch': origin.etag} if origin.etag else {}
    return {'CopySource': found, **more}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say what an answer means for a copy."""
    try:
        yield
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
