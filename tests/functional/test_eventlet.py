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

"""The mover in a process that eventlet has patched, within a deadline."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.functional import images
from tests.functional.images import MiB

ROOT = pathlib.Path(__file__).parents[2]
DEADLINE = 60


@pytest.fixture
def source(place):
    return images.holey(place / 'source', 24 * MiB + 123)


def run(scenario, *arguments):
    """Run a scenario of tests/functional/green.py in its own process."""
    done = subprocess.run(
        [sys.executable, '-m', 'tests.functional.green', scenario, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    'scenario',
    [
        'by_each_strategy',
        'many_at_once',
        'to_a_proxy',
        'through_a_pipe',
        'cancelled',
        'cancelled_at_a_silent_server',
        'the_others_get_their_turn',
    ],
)
def test_patched(place, source, scenario):
    directory = place / 'directory'
    directory.mkdir()
    run(scenario, source, directory)


def test_patched_from_a_web_server(place, source, nginx):
    directory = place / 'directory'
    directory.mkdir()
    served = nginx.root / f'{place.name}.img'
    shutil.copyfile(source, served)
    try:
        run('from_a_web_server', source, directory, nginx.url(served.name))
    finally:
        served.unlink()
