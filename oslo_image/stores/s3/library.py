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

"""boto3: imported late, its errors mapped to ours."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from oslo_image import exception, masking

if TYPE_CHECKING:
    from oslo_image.stores.wire import Response

_MISSING = 'the Python library {} is not installed: install oslo.image[s3]'
#: What the code of an answer says better than its status.
_BY_CODE: dict[str, type[exception.ImageError]] = {
    'AccessDenied': exception.PermissionDenied,
    'ExpiredToken': exception.PermissionDenied,
    'InvalidAccessKeyId': exception.PermissionDenied,
    'InvalidToken': exception.PermissionDenied,
    'SignatureDoesNotMatch': exception.PermissionDenied,
    'RequestTimeTooSkewed': exception.PermissionDenied,
    'EntityTooLarge': exception.TooLarge,
    'QuotaExceeded': exception.NoSpace,
    'InvalidObjectState': exception.SourceError,
}
#: What the reader can make of a code, and do about it.
_MEANING = {
    'ExpiredToken': 'the keys are no longer valid; get new ones',
    'InvalidObjectState': 'the object is archived; restore it first',
    'NoSuchBucket': 'there is no such bucket',
    'RequestTimeTooSkewed': "this machine's clock and the server's differ",
    'SignatureDoesNotMatch': 'the secret key is another one',
}
#: The codes of what is not there; HEAD has no body, and so a number.
ABSENT = ('404', 'NoSuchKey', 'NoSuchBucket', 'NoSuchVersion', 'NotFound')
_CODE = re.compile(rb'<Code>(\w{1,64})</Code>')
#: What may go well a little later, whatever the status.
_TEMPORARY = (
    'ConditionalRequestConflict',
    'InternalError',
    'OperationAborted',
    'RequestTimeout',
    'ServiceUnavailable',
    'SlowDown',
    'Throttling',
    'TooManyRequests',
)
_LOGGERS = ('botocore.auth', 'botocore.endpoint', 'botocore.hooks')
_SECRET = re.compile(
    r'(Signature=|Signature:\n|security-token(?::|\W+b?\W))[^\s\'"&,]+',
    re.IGNORECASE,
)


class Library(NamedTuple):
    """The modules; they have no type hints."""

    session: Any
    config: Any
    exceptions: Any
    auth: Any
    awsrequest: Any


@functools.cache
def load() -> Library:
    """Import boto3.

    :raises MissingDependency: naming the extra.
    """
    try:
        import boto3.session
        import botocore.auth
        import botocore.awsrequest
        import botocore.config
        import botocore.exceptions
    except ImportError as error:
        raise exception.MissingDependency(
            _MISSING.format(error.name or 'boto3')
        ) from error
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_mask)
    return Library(
        boto3.session,
        botocore.config,
        botocore.exceptions,
        botocore.auth,
        botocore.awsrequest,
    )


def _mask(record: logging.LogRecord) -> bool:
    """Take signatures and tokens from what botocore logs for debugging."""
    text = record.getMessage()
    masked = _SECRET.sub(rf'\1{masking.MASK}', text)
    if masked != text:
        record.msg, record.args = masked, ()
    return True


@contextlib.contextmanager
def mapped(side: exception.Side, about: object = None) -> Iterator[None]:
    """Turn botocore's errors into ours; they quote URLs, and are dropped."""
    failure: exception.ImageError | None = None
    errors = load().exceptions
    try:
        yield
    except errors.ClientError as error:
        failure = _answered(error, side)
    except errors.BotoCoreError as error:
        failure = _unanswered(error, side)
    if failure is not None:
        raise failure.annotate(side=side, **{side: about}) from None


def code_of(error: Any) -> str:
    """Return the code of an answer that is an error."""
    return str(error.response.get('Error', {}).get('Code', ''))


def refused(
    response: Response, side: exception.Side = 'source'
) -> exception.ImageError:
    """Return our error for an answer over the wire; its body has the code."""
    try:
        found = _CODE.search(response.read(1 << 16))
    except exception.ImageError:
        found = None
    code = found[1].decode('ascii', 'replace') if found else ''
    return _error(code, response.status, side, response.retry_after)


def _answered(error: Any, side: exception.Side) -> exception.ImageError:
    from oslo_image.stores.wire import parse_retry_after

    metadata = error.response.get('ResponseMetadata', {})
    status = int(metadata.get('HTTPStatusCode') or 500)
    if status < 300:
        status = 500  # an error in the body of a 200
    asked = metadata.get('HTTPHeaders', {}).get('retry-after')
    return _error(
        code_of(error), status, side, parse_retry_after(asked, time.time())
    )


def _error(
    code: str, status: int, side: exception.Side, retry_after: float | None
) -> exception.ImageError:
    text = f'S3 answered {code or status}'
    if code in _MEANING:
        text += f': {_MEANING[code]}'
    if code in ABSENT and side == 'source':
        return exception.ImageNotFound(text, side=side)
    if code in ABSENT:
        return exception.DestinationError(text, side=side)
    if kind := _BY_CODE.get(code):
        return kind(text, side=side)
    if side == 'source' and code in _TEMPORARY:
        status = 503
    found = exception.from_http_status(status, side, retry_after=retry_after)
    found.message = text
    found.temporary = found.temporary or code in _TEMPORARY
    return found


def _unanswered(error: Any, side: exception.Side) -> exception.ImageError:
    """Name the kind of the error only: its text may hold a signed URL."""
    failure: exception.ImageError | None = getattr(error, 'failure', None)
    if failure is None:
        failure = _unprepared(error)
    if side == 'source' or not isinstance(failure, exception.SourceError):
        return failure
    found = exception.DestinationError(failure.message, errno=failure.errno)
    found.temporary = failure.temporary
    return found


@contextlib.contextmanager
def preparing() -> Iterator[None]:
    """Turn what boto3 raises before it asks a server into our errors."""
    failure: exception.ImageError | None = None
    try:
        yield
    except exception.ImageError:
        raise
    except (load().exceptions.BotoCoreError, ValueError) as error:
        failure = _unprepared(error)
    if failure is not None:
        raise failure from None


def _unprepared(error: Any) -> exception.ImageError:
    errors = load().exceptions
    kind = type(error).__name__
    if isinstance(error, errors.InvalidRegionError):
        return exception.InvalidOption('the region is none')
    if isinstance(
        error,
        (
            errors.EndpointProviderError,
            errors.ParamValidationError,
            ValueError,
        ),
    ):
        return exception.InvalidLocation(
            f'no endpoint, bucket or key of S3 is called so ({kind})'
        )
    if isinstance(error, (errors.HTTPClientError, errors.ConnectionError)):
        # Of who knows the keys.
        return exception.SourceUnavailable(f'boto3 got no answer ({kind})')
    if isinstance(error, _keyless(errors)):
        return exception.PermissionDenied(
            f'boto3 finds no whole S3 keys ({kind})'
        )
    return exception.SourceError(f'boto3 failed ({kind})')


def _keyless(errors: Any) -> tuple[type[Exception], ...]:
    """Return what is raised where keys are looked for."""
    return (
        errors.CredentialRetrievalError,
        errors.MetadataRetrievalError,
        errors.NoAuthTokenError,
        errors.NoCredentialsError,
        errors.PartialCredentialsError,
        errors.ConfigNotFound,
        errors.ConfigParseError,
        errors.ProfileNotFound,
        errors.SSOError,
        errors.TokenRetrievalError,
        errors.UnknownCredentialError,
    )
