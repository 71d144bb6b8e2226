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

"""keystoneauth1: imported late, its errors mapped to ours."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from oslo_image import exception

_MISSING = 'the Python library {} is not installed: install oslo.image[swift]'


class Library(NamedTuple):
    """The modules; they have no type hints."""

    sessions: Any
    v3: Any
    exceptions: Any
    requests: Any


@functools.cache
def load() -> Library:
    """Import keystoneauth1.

    :raises MissingDependency: naming the extra.
    """
    try:
        import keystoneauth1.exceptions
        import keystoneauth1.identity.v3
        import keystoneauth1.session
        import requests
    except ImportError as error:
        raise _missing(error, 'keystoneauth1') from error
    return Library(
        keystoneauth1.session,
        keystoneauth1.identity.v3,
        keystoneauth1.exceptions,
        requests,
    )


def password_v1(url: str, user: str, key: str) -> Any:
    """Return swiftclient's plugin for version 1 of the authentication."""
    try:
        from swiftclient import authv1
    except ImportError as error:
        raise _missing(error, 'swiftclient') from error
    return authv1.PasswordPlugin(url, user, key)


def _missing(error: ImportError, name: str) -> exception.MissingDependency:
    return exception.MissingDependency(_MISSING.format(error.name or name))


@contextlib.contextmanager
def mapped(side: exception.Side) -> Iterator[None]:
    """Turn keystoneauth's errors into ours.

    They quote URLs and answers, and are dropped.
    """
    failure: exception.ImageError | None = None
    errors = load().exceptions
    try:
        yield
    except (errors.Unauthorized, errors.Forbidden):
        failure = exception.PermissionDenied(
            'no token is given for these credentials', side=side
        )
    except (errors.EndpointNotFound, errors.EmptyCatalog):
        failure = _failed(
            'the catalogue that came with the token has no such service',
            side,
        )
    except errors.SSLError:
        failure = _failed('no token was to be had: TLS failed', side)
    except (
        errors.ConnectionError,
        errors.HttpServerError,
        errors.RetriableConnectionFailure,
    ) as error:
        failure = _failed(
            f'no token was to be had ({type(error).__name__})',
            side,
            temporary=True,
        )
    except errors.ClientException as error:
        failure = _failed(
            f'no token was to be had ({type(error).__name__})', side
        )
    if failure is not None:
        raise failure


def _failed(
    text: str, side: exception.Side, *, temporary: bool = False
) -> exception.ImageError:
    if side == 'source':
        kind = (
            exception.SourceUnavailable if temporary else exception.SourceError
        )
        return kind(text, side=side)
    found = exception.DestinationError(text, side=side)
    found.temporary = temporary
    return found
