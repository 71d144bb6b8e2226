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

"""The memory of a copy is bounded, however large the image is."""

import pathlib
import subprocess
import sys

import pytest

from tests.functional import images
from tests.functional.images import GiB, MiB

ROOT = pathlib.Path(__file__).parents[2]
SMALL, LARGE = 64 * MiB, 2 * GiB
#: By how much the peaks of the two may differ, and what a copy may take.
DIFFERENCE, MOST = 8 * MiB, 64 * MiB

ways = pytest.mark.parametrize(
    ('strategy', 'verify'),
    [
        ('parallel', 'never'),
        ('parallel', 'always'),
        ('stream', 'never'),
        ('stream', 'always'),
    ],
)


def peaks(uri, strategy, verify, target):
    """Copy in a process of its own; return its peaks before and after."""
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'tests.functional.frugal',
            uri,
            strategy,
            verify,
            str(target),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    return before * 1024, after * 1024


def assert_bounded(copy):
    """Compare a small image and a large one."""
    _, small = copy(SMALL)
    before, large = copy(LARGE)
    assert large - small < DIFFERENCE
    assert large - before < MOST


@ways
def test_from_a_source_without_holes(place, strategy, verify):
    def copy(size):
        target = place / str(size)
        found = peaks(f'generated://zeros/{size}', strategy, verify, target)
        assert target.stat().st_size == size
        with target.open('rb') as image:
            for at in range(0, size, 16 * MiB):
                image.seek(at)
                assert image.read(16) == at.to_bytes(8) + bytes(8)
        return found

    assert_bounded(copy)


@ways
def test_from_a_web_server(place, nginx, strategy, verify):
    def copy(size):
        served = images.make(
            nginx.root / place.name,
            size,
            {0: images.noise(MiB), size - MiB: images.noise(MiB)},
        )
        target = place / str(size)
        try:
            return peaks(nginx.url(served.name), strategy, verify, target)
        finally:
            served.unlink()
            assert target.stat().st_size == size

    assert_bounded(copy)


@pytest.mark.parametrize('to', ['a file', 'a pipe'])
def test_by_the_kernel(place, to):
    def copy(size):
        source = images.make(
            place / f'source{size}',
            size,
            {at: images.noise(4096) for at in range(0, size, MiB)},
        )
        target = place / f'target{size}' if to == 'a file' else '-'
        return peaks(images.uri(source), 'kernel_copy', 'never', target)

    assert_bounded(copy)
