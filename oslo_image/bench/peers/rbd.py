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

"""Peers that read or write images in Ceph."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence

from oslo_image.bench import rbd
from oslo_image.bench.cell import Cannot, Job, Way
from oslo_image.bench.peers.programs import call
from oslo_image.bench.places import Place
from oslo_image.bench.rbd import RbdPool
from oslo_image.stores.base import MiB
from oslo_image.stores.rbd import library, uri

#: glance_store's rbd_store_chunk_size.
_CHUNK = 8 * MiB
_QUIET = '--no-progress'
Command = Callable[[Job], Sequence[str]]


def at(place: Place) -> RbdPool:
    """Return the pool that an end of a job is."""
    if not isinstance(place, RbdPool):
        raise Cannot('it is not in Ceph')
    return place


def _rbd(place: Place, *words: str) -> None:
    call('rbd', *at(place).arguments, *words)


def _missing(*names: str) -> str:
    for name in names:
        if not shutil.which(name):
            return f'{name} is not installed'
    return _no_driver() if 'qemu-img' in names else ''


@functools.cache
def _no_driver() -> str:
    """Say whether qemu lacks the driver: it is a package of its own."""
    done = subprocess.run(
        ['qemu-img', 'info', 'rbd:none/none:conf=/dev/null'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lacks = 'Unknown protocol' in done.stderr
    return "qemu's driver for rbd is not installed" if lacks else ''


def _way(
    name: str,
    run: Callable[[Job], float | None],
    *programs: str,
    writes: bool = True,
) -> Way:
    missing = functools.partial(_missing, *programs)
    return Way(name, 'peer', run, missing, writes=writes)


def _clone(job: Job) -> None:
    _rbd(job.place, 'clone', rbd.path_of(job.uri), rbd.path_of(job.target))


def _export(job: Job) -> None:
    _rbd(job.origin, 'export', _QUIET, rbd.path_of(job.uri), job.path)


def _import(job: Job) -> None:
    _rbd(job.place, 'import', _QUIET, job.source, rbd.path_of(job.target))


def _cp(*words: str) -> Callable[[Job], None]:
    def run(job: Job) -> None:
        ends = rbd.path_of(job.uri), rbd.path_of(job.target)
        _rbd(job.place, *words, _QUIET, *ends)

    return run


def _cp_within(job: Job) -> float:
    """Copy within the source's cluster, where its image lies."""
    origin = at(job.origin)
    target = origin.target()
    start = time.perf_counter()
    try:
        _rbd(origin, 'cp', _QUIET, rbd.path_of(job.uri), rbd.path_of(target))
        return time.perf_counter() - start
    finally:
        origin.discard(target)


def _pipe(job: Job) -> None:
    """Copy between clusters as manuals say: export to a pipe, and import."""
    origin, place = at(job.origin), at(job.place)
    source, target = rbd.path_of(job.uri), rbd.path_of(job.target)
    with subprocess.Popen(
        ['rbd', *origin.arguments, 'export', _QUIET, source, '-'],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as export:
        subprocess.run(
            ['rbd', *place.arguments, 'import', _QUIET, '-', target],
            check=True,
            stdin=export.stdout,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    if export.returncode:
        raise RuntimeError('rbd export failed')


def _convert(*ends: str) -> None:
    call('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', *ends)


def _qemu_read(job: Job) -> None:
    _convert(at(job.origin).qemu(job.uri), job.path)


def _qemu_write(job: Job) -> None:
    _convert(job.source, at(job.place).qemu(job.target))


def _qemu_between(job: Job) -> None:
    _convert(at(job.origin).qemu(job.uri), at(job.place).qemu(job.target))


def _nova(job: Job) -> None:
    """Export beside the target, look at it, and give it its name."""
    part = f'{job.path}.part'
    spec = uri.parse(job.uri)
    try:
        _rbd(
            job.origin,
            *('export', '--pool', spec.pool, '--image', spec.image),
            *('--path', part, '--snap', spec.snapshot),
        )
        call('qemu-img', 'info', '--force-share', '--output=json', part)
        os.rename(part, job.path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _cinder(job: Job) -> None:
    """Look at the image, convert it into a file, and import that."""
    part = f'{job.source}.part'
    spec = uri.parse(job.target)
    try:
        call('qemu-img', 'info', '--output=json', job.source)
        _convert(job.source, part)
        _rbd(
            job.place,
            *('import', '--pool', spec.pool, '--order', '22'),
            *(part, spec.image, '--image-format', '2'),
        )
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _glance_store(job: Job) -> None:
    """Connect, open and read a chunk at a time, as its iterator does."""
    origin = at(job.origin)
    spec = uri.parse(job.uri)
    rados, librbd = library.load()
    with (
        rados.Rados(
            conffile=origin.conf, rados_id=origin.user or None
        ) as client,
        client.open_ioctx(spec.pool) as ioctx,
        librbd.Image(
            ioctx, spec.image, snapshot=spec.snapshot, read_only=True
        ) as image,
        open(job.path, 'wb') as file,
    ):
        size = image.size()
        for offset in range(0, size, _CHUNK):
            file.write(image.read(offset, min(_CHUNK, size - offset)))


CLONE = _way('rbd clone', _clone, 'rbd')
EXPORT = _way('rbd export', _export, 'rbd')
IMPORT = _way('rbd import', _import, 'rbd')
CP = _way('rbd cp', _cp('cp'), 'rbd')
DEEP_CP = _way('rbd deep cp', _cp('deep', 'cp'), 'rbd')
CP_WITHIN = _way('rbd cp, within one cluster', _cp_within, 'rbd', writes=False)
PIPE = _way('rbd export | rbd import', _pipe, 'rbd')
QEMU_READ = _way('qemu-img convert', _qemu_read, 'qemu-img')
QEMU_WRITE = _way('qemu-img convert', _qemu_write, 'qemu-img')
QEMU_BETWEEN = _way('qemu-img convert', _qemu_between, 'qemu-img')
NOVA = _way('nova: rbd export', _nova, 'rbd', 'qemu-img')
CINDER = _way('cinder: convert, rbd import', _cinder, 'rbd', 'qemu-img')
GLANCE_STORE = _way('glance_store: 8 MiB loop', _glance_store)
