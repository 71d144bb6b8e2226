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

_MISSING = (
    'the Python library keystoneauth1 is not installed: install '
    'oslo.image[glance]'
)
NO_ENDPOINT = (
    "Keystone's catalogue has no endpoint of the service image for this "
    'interface and region (glance_endpoint names one)'
)


class Library(NamedTuple):
    """The modules; they have no type hints."""

    session: Any
    v3: Any
    access: Any
    plugin: Any
    exceptions: Any


@functools.cache
def load() -> Library:
    """Import keystoneauth1.

    :raises MissingDependency: naming the extra.
    """
    try:
        from keystoneauth1 import access, exceptions, session
        from keystoneauth1.identity import access as plugin
        from keystoneauth1.identity import v3
    except ImportError as error:
        raise exception.MissingDependency(_MISSING) from error
    return Library(session, v3, access, plugin, exceptions)


@contextlib.contextmanager
def mapped() -> Iterator[None]:
    """Turn keystoneauth's errors into ours; they quote URLs, and are dropped.

    :raises PermissionDenied: when Keystone knows nobody of these credentials.
    :raises ImageInvalidApi: when its catalogue has no Glance.
    :raises CatalogUnavailable, CatalogError: when it gives no answer.
    """
    errors = load().exceptions
    failure: exception.ImageError | None = None
    try:
        yield
    except (errors.EndpointNotFound, errors.EmptyCatalog):
        failure = exception.ImageInvalidApi(NO_ENDPOINT)
    except (
        errors.Unauthorized,
        errors.Forbidden,
        errors.AuthorizationFailure,
        errors.MissingAuthPlugin,
        errors.AuthPluginException,
    ) as error:
        failure = exception.PermissionDenied(
            f'Keystone gives no token ({type(error).__name__})'
        )
    except errors.ClientException as error:
        status = getattr(error, 'http_status', None)
        again = isinstance(error, errors.ConnectionError) or (
            status is not None and status >= 500
        )
        kind = (
            exception.CatalogUnavailable
            if again and not isinstance(error, errors.SSLError)
            else exception.CatalogError
        )
        failure = kind(f'Keystone gave no answer ({type(error).__name__})')
    if failure is not None:
        raise failure
