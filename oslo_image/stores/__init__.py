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

"""The stores as a library: open, stat and delete bits by URI.

``config`` is in every call an oslo.config ConfigOpts, a mapping or None, as
for :class:`oslo_image.move.Mover`; ``auth`` is the caller's own credentials.
"""

from __future__ import annotations

from typing import Any

from oslo_image import exception
from oslo_image.stores.base import IfExists, Source, Stat, Writer
from oslo_image.stores.registry import Stores

__all__ = ['delete', 'open_source', 'open_writer', 'stat']


def open_source(uri: str, config: Any = None, *, auth: Any = None) -> Source:
    """Open and pin one version of the bits at a URI; a context manager.

    :raises InvalidLocation, UnknownScheme: for a URI that cannot be used.
    :raises ImageNotFound, PermissionDenied, SourceUnavailable:
    """
    stores = Stores(config)
    location = stores.location(uri)
    return stores.find(location).open_source(location, auth=auth)


def open_writer(
    uri: str,
    config: Any = None,
    *,
    size: int | None = None,
    if_exists: IfExists = 'fail',
    auth: Any = None,
    **options: Any,
) -> Writer:
    """Return a writer for a URI; nothing is made before the first byte.

    Hand it to :meth:`oslo_image.move.Mover.copy`, which commits it on success;
    or write to it and ``commit()``. What is not committed is taken back.

    :param size: the bytes that are to come, where the caller knows.
    :param if_exists: "fail", "replace" (the old bits stay until commit) or
        "in_place" (overwritten where they lie).
    :param options: what else the store's writer takes.
    :raises InvalidLocation, UnknownScheme: for a URI that cannot be used.
    :raises InvalidOption: for an option that the writer does not have.
    """
    stores = Stores(config)
    location = stores.location(uri)
    if if_exists not in ('fail', 'replace', 'in_place'):
        raise exception.InvalidOption(
            f'if_exists is "fail", "replace" or "in_place", not {if_exists!r}'
        )
    return stores.find(location).open_writer(
        location, size=size, if_exists=if_exists, auth=auth, **options
    )


def stat(uri: str, config: Any = None, *, auth: Any = None) -> Stat:
    """Return the size and version of the bits at a URI.

    :raises ImageNotFound: when they are not there; a size is never made up.
    """
    stores = Stores(config)
    location = stores.location(uri)
    return stores.find(location).stat(location, auth=auth)


def delete(uri: str, config: Any = None, *, auth: Any = None) -> None:
    """Delete the bits at a URI.

    :raises ImageNotFound: when they are not there.
    :raises InUse: when something depends on them.
    """
    stores = Stores(config)
    location = stores.location(uri)
    stores.find(location).delete(location, auth=auth)
