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

"""Peers in Python that fetch a URL into a file."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

from oslo_image.bench.cell import Job, Way

KiB = 1 << 10


def _requests(size: int, algorithm: str = '') -> Way:
    """Write what iter_content yields: what is below glanceclient's iterator.

    :param algorithm: a digest that is computed between chunks, as
        glanceclient does for an image that declares one.
    """

    def run(job: Job) -> None:
        import requests

        with (
            requests.get(job.uri, stream=True, timeout=60) as answer,
            open(job.path, 'wb') as file,
        ):
            answer.raise_for_status()
            chunks: Iterable[bytes] = answer.iter_content(size)
            for chunk in _hashed(chunks, algorithm) if algorithm else chunks:
                file.write(chunk)

    name = f'requests, {size // KiB} KiB' + f', {algorithm}' * bool(algorithm)
    return Way(name, 'peer', run, _no_requests)


def _hashed(chunks: Iterable[bytes], algorithm: str) -> Iterator[bytes]:
    digest = hashlib.new(algorithm)
    for chunk in chunks:
        yield chunk
        digest.update(chunk)
    digest.hexdigest()


def _no_requests() -> str:
    found = importlib.util.find_spec('requests')
    return '' if found else 'requests is not installed'


def _urllib3(job: Job) -> None:
    import urllib3

    with urllib3.PoolManager() as pool, open(job.path, 'wb') as file:
        answer: Any = pool.request('GET', job.uri, preload_content=False)
        for chunk in answer.stream(1024 * KiB):
            file.write(chunk)


def _urlopen(job: Job) -> None:
    with (
        urllib.request.urlopen(job.uri, timeout=60) as answer,
        open(job.path, 'wb') as file,
    ):
        shutil.copyfileobj(answer, file, 1024 * KiB)


REQUESTS_SMALL = _requests(64 * KiB)
REQUESTS_LARGE = _requests(1024 * KiB)
REQUESTS_HASHED = _requests(64 * KiB, 'sha512')
URLLIB3 = Way('urllib3, 1 MiB', 'peer', _urllib3)
URLOPEN = Way('urllib.request, 1 MiB', 'peer', _urlopen)
