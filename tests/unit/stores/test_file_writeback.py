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

"""What a file's writer begins to bring to the disk before the commit."""

import os
import types

import pytest

from oslo_image import move, stores
from oslo_image.stores import kernel

MiB = 1 << 20
SIZE = 20 * MiB


@pytest.fixture
def begun(monkeypatch):
    """The ranges (offset, length), in order."""
    found = []
    real = kernel.write_out

    def write_out(fileno, offset, length):
        found.append((offset, length))
        real(fileno, offset, length)

    monkeypatch.setattr(kernel, 'write_out', write_out)
    return found


def test_whole_stretches_of_what_is_written(tmp_path, begun):
    data = os.urandom(SIZE)
    target = tmp_path / 'target'
    with stores.open_writer(target.as_uri(), size=SIZE) as writer:
        for at in range(0, SIZE, MiB):
            writer.write(data[at : at + MiB])
        writer.commit()
    assert begun == [(0, 8 * MiB), (8 * MiB, 8 * MiB)]
    assert target.read_bytes() == data


def test_what_the_kernel_copies(tmp_path, begun):
    source, target = tmp_path / 'source', tmp_path / 'target'
    source.write_bytes(os.urandom(SIZE))
    with stores.open_writer(target.as_uri()) as writer:
        move.Mover(source.as_uri()).copy(writer, zero_copy='avoid')
    assert sum(length for _, length in begun) == 16 * MiB
    assert target.read_bytes() == source.read_bytes()


def test_a_small_image_waits_for_the_commit(tmp_path, begun):
    with stores.open_writer((tmp_path / 'target').as_uri()) as writer:
        writer.write(bytes(range(256)) * 4096)
        writer.commit()
    assert not begun


def test_a_system_without_it_waits_as_well(tmp_path, monkeypatch):
    """sync_file_range(2) is Linux's."""
    libc = types.SimpleNamespace(fallocate=lambda *ignored: -1)
    monkeypatch.setattr(kernel, '_libc', lambda: libc)
    with open(tmp_path / 'file', 'wb') as file:
        kernel.write_out(file.fileno(), 0, MiB)
