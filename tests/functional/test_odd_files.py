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

"""Files that are odd in a way that a copy must notice."""

import os

import pytest

from oslo_image import exception, move
from oslo_image.stores.file import uri_for

KiB = 1024


def test_o_direct_is_refused_in_words(xfs):
    source = xfs / 'odd-source'
    source.write_bytes(os.urandom(9 * KiB + 1))
    target = xfs / 'odd-target'
    target.touch()
    fileno = os.open(target, os.O_WRONLY | os.O_DIRECT)
    with os.fdopen(fileno, 'wb', buffering=0) as writer:
        with pytest.raises(exception.InvalidWriter, match='O_DIRECT'):
            move.Mover(uri_for(source)).copy(writer)
    assert not target.stat().st_size


def test_two_nodes_of_one_device_are_the_same(block_device, tmp_path):
    device = os.stat(block_device).st_rdev
    node = tmp_path / 'another-node'
    os.mknod(node, 0o600 | 0o060000, device)
    with open(node, 'r+b') as writer:
        plan = move.Mover(uri_for(block_device)).plan(writer)
    assert not plan.offers
    assert 'same file' in str(plan)


def test_no_device_is_replaced_or_deleted(block_device, tmp_path):
    from oslo_image import stores

    node = tmp_path / 'node'
    os.mknod(node, 0o600 | 0o060000, os.stat(block_device).st_rdev)
    source = tmp_path / 'source'
    source.write_bytes(b'bits')
    writer = stores.open_writer(uri_for(node), if_exists='replace')
    with pytest.raises(exception.InvalidWriter, match='in_place'):
        move.Mover(uri_for(source)).copy(writer)
    with pytest.raises(exception.InvalidSource):
        stores.delete(uri_for(node))
    assert node.is_block_device()


def test_a_mount_that_is_not_utf8_stops_nobody(tmp_path):
    from tests.servers.filesystems import tmpfs

    odd = os.fsencode(tmp_path) + b'/mount-\xff'
    os.mkdir(odd)
    source = tmp_path / 'source'
    source.write_bytes(b'bits')
    with tmpfs(1 << 20, tmp_path) as place:
        os.system(b'mount --bind ' + os.fsencode(place) + b' ' + odd)
        try:
            with open(tmp_path / 'target', 'wb') as writer:
                assert move.Mover(uri_for(source)).copy(writer).success
        finally:
            os.system(b'umount ' + odd)


def test_an_interrupted_kernel_copy_is_taken_back(ext4, monkeypatch):
    source = ext4 / 'interrupted-source'
    source.write_bytes(os.urandom(64 * KiB))
    real = os.copy_file_range

    def interrupted(*arguments):
        real(*arguments)
        raise KeyboardInterrupt  # as a signal between call and answer

    monkeypatch.setattr(os, 'copy_file_range', interrupted)
    target = ext4 / 'interrupted-target'
    with open(target, 'wb') as writer:
        writer.write(b'before')
        with pytest.raises(KeyboardInterrupt):
            move.Mover(uri_for(source)).copy(writer, disabled=['parallel'])
        assert writer.tell() == 6
    assert target.read_bytes() == b'before'
