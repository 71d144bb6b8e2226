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

"""Pieces of an image that are kept to be sent as one body."""

import tempfile

from oslo_image.stores.base import DescriptorRange, MiB
from oslo_image.stores.pieces import Pieces
from oslo_image.stores.wire.payload import Payload


def test_a_body_of_all_kinds():
    """In order, whatever the order in which they came."""
    with tempfile.TemporaryFile() as file:
        pieces = Pieces(10)
        assert pieces.add(3 * MiB, memoryview(b'end'))
        assert pieces.add(4, 3 * MiB - 4)
        assert pieces.add(0, DescriptorRange(file.fileno(), 7, 4))
        found = list(Payload(pieces.body(), 3 * MiB + 3).pieces())

    assert found[0] == DescriptorRange(file, 7, 4)._replace(
        fileno=found[0].fileno
    )
    assert b''.join(found[1:]) == bytes(3 * MiB - 4) + b'end'


def test_memory_is_bounded():
    """Not by what a file or nobody holds."""
    pieces = Pieces(10)
    assert pieces.add(0, 1 << 60)
    assert pieces.add(1, DescriptorRange(0, 0, 1 << 60))
    assert pieces.add(2, memoryview(b'123456'))
    assert not pieces.add(3, memoryview(b'12345'))
    assert pieces.add(3, memoryview(b'1234'))


def test_a_buffer_may_be_used_again():
    pieces = Pieces(10)
    buffer = bytearray(b'first')
    pieces.add(0, memoryview(buffer))
    buffer[:] = b'other'
    assert b''.join(pieces.body()) == b'first'
