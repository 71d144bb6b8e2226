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

"""Peers in Python that copy a file: the standard library's, and loops.

The loops read and write a chunk at a time, as Nova and Cinder do: 64 KiB, what
glanceclient yields, and a MiB, what they read of a file themselves. There is
no client here; glanceclient's own iterator is in the cells of Glance.
"""

from __future__ import annotations

import importlib.util
import shutil

from oslo_image.bench.cell import Job, Way

KiB = 1 << 10


def _copyfile(job: Job) -> None:
    shutil.copyfile(job.source, job.path)


def _loop(size: int) -> Way:
    def run(job: Job) -> None:
        with open(job.source, 'rb') as source, open(job.path, 'wb') as file:
            for chunk in iter(lambda: source.read(size), b''):
                file.write(chunk)

    return Way(f'read/write loop, {size // KiB} KiB', 'peer', run)


def _glance_store(job: Job) -> None:
    from glance_store._drivers import filesystem

    chunks = filesystem.ChunkedFile(job.source, chunk_size=64 * KiB)
    with open(job.path, 'wb') as file:
        for chunk in chunks:
            file.write(chunk)


def _no_glance_store() -> str:
    found = importlib.util.find_spec('glance_store')
    return '' if found else 'glance_store is not installed'


COPYFILE = Way('shutil.copyfile', 'peer', _copyfile)
SMALL_LOOP = _loop(64 * KiB)
LARGE_LOOP = _loop(1024 * KiB)
GLANCE_STORE = Way(
    'glance_store filesystem', 'peer', _glance_store, _no_glance_store
)
