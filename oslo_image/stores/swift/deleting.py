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

"""Deleting an object with all of its segments."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Container, Iterable

from oslo_image import exception
from oslo_image.stores.swift.doubt import UNSURE
from oslo_image.stores.swift.parts import Parts
from oslo_image.stores.swift.pool import Pool
from oslo_image.stores.swift.service import Service

#: How many names of what stays behind an error holds.
_SHOWN = 3
#: How long the server is asked to remove what is left, in seconds: for one
#: answer, and in all.
_TIMEOUT = 20.0
_PATIENCE = 30.0


def delete(service: Service, container: str, name: str) -> None:
    """Delete an object, and then its segments.

    :raises ImageNotFound: when it is not there.
    :raises SourceError: naming segments that could not be deleted.
    """
    fields = service.head(container, name)
    if fields is None:
        raise exception.ImageNotFound('there is no such object', side='source')
    parts = Parts(service, container, name, fields)
    # The manifest is read before it is gone, and goes before its segments:
    # what is left of a deletion that is cut off is no image.
    names = list(parts.names())
    unknown = parts.static and not names
    how = {'multipart-manifest': 'delete'} if unknown else {}
    service.delete(container, name, how)
    if left := remove(service, names):
        raise exception.SourceError(
            f'{len(left)} of {len(names)} segments stay: '
            f'{", ".join(left[:_SHOWN])}',
            side='source',
        )


def delete_empty(service: Service, container: str) -> None:
    """Delete a container, unless something else lies in it.

    It stays, too, where only the objects in it may be deleted.
    """
    with contextlib.suppress(exception.InUse, exception.PermissionDenied):
        service.delete(container)


def remove_empty(service: Service, container: str) -> list[str]:
    """As :func:`delete_empty`; return the name of what may stay."""
    try:
        delete_empty(service, container)
    except exception.ImageError:
        return [container]
    return []


def remove(
    service: Service,
    names: Iterable[tuple[str, str]],
    unsure: Container[str] = (),
) -> list[str]:
    """Delete objects; return those that stay.

    Once the server is not to be had, no more are tried.

    :param unsure: names of what the server may yet make: unless it is there
        to be deleted, it stays.
    """
    left: list[str] = []
    gone = threading.Event()

    def one(container: str, name: str) -> None:
        try:
            if not gone.is_set():
                there = service.delete(
                    container, name, timeout=_TIMEOUT, patience=_PATIENCE
                )
                if not there and name in unsure:
                    left.append(f'{container}/{name}, {UNSURE}')
                return
        except exception.ImageError as error:
            if error.temporary:
                gone.set()
        left.append(f'{container}/{name}')

    with Pool() as pool:
        for container, name in names:
            pool.run(one, container, name)
    return sorted(left)
