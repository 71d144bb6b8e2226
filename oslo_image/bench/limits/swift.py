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

"""The least that a transfer from and to Swift can cost."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from oslo_image.bench.cell import Job, Way
from oslo_image.bench.limits import net
from oslo_image.bench.peers.swift import at
from oslo_image.bench.swift import SwiftContainer
from oslo_image.stores.base import MiB

_PART = 64 * MiB
_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC


@contextlib.contextmanager
def _asked(
    place: SwiftContainer,
    method: str,
    url: str,
    fields: dict[str, str],
    send: Callable[[http.client.HTTPConnection], object] = lambda to: None,
) -> Iterator[http.client.HTTPResponse]:
    target = urllib.parse.urlsplit(url)
    to = http.client.HTTPConnection(target.netloc)
    with contextlib.closing(to):
        to.connect()
        net.bound(to.sock)
        query = f'?{target.query}' if target.query else ''
        to.putrequest(method, f'{target.path}{query}')
        for name, text in {'X-Auth-Token': place.token, **fields}.items():
            to.putheader(name, text)
        to.endheaders()
        send(to)
        with to.getresponse() as answer:
            if answer.status not in (200, 201, 206):
                raise RuntimeError(answer.status)
            yield answer


def _copy(job: Job) -> None:
    """One request; of an object in segments, it joins them."""
    origin, place = at(job.origin), at(job.place)
    fields = {
        'X-Copy-From': f'{origin.container}/{origin.object_name(job.uri)}',
        'Content-Length': '0',
    }
    with _asked(place, 'PUT', place.at(job.target), fields):
        pass


def _told(job: Job) -> str:
    origin = at(job.origin)
    return (
        f'url = "{origin.at(job.uri)}"\n'
        f'header = "X-Auth-Token: {origin.token}"'
    )


def _read(threads: int) -> Callable[[Job], None]:
    """Ranges, a MiB at a time, each written where it belongs."""

    def run(job: Job) -> None:
        origin = at(job.origin)
        size = job.shape.size
        step = -(-size // threads)
        target = os.open(job.path, _NEW, 0o600)

        def one(start: int) -> None:
            end = min(start + step, size)
            fields = {'Range': f'bytes={start}-{end - 1}'}
            buffer = memoryview(bytearray(MiB))
            with _asked(origin, 'GET', origin.at(job.uri), fields) as answer:
                while start < end:
                    count = net.some(answer.readinto(buffer))
                    os.pwrite(target, buffer[:count], start)
                    start += count

        try:
            net.in_threads(threads, one, range(0, size, step))
        finally:
            os.close(target)

    return run


def _send(threads: int) -> Callable[[Job], None]:
    """Segments by sendfile, and a manifest."""

    def run(job: Job) -> None:
        place = at(job.place)
        name, size = place.object_name(job.target), job.shape.size
        with (
            open(job.source, 'rb', buffering=0) as file,
            concurrent.futures.ThreadPoolExecutor(threads) as pool,
        ):

            def one(start: int) -> dict[str, Any]:
                length = min(_PART, size - start)
                part = f'{name}.part.{start}'

                def send(to: http.client.HTTPConnection) -> None:
                    net.send(to.sock, file.fileno(), start, length)

                fields = {'Content-Length': str(length)}
                url = f'{place.url}/{place.container}/{part}'
                with _asked(place, 'PUT', url, fields, send):
                    return {'path': f'{place.container}/{part}'}

            parts = list(pool.map(one, range(0, size, _PART)))
        text = json.dumps(parts).encode()
        with _asked(
            place,
            'PUT',
            f'{place.at(job.target)}?multipart-manifest=put',
            {'Content-Length': str(len(text))},
            lambda to: to.send(text),
        ):
            pass

    return run


COPY = Way('bare COPY', 'limit', _copy)
DISCARD = Way('curl to /dev/null', 'limit', net.discarded(_told), writes=False)
READ = Way('raw recv/pwrite, 4 ranges', 'limit', _read(4))
SEND = Way('raw sendfile of segments', 'limit', _send(4))
