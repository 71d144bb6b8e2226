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

"""What sockets, TLS and http.client raise, said once in our words.

A failure is raised *after* the ``except`` block that caught its cause has
ended, so that no ``__cause__`` or ``__context__`` hangs on it: their texts may
hold a URL with its secrets, or bytes of the image.
"""

from __future__ import annotations

import errno as errno_codes
import http.client
import os
import socket
import ssl

from urllib3 import exceptions as urllib3_errors

from oslo_image import exception
from oslo_image.exception import Side

#: What may come out of a connection.
FAILURES = (
    OSError,
    http.client.HTTPException,
    urllib3_errors.HTTPError,
    ValueError,
)


class Overlong(OSError):
    """More bytes than any sane answer has around its body."""


class Stalled(TimeoutError):
    """The other side sends, but next to nothing; the text says how little."""


def translate(
    error: Exception, doing: str, *, side: Side, offset: int | None = None
) -> exception.ImageError:
    """Return our error for what a connection raised.

    :param error: one of :data:`FAILURES`; an ImageError comes back as it is.
    :param doing: what was being done, to stand after the reason.
    :param side: on which side of the copy the server is.
    :param offset: the first byte that was not delivered.
    """
    if isinstance(error, exception.ImageError):
        return error
    kind, reason = _classify(error)
    temporary = kind.temporary
    if side == 'destination' and issubclass(kind, exception.SourceError):
        kind = exception.DestinationError
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, (ssl.SSLError, socket.gaierror)):
        code = None  # numbers of other kinds
    elif isinstance(error, TimeoutError):
        code = errno_codes.ETIMEDOUT
    failure = kind(f'{doing}: {reason}', side=side, offset=offset, errno=code)
    if temporary != kind.temporary:
        failure.temporary = temporary
    return failure


def _classify(
    error: Exception,
) -> tuple[type[exception.ImageError], str]:
    unavailable = exception.SourceUnavailable
    if isinstance(error, Overlong):
        return exception.ProtocolViolation, 'the answer has no end'
    if isinstance(error, ssl.SSLError):
        return _classify_tls(error)
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_NONAME:
            return exception.SourceError, 'there is no such host'
        return unavailable, 'the host name cannot be resolved at the moment'
    if isinstance(error, Stalled):
        return unavailable, str(error)
    if isinstance(error, TimeoutError):
        return unavailable, 'timed out'
    if isinstance(error, http.client.RemoteDisconnected):
        return unavailable, 'the server hung up without an answer'
    if isinstance(error, OSError):
        if error.errno:
            return unavailable, os.strerror(error.errno)
        if 'unnel connection failed' in str(error):
            refused = any(f' {code}' in str(error) for code in (401, 403, 407))
            return (
                exception.PermissionDenied if refused else unavailable,
                'the proxy made no tunnel',
            )
        return unavailable, 'the connection failed'
    if isinstance(error, http.client.IncompleteRead):
        return exception.Truncated, 'the body ended early'
    if isinstance(error, http.client.InvalidURL):
        return exception.InvalidLocation, 'the URL cannot be asked for'
    if isinstance(error, http.client.HTTPException):
        return exception.ProtocolViolation, 'the answer is not HTTP'
    if isinstance(error, UnicodeError):
        return exception.InvalidLocation, 'not a host name or header field'
    return unavailable, 'the connection was closed'


def _classify_tls(
    error: ssl.SSLError,
) -> tuple[type[exception.ImageError], str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or 'certificate verify failed'
        text = f'TLS: certificate verify failed: {why}'
        return exception.SourceError, text
    if isinstance(
        error,
        (
            ssl.SSLEOFError,
            ssl.SSLZeroReturnError,
            ssl.SSLSyscallError,
        ),
    ):
        return exception.SourceUnavailable, 'TLS: the connection broke off'
    reason = (error.reason or 'handshake failed').lower().replace('_', ' ')
    return exception.SourceError, f'TLS: {reason}'


def is_stale(error: Exception) -> bool:
    """Return whether a kept connection was closed before it was used again."""
    return isinstance(
        error,
        (
            ConnectionError,
            http.client.RemoteDisconnected,
            ssl.SSLEOFError,
            ssl.SSLZeroReturnError,
        ),
    ) or (
        isinstance(error, OSError)
        and error.errno in (errno_codes.EPIPE, errno_codes.ENOTCONN)
    )
