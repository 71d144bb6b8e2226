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

"""The least that librbd takes, on a connection that is open already."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Iterator
from typing import Any

from oslo_image.bench.cell import Job, Way
from oslo_image.bench.peers.rbd import at
from oslo_image.bench.rbd import RbdPool
from oslo_image.stores.base import MiB
from oslo_image.stores.rbd import library, uri

#: What is in flight at once.
_FLIGHT = 8
Take = Callable[[int, bytes], object]


def clone(origin: RbdPool, place: RbdPool, source: str, target: str) -> None:
    """Open the parent, as one has to for its features, and clone it.

    :param source, target: the URIs of a snapshot and of an image.
    """
    rbd = library.load().rbd
    parent, child = uri.parse(source), uri.parse(target)
    with (
        origin.cluster.open_ioctx(parent.pool) as one,
        place.cluster.open_ioctx(child.pool) as other,
    ):
        with rbd.Image(
            one, parent.image, snapshot=parent.snapshot, read_only=True
        ) as image:
            features = image.features()
        rbd.RBD().clone(
            one,
            parent.image,
            parent.snapshot,
            other,
            child.image,
            features=features,
        )


def _clone(job: Job) -> None:
    clone(at(job.origin), at(job.place), job.uri, job.target)


def _pieces(job: Job, step: int) -> Iterator[tuple[int, int]]:
    """Yield the data by at most a step, none of which crosses an object."""
    for start, length in job.shape.extents():
        at, end = start, start + length
        while at < end:
            upto = min(end, (at // step + 1) * step)
            yield at, upto - at
            at = upto


def _read(job: Job, step: int, take: Take) -> None:
    rbd = library.load().rbd
    spec = uri.parse(job.uri)
    flags = library.advice()
    flight: collections.deque[tuple[int, Any, list[bytes]]] = (
        collections.deque()
    )

    def land() -> None:
        offset, completion, found = flight.popleft()
        _landed(completion)
        take(offset, found.pop())

    with (
        at(job.origin).cluster.open_ioctx(spec.pool) as ioctx,
        rbd.Image(
            ioctx, spec.image, snapshot=spec.snapshot or None, read_only=True
        ) as image,
    ):
        for offset, length in _pieces(job, step):
            found: list[bytes] = []

            def arrived(_: Any, data: bytes, to: list[bytes] = found) -> None:
                to.append(data)

            completion = image.aio_read(offset, length, arrived, flags)
            flight.append((offset, completion, found))
            if len(flight) == _FLIGHT:
                land()
        while flight:
            land()


def _landed(completion: Any) -> None:
    completion.wait_for_complete_and_cb()
    code = completion.get_return_value()
    if code < 0:
        raise OSError(-code, os.strerror(-code))


def _discarded(step: int) -> Callable[[Job], None]:
    return lambda job: _read(job, step, lambda offset, data: None)


def _to_file(step: int) -> Callable[[Job], None]:
    def run(job: Job) -> None:
        with open(job.path, 'wb', buffering=0) as file:
            file.truncate(job.shape.size)

            def take(offset: int, data: bytes) -> None:
                os.pwrite(file.fileno(), data, offset)

            _read(job, step, take)

    return run


def _write(step: int) -> Callable[[Job], None]:
    def run(job: Job) -> None:
        with open(job.source, 'rb', buffering=0) as file:

            def give(offset: int, length: int) -> bytes:
                return os.pread(file.fileno(), length, offset)

            _fill(job, step, give)

    return run


def _between(job: Job) -> None:
    """Read and write as the limits with a file at one end do, at once."""
    rbd = library.load().rbd
    place, target = at(job.place), uri.parse(job.target)
    flight: collections.deque[Any] = collections.deque()
    with place.cluster.open_ioctx(target.pool) as ioctx:
        rbd.RBD().create(ioctx, target.image, job.shape.size)
        with rbd.Image(ioctx, target.image) as image:

            def take(offset: int, data: bytes) -> None:
                if len(flight) == _FLIGHT:
                    _landed(flight.popleft())
                flight.append(
                    image.aio_write(data, offset, lambda completion: None)
                )

            _read(job, 4 * MiB, take)
            while flight:
                _landed(flight.popleft())
            image.flush()


def _copy(job: Job) -> None:
    """Have librbd copy, on a connection that is open."""
    rbd = library.load().rbd
    spec, target = uri.parse(job.uri), uri.parse(job.target)
    with (
        at(job.origin).cluster.open_ioctx(spec.pool) as one,
        at(job.place).cluster.open_ioctx(target.pool) as other,
        rbd.Image(
            one, spec.image, snapshot=spec.snapshot or None, read_only=True
        ) as image,
    ):
        image.copy(other, target.image)


def _fill(job: Job, step: int, give: Callable[[int, int], bytes]) -> None:
    rbd = library.load().rbd
    spec = uri.parse(job.target)
    flight: collections.deque[Any] = collections.deque()
    with at(job.place).cluster.open_ioctx(spec.pool) as ioctx:
        rbd.RBD().create(ioctx, spec.image, job.shape.size)
        with rbd.Image(ioctx, spec.image) as image:
            for offset, length in _pieces(job, step):
                data = give(offset, length)
                flight.append(
                    image.aio_write(data, offset, lambda completion: None)
                )
                if len(flight) == _FLIGHT:
                    _landed(flight.popleft())
            while flight:
                _landed(flight.popleft())
            image.flush()


COPY = Way('raw librbd copy', 'limit', _copy)
BETWEEN = Way('raw aio_read/aio_write', 'limit', _between)
CLONE = Way('raw clone, parent opened', 'limit', _clone)
DISCARD = Way(
    'raw aio_read, discarded', 'limit', _discarded(4 * MiB), writes=False
)
READ = Way('raw aio_read/pwrite, 4 MiB', 'limit', _to_file(4 * MiB))
READ_LARGE = Way('raw aio_read/pwrite, 8 MiB', 'limit', _to_file(8 * MiB))
WRITE = Way('raw pread/aio_write, 4 MiB', 'limit', _write(4 * MiB))
WRITE_SMALL = Way('raw pread/aio_write, 1 MiB', 'limit', _write(MiB))
