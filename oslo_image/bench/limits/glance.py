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

"""The least that an image of Glance's takes: requests, and a bare copy."""

from __future__ import annotations

import fcntl
import http.client
import json
import urllib.parse
from collections.abc import Callable
from typing import Any

from oslo_image.bench.cell import Cannot, Job, Way
from oslo_image.bench.glance import at
from oslo_image.bench.limits import net, rbd
from oslo_image.bench.peers import rbd as rbd_peers

_FICLONE = 0x40049409
_CONNECTIONS = {
    'http': http.client.HTTPConnection,
    'https': http.client.HTTPSConnection,
}


def _round_trips(job: Job, count: int = 2) -> Any:
    """Ask for the image's record so often, on one connection."""
    origin = at(job.origin)
    place = urllib.parse.urlsplit(origin.url(job.uri))
    connection = _CONNECTIONS[place.scheme](place.netloc, timeout=60)
    try:
        for _ in range(count):
            connection.request('GET', place.path, headers=origin.headers)
            record = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return record


def _only(job: Job) -> None:
    _round_trips(job)


def _reflink(job: Job) -> None:
    path = urllib.parse.unquote(_place(job).removeprefix('file://'))
    with open(path, 'rb') as source, open(job.path, 'wb') as file:
        fcntl.ioctl(file, _FICLONE, source.fileno())


def _place(job: Job) -> str:
    locations = _round_trips(job).get('locations')
    if not locations:
        raise Cannot('Glance shows no locations')
    location: str = locations[0]['url']
    return location


def _clone(job: Job) -> None:
    """On a connection that is open already."""
    pool = rbd_peers.at(at(job.place).targets)
    rbd.clone(pool, pool, _place(job), job.target)


def _told(job: Job) -> str:
    return at(job.origin).curl(job.uri)


def _limit(
    name: str, run: Callable[[Job], None], *, writes: bool = True
) -> Way:
    return Way(name, 'limit', run, writes=writes)


ROUND_TRIPS = _limit('two requests', _only, writes=False)
REFLINK = _limit('raw FICLONE, two requests', _reflink)
CLONE = _limit('raw clone, two requests', _clone)
DISCARD = _limit('curl, discarded', net.discarded(_told), writes=False)
