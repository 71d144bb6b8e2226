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

"""Peers that read from and write to Swift."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterable
from typing import Any

from oslo_image.bench.cell import Cannot, Job, Way
from oslo_image.bench.peers.programs import call, found
from oslo_image.bench.places import Place
from oslo_image.bench.swift import SwiftContainer
from oslo_image.stores.base import MiB

#: glance_store's chunk of a read, and the size of its segments.
_CHUNK = 64 * 1024
_SEGMENT = 200 * 1000 * 1024
#: Of the command's segments, which it sends by ten threads.
_COMMAND = 64 * MiB


def at(place: Place) -> SwiftContainer:
    """Return the container that an end of a job is."""
    if not isinstance(place, SwiftContainer):
        raise Cannot('it is not in Swift')
    return place


def _command(place: Place, *arguments: str) -> None:
    call(found('swift') or 'swift', *arguments, env=at(place).environment)


def _command_copy(job: Job) -> None:
    place, origin = at(job.place), at(job.origin)
    target = f'/{place.container}/{place.object_name(job.target)}'
    name = origin.object_name(job.uri)
    _command(place, 'copy', '-d', target, origin.container, name)


def _command_read(job: Job) -> None:
    origin = at(job.origin)
    name = origin.object_name(job.uri)
    _command(origin, 'download', origin.container, name, '-o', job.path)


def _command_write(job: Job) -> None:
    place = at(job.place)
    _command(
        place,
        'upload',
        '--use-slo',
        '--segment-size',
        str(_COMMAND),
        '--segment-container',
        place.container,
        '--object-name',
        place.object_name(job.target),
        place.container,
        job.source,
    )


def _connection(place: SwiftContainer) -> Any:
    import swiftclient

    return swiftclient.Connection(
        preauthurl=place.url, preauthtoken=place.token
    )


def _copy(job: Job) -> None:
    origin = at(job.origin)
    connection = _connection(origin)
    target = f'/{origin.container}/{at(job.place).object_name(job.target)}'
    connection.copy_object(
        origin.container, origin.object_name(job.uri), target
    )
    connection.close()


def _glance_read(job: Job) -> None:
    """One GET, a chunk at a time, as its iterator does."""
    origin = at(job.origin)
    connection = _connection(origin)
    _, body = connection.get_object(
        origin.container, origin.object_name(job.uri), resp_chunk_size=_CHUNK
    )
    with open(job.path, 'wb') as file:
        for chunk in body:
            file.write(chunk)
    connection.close()


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: Any, digests: Iterable[Any]) -> None:
        self._file = file
        self._digests = digests

    def read(self, length: int) -> bytes:
        data: bytes = self._file.read(min(length, _CHUNK))
        for digest in self._digests:
            digest.update(data)
        return data


def _glance_write(job: Job) -> None:
    """Segments one after another, hashed on the way, as it does."""
    place = at(job.place)
    connection = _connection(place)
    name = place.object_name(job.target)
    size = job.shape.size
    digests = (hashlib.md5(usedforsecurity=False), hashlib.sha512())
    with open(job.source, 'rb') as file:
        for number, start in enumerate(range(0, size, _SEGMENT), 1):
            length = min(_SEGMENT, size - start)
            connection.put_object(
                place.container,
                f'{name}-{number:05}',
                _Hashed(file, digests),
                content_length=length,
            )
    prefix = f'{place.container}/{name}-'
    connection.put_object(
        place.container, name, None, headers={'X-Object-Manifest': prefix}
    )
    connection.close()


def _client(name: str, run: Callable[[Job], None]) -> Way:
    return Way(name, 'peer', run, _no_client)


def _no_client() -> str:
    found = importlib.util.find_spec('swiftclient')
    return '' if found else 'swiftclient is not installed'


def _program(name: str, run: Callable[[Job], None]) -> Way:
    return Way(name, 'peer', run, _no_command)


def _no_command() -> str:
    return '' if found('swift') else 'swift is not installed'


CLIENT_COPY = _client('swiftclient copy_object', _copy)
COMMAND_COPY = _program('swift copy', _command_copy)
COMMAND_READ = _program('swift download', _command_read)
COMMAND_WRITE = _program('swift upload', _command_write)
GLANCE_READ = _client('glance_store: its loop', _glance_read)
GLANCE_WRITE = _client('glance_store: its segments', _glance_write)
