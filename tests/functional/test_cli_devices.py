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

"""``oslo-image copy`` onto a block device."""

import pathlib
import subprocess
import sys

import pytest

from tests.functional import images
from tests.functional.images import MiB
from tests.servers import filesystems

COMMAND = [sys.executable, '-m', 'oslo_image.cli.main', '-q', 'copy']


@pytest.fixture
def device(tmp_path):
    with filesystems.loop_device(8 * MiB, tmp_path) as path:
        yield path


@pytest.mark.parametrize('named', ['path', 'uri', 'link'])
def test_in_place_and_only_when_asked(tmp_path, device, named):
    source = tmp_path / 'image'
    source.write_bytes(images.noise(3 * MiB, 1))
    device.write_bytes(images.noise(8 * MiB, 2))
    end = str(device)
    if named == 'uri':
        end = device.as_uri()
    elif named == 'link':
        end = str(tmp_path / 'link')
        pathlib.Path(end).symlink_to(device)

    done = subprocess.run([*COMMAND, source, end], capture_output=True)
    assert done.returncode == 4
    assert b'--if-exists overwrite' in done.stderr
    assert device.read_bytes() == images.noise(8 * MiB, 2)

    again = [*COMMAND, '--if-exists', 'overwrite', source, end]
    subprocess.run(again, check=True)
    assert device.is_block_device()
    content = device.read_bytes()
    assert content[: 3 * MiB] == source.read_bytes()
    assert content[3 * MiB :] == images.noise(8 * MiB, 2)[3 * MiB :]


def test_too_small(tmp_path, device):
    source = tmp_path / 'image'
    source.write_bytes(bytes(9 * MiB))
    done = subprocess.run(
        [*COMMAND, '--if-exists', 'overwrite', source, device],
        capture_output=True,
    )
    assert done.returncode == 12
