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

"""Peers that read an image from Glance by its id."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from oslo_image.bench import rbd
from oslo_image.bench.cell import Job, Way
from oslo_image.bench.glance import at
from oslo_image.bench.peers import rbd as rbd_peers
from oslo_image.bench.peers.programs import call, found

KiB = 1 << 10
#: What the clients of an endpoint without credentials are told.
_NOBODY = 'none'


def _client(job: Job) -> Any:
    import glanceclient

    origin = at(job.origin)
    token = origin.headers.get('X-Auth-Token', _NOBODY)
    return glanceclient.Client('2', origin.endpoint, token=token)


def _data(job: Job, path: str, *, chunk: int = 0) -> None:
    """Write what the client yields, which checks the image's digest.

    :param chunk: gather so many bytes before they are written.
    """
    with open(path, 'wb', buffering=chunk or -1) as file:
        for piece in _client(job).images.data(job.uri):
            file.write(piece)


def _fetch(job: Job, path: str) -> None:
    """Show the image, fetch it beside its name, sync it and rename it.

    So does Nova, with the default of not reading Ceph itself; what it looks
    for in the format is in the price of neither.
    """
    part = f'{path}.part'
    try:
        client = _client(job)
        client.images.get(job.uri)
        with open(part, 'wb') as file:
            for piece in client.images.data(job.uri):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _import(job: Job) -> None:
    """Fetch it into a file and import that, where it cannot be cloned."""
    place = rbd_peers.at(at(job.place).targets)
    path = f'/var/tmp/{os.getpid()}-{job.uri}'
    try:
        _fetch(job, path)
        _run(
            'rbd',
            *place.arguments,
            *('import', '--no-progress', path, rbd.path_of(job.target)),
        )
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _save(job: Job) -> None:
    origin = at(job.origin)
    token = origin.headers.get('X-Auth-Token')
    _run(
        found('openstack') or 'openstack',
        *('--os-auth-type', 'admin_token' if token else 'none'),
        *('--os-endpoint', origin.endpoint),
        *('image', 'save', '--file', job.path, job.uri),
        OS_TOKEN=token,
    )


def _curl(path: Callable[[Job], str]) -> Callable[[Job], None]:
    def run(job: Job) -> None:
        _run(
            *('curl', '--fail', '--silent', '--show-error'),
            *('--output', path(job), '--config', '-'),
            told=at(job.origin).curl(job.uri),
        )

    return run


def _run(*command: str, told: str = '', **more: str | None) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith('OS_')}
    own = {name: text for name, text in more.items() if text}
    call(*command, env={**kept, **own}, told=told)


def _lacks(modules: Sequence[str], programs: Sequence[str]) -> Iterator[str]:
    for name in modules:
        if not importlib.util.find_spec(name):
            yield name
    for name in programs:
        if not found(name):
            yield name


def _way(
    name: str,
    run: Callable[[Job], None],
    *,
    modules: Sequence[str] = (),
    programs: Sequence[str] = (),
) -> Way:
    def missing() -> str:
        lacking = next(_lacks(modules, programs), '')
        return lacking and f'{lacking} is not installed'

    return Way(name, 'peer', run, missing)


_CLIENT = ('glanceclient',)
DATA = _way(
    'glanceclient images.data',
    lambda job: _data(job, job.path),
    modules=_CLIENT,
)
DATA_LARGE = _way(
    'glanceclient images.data, 1 MiB',
    lambda job: _data(job, job.path, chunk=1024 * KiB),
    modules=_CLIENT,
)
NOVA = _way(
    'nova: images.fetch', lambda job: _fetch(job, job.path), modules=_CLIENT
)
NOVA_IMPORT = _way(
    'nova: images.fetch, rbd import',
    _import,
    modules=_CLIENT,
    programs=('rbd',),
)
SAVE = _way(
    'openstack image save',
    _save,
    modules=('openstackclient',),
    programs=('openstack',),
)
CURL = _way('curl', _curl(lambda job: job.path), programs=('curl',))
