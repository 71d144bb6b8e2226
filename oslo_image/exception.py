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

"""Every error that oslo.image raises.

::

    ImageError
    ├── ImageNotFound            no such image, or no location holds its bits
    ├── ImageInvalidApi          the image service does not speak Images v2
    ├── InvalidLocation          a malformed URI or name (also ValueError)
    │   └── UnknownScheme        no store serves the URI's scheme
    ├── LocationDenied           policy forbids this file, address or scheme
    ├── InvalidOption            an unknown or misused option (also ValueError)
    ├── MissingDependency        an optional library is absent; names the extra
    ├── InvalidSource            a directory, a FIFO: nothing to read bits from
    ├── InvalidWriter            not a binary writer (also TypeError)
    ├── PermissionDenied         the other side said no
    ├── DestinationExists        and if_exists="fail"
    ├── InUse                    something depends on it, so it stays
    ├── NoSpace                  disk, device, quota or pool is full
    ├── TooLarge                 above max_size or image_size_cap
    ├── UnsafeImage              backing file, data file, content ≠ format
    ├── IntegrityError           the bits are not the image's bits
    │   ├── SizeMismatch         more or fewer bytes than stated
    │   │   └── Truncated        the source ended early; worth another try
    │   ├── DigestMismatch       the digest differs from the declared one
    │   ├── SourceChanged        another version than the one pinned
    │   └── ProtocolViolation    an answer that contradicts the question
    ├── SourceError              reading failed
    │   └── SourceUnavailable    for now; worth another try
    ├── DestinationError         writing failed
    ├── CatalogError             the records of images cannot be read, written
    │   └── CatalogUnavailable   for now; worth another try
    └── Cancelled                the caller's event was set

    Refused                      control flow: this strategy cannot, next one

Branch on the class, never on the message. Every error carries the context in
which it arose: ``source``, ``destination`` (secrets masked), ``strategy``,
``offset`` (bytes), ``side`` ("source" or "destination"), ``errno`` where there
was one, and ``destination_state`` once a copy had begun.
"""

from __future__ import annotations

import builtins
import errno as errno_codes
import os
from typing import Any, Literal

__all__ = [
    'Cancelled',
    'CatalogError',
    'CatalogUnavailable',
    'DestinationError',
    'DestinationExists',
    'DigestMismatch',
    'ImageError',
    'ImageInvalidApi',
    'ImageNotFound',
    'InUse',
    'IntegrityError',
    'InvalidLocation',
    'InvalidOption',
    'InvalidSource',
    'InvalidWriter',
    'LocationDenied',
    'MissingDependency',
    'NoSpace',
    'PermissionDenied',
    'ProtocolViolation',
    'Refused',
    'SizeMismatch',
    'SourceChanged',
    'SourceError',
    'SourceUnavailable',
    'TooLarge',
    'Truncated',
    'UnknownScheme',
    'UnsafeImage',
    'from_http_status',
    'from_os_error',
]

Side = Literal['source', 'destination']
DestinationState = Literal['untouched', 'restored', 'modified']


class ImageError(Exception):
    """Base of every error; its text is the message and then the context."""

    #: Whether the same request may succeed a little later.
    temporary = False

    def __init__(
        self,
        message: str,
        *,
        source: object = None,
        destination: object = None,
        strategy: str | None = None,
        offset: int | None = None,
        side: Side | None = None,
        errno: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.destination = destination
        self.strategy = strategy
        self.offset = offset
        self.side = side
        self.errno = errno
        #: Seconds that the other side asked us to wait, if it did.
        self.retry_after = retry_after
        self.destination_state: DestinationState | None = None

    def annotate(self, **context: Any) -> ImageError:
        """Add the context that is not known yet; the first word stands."""
        for name, value in context.items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        return self

    def __str__(self) -> str:
        context = [
            f'{name.replace("_", " ")} {value}'
            for name in (
                'source',
                'destination',
                'strategy',
                'offset',
                'destination_state',
            )
            if (value := getattr(self, name)) is not None
        ]
        where = {
            'source': 'reading the source: ',
            'destination': 'writing the destination: ',
        }.get(self.side or '', '')
        what = f'{where}{self.message}'
        return f'{what} [{"; ".join(context)}]' if context else what


class ImageNotFound(ImageError):
    """There is no such image, or none of its locations holds the bits."""


class ImageInvalidApi(ImageError):
    """The image service cannot be asked in the way that is needed."""


class InvalidLocation(ImageError, ValueError):
    """A URI or a name that cannot be right."""


class UnknownScheme(InvalidLocation):
    """No installed store serves this scheme."""


class LocationDenied(ImageError):
    """Policy forbids to follow this location."""


class InvalidOption(ImageError, ValueError):
    """An option that does not exist, or a value that it cannot have."""


class MissingDependency(ImageError):
    """A library that this store needs is not installed."""


class InvalidSource(ImageError):
    """The location names something that is not an image's bits."""


class InvalidWriter(ImageError, TypeError):
    """The destination cannot take bytes."""


class PermissionDenied(ImageError):
    """Authentication failed or was not enough."""


class DestinationExists(ImageError):
    """The destination is there already and was not to be replaced."""


class InUse(ImageError):
    """Something depends on the bits, so they cannot be deleted."""


class NoSpace(ImageError):
    """The destination is full."""


class TooLarge(ImageError):
    """The image is larger than the caller or the operator allows."""


class UnsafeImage(ImageError):
    """The content could harm whoever opens the image."""


class IntegrityError(ImageError):
    """The bits are not the bits of the image."""


class SizeMismatch(IntegrityError):
    """More or fewer bytes than were stated."""


class Truncated(SizeMismatch):
    """The source ended before its stated end."""

    temporary = True


class DigestMismatch(IntegrityError):
    """The digest of what was read differs from the declared one."""


class SourceChanged(IntegrityError):
    """The source is no longer the version that was opened."""


class ProtocolViolation(IntegrityError):
    """The server's answer contradicts the request; its bytes are not used."""


class SourceError(ImageError):
    """Reading from the source failed."""


class SourceUnavailable(SourceError):
    """The source cannot be read at the moment."""

    temporary = True


class DestinationError(ImageError):
    """Writing to the destination failed."""


class CatalogError(ImageError):
    """The catalogue's records cannot be read or written."""


class CatalogUnavailable(CatalogError):
    """The catalogue does not answer at the moment."""

    temporary = True


class Cancelled(ImageError):
    """The caller cancelled the copy."""


class Refused(Exception):
    """Raised by a strategy that cannot serve a pair after all.

    The only thing that lets a copy fall through to the next offer, and only
    while the destination is untouched.

    :param reason: half a sentence, to stand after the strategy's name.
    :param remedy: what the reader can do about it, if anything.
    """

    def __init__(self, reason: str, remedy: str = '') -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


_BY_ERRNO: dict[int, type[ImageError]] = {
    errno_codes.ENOENT: ImageNotFound,
    errno_codes.ENOTDIR: ImageNotFound,
    errno_codes.EACCES: PermissionDenied,
    errno_codes.EPERM: PermissionDenied,
    errno_codes.EROFS: PermissionDenied,
    errno_codes.EEXIST: DestinationExists,
    errno_codes.ENOSPC: NoSpace,
    errno_codes.EDQUOT: NoSpace,
    errno_codes.EFBIG: NoSpace,
    errno_codes.EBUSY: InUse,
    errno_codes.ELOOP: LocationDenied,
    errno_codes.ENAMETOOLONG: InvalidLocation,
    errno_codes.EISDIR: InvalidSource,
}

_BY_STATUS: dict[int, type[ImageError]] = {
    401: PermissionDenied,
    403: PermissionDenied,
    404: ImageNotFound,
    407: PermissionDenied,
    409: InUse,
    410: ImageNotFound,
    412: SourceChanged,
    413: NoSpace,
    507: NoSpace,
}


def from_os_error(error: OSError, side: Side, **context: Any) -> ImageError:
    """Return our error for an :class:`OSError`, its errno kept.

    A missing directory on the destination's side is a
    :class:`DestinationError`: it is not the image that was not found.
    """
    kind = _BY_ERRNO.get(error.errno or 0)
    if kind is None or (side == 'destination' and kind is ImageNotFound):
        kind = SourceError if side == 'source' else DestinationError
    if side == 'destination' and kind is InvalidSource:
        kind = InvalidWriter
    if side == 'source' and isinstance(
        error, builtins.TimeoutError | ConnectionError
    ):
        kind = SourceUnavailable
    text = os.strerror(error.errno) if error.errno else type(error).__name__
    return kind(text, side=side, errno=error.errno, **context)


def from_http_status(
    status: int, side: Side, *, retry_after: float | None = None
) -> ImageError:
    """Return our error for an HTTP status that is not a success."""
    kind = _BY_STATUS.get(status)
    if kind is ImageNotFound and side == 'destination':
        kind = DestinationError
    if kind is SourceChanged and side == 'destination':
        kind = DestinationExists
    again = kind is None and (
        status in (408, 425, 429) or status >= 500 and status != 501
    )
    if kind is None and side == 'source':
        kind = SourceUnavailable if again else SourceError
    error = (kind or DestinationError)(
        f'the server answered HTTP {status}',
        side=side,
        retry_after=retry_after,
    )
    error.temporary = again
    return error
