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

import struct

import pytest

from oslo_image import exception
from oslo_image.image import Image
from oslo_image.move.inspection import Inspection
from oslo_image.testing.memory import MemorySource

MiB = 1 << 20


def qcow2(size=MiB, backing=0, features=0) -> bytes:
    head = struct.pack('>4sIQIIQ', b'QFI\xfb', 3, backing, 0, 16, size)
    return (head.ljust(72, b'\0') + struct.pack('>Q', features)).ljust(
        4096, b'\0'
    )


def iso() -> bytes:
    volume = b'\x01CD001\x01'.ljust(2048, b'\0')
    return bytes(32 * 1024) + volume + bytes(4096)


def gpt() -> bytes:
    entry = struct.pack('<B3sB3sII', 0, b'\0\x02\0', 0xEE, b'\xff' * 3, 1, 9)
    return (bytes(446) + entry.ljust(64, b'\0') + b'\x55\xaa').ljust(
        4096, b'\0'
    )


def inspect(content, disk_format, way, max_size=None):
    inspection = Inspection(Image(disk_format=disk_format), max_size)
    if way == 'look':
        inspection.look(MemorySource(content))
    else:
        view = memoryview(content)
        for at in range(0, len(view), 1000):
            inspection.feed(view[at : at + 1000])
        inspection.finish()
    return inspection.format


@pytest.fixture(params=['look', 'feed'])
def way(request):
    return request.param


CONTENT = {
    'nothing': b'',
    'a byte': b'x',
    'text': b'x' * 4096,
    'zeros': bytes(3 * MiB),
    'gpt': gpt(),
    'luks': b'LUKS\xba\xbe\0\x01'.ljust(70000, b'\0'),
    'qcow2': qcow2(),
    'long qcow2': qcow2().ljust(2 * MiB, b'\0'),
    'qcow2 with backing file': qcow2(backing=512),
    'qcow2 with data file': qcow2(features=4),
    'qcow2 with unknown feature': qcow2(features=1 << 40),
    'iso': iso(),
    'hybrid iso': gpt() + iso()[4096:],
    'qcow2 and iso': qcow2() + iso()[4096:],
}


@pytest.mark.parametrize(
    ('content', 'declared', 'found'),
    [
        ('nothing', 'raw', 'raw'),
        ('a byte', 'raw', 'raw'),
        ('zeros', 'raw', 'raw'),
        ('gpt', 'raw', 'gpt'),
        ('luks', 'raw', 'luks'),
        ('qcow2', 'qcow2', 'qcow2'),
        ('long qcow2', 'qcow2', 'qcow2'),
        ('iso', 'iso', 'iso'),
        ('hybrid iso', 'iso', 'iso'),
        ('text', 'ami', 'raw'),
        ('text', None, 'raw'),
    ],
)
def test_safe_content_is_named(content, declared, found, way):
    assert inspect(CONTENT[content], declared, way) == found


@pytest.mark.parametrize(
    ('content', 'declared', 'words'),
    [
        ('qcow2', 'raw', 'declared raw and its content is qcow2'),
        ('qcow2', 'iso', 'declared iso and its content is qcow2'),
        ('text', 'qcow2', 'declared qcow2 and its content is raw'),
        ('nothing', 'qcow2', 'declared qcow2 and its content is raw'),
        ('iso', 'raw', 'declared raw and its content is iso'),
        ('qcow2 with backing file', 'qcow2', 'backing file'),
        ('qcow2 with data file', 'qcow2', 'data_file'),
        ('qcow2 with unknown feature', 'qcow2', 'nknown'),
        ('qcow2 with backing file', None, 'backing file'),
        ('qcow2 with backing file', 'ami', 'backing file'),
        ('qcow2 and iso', 'qcow2', 'several formats'),
        ('qcow2 and iso', 'iso', 'several formats'),
    ],
)
def test_unsafe_content_raises(content, declared, words, way):
    with pytest.raises(exception.UnsafeImage, match=words):
        inspect(CONTENT[content], declared, way)


def test_a_disk_above_the_cap_is_too_large(way):
    with pytest.raises(exception.TooLarge, match='1099511627777'):
        inspect(qcow2(size=(1 << 40) + 1), 'qcow2', way, max_size=1 << 40)
    assert inspect(qcow2(size=1 << 40), 'qcow2', way, 1 << 40) == 'qcow2'


def sparse_vmdk(footer_descriptor_sectors=20) -> bytes:
    """A streamOptimized extent whose grain directory is named by a footer."""
    end = 0xFFFFFFFFFFFFFFFF

    def header(sectors, directory):
        return struct.pack(
            '<4sIIQQQQIQQ',
            b'KDMV',
            3,
            0,
            2048,
            128,
            1,
            sectors,
            512,
            0,
            directory,
        ).ljust(512, b'\0')

    text = (
        b'# Disk DescriptorFile\nversion=1\ncreateType="streamOptimized"\n'
        b'RW 2048 SPARSE "disk.vmdk"\n'
    )
    marker = struct.pack('<QII', 1, 0, 3).ljust(512, b'\0')
    footer = header(footer_descriptor_sectors, 4096)
    return (
        header(20, end)
        + text.ljust(20 * 512, b'\0')
        + bytes(200_000)
        + marker
        + footer
        + bytes(512)
    )


def test_a_vmdk_is_judged_by_its_footer_too(way):
    assert inspect(sparse_vmdk(), 'vmdk', way) == 'vmdk'
    with pytest.raises(exception.UnsafeImage, match='Footer'):
        inspect(sparse_vmdk(footer_descriptor_sectors=21), 'vmdk', way)


def test_only_the_head_of_a_long_source_is_read():
    source = MemorySource(qcow2().ljust(64 * MiB, b'\0'))
    Inspection(Image(disk_format='qcow2'), None).look(source)
    assert source.reads == 1


@pytest.mark.parametrize(
    ('image', 'inspect', 'wanted'),
    [
        (Image(disk_format='raw'), 'auto', True),
        (Image(), 'auto', False),
        (Image(), 'always', True),
        (Image(disk_format='raw'), 'never', False),
        (Image(disk_format='raw', container_format='ova'), 'always', False),
        (Image(disk_format='raw', container_format='bare'), 'auto', True),
    ],
)
def test_what_is_inspected(image, inspect, wanted):
    assert Inspection.wanted(image, inspect) is wanted
