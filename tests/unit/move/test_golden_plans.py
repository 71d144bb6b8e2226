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

"""The matrix as data: (source, writer, needs) -> the plan, a line each."""

import hashlib
import os

import pytest

from oslo_image.image import Image
from oslo_image.move import strategies
from oslo_image.move.needs import Needs
from oslo_image.move.negotiation import negotiate
from oslo_image.move.strategies import kernel_copy, reflink
from oslo_image.stores.facets import FileDescriptor
from oslo_image.testing.memory import MemorySource, MemoryWriter

DISK, OTHER_DISK, TMPFS = os.makedev(8, 1), os.makedev(8, 2), os.makedev(0, 9)
#: btrfs gives each subvolume an anonymous device, which no mount shows.
SUBVOLUME_A, SUBVOLUME_B = os.makedev(0, 40), os.makedev(0, 41)


def descriptor(
    kind='regular', device=DISK, inode=1, start=0, append=False
) -> FileDescriptor:
    return FileDescriptor(kind, device, inode, start, 10, append, lambda: -1)


def file_source(**fields):
    return MemorySource(
        b'0123456789', facets={FileDescriptor: descriptor(**fields)}
    )


def file_writer(**fields):
    target = descriptor(**{'inode': 2, **fields})
    writer = MemoryWriter(
        positioned=not target.append and target.kind != 'stream',
        facets={FileDescriptor: target},
    )
    writer.takes_descriptors = True
    return writer


SOURCES = {
    'file': file_source,
    'file on tmpfs': lambda: file_source(device=TMPFS),
    'file on another disk': lambda: file_source(device=OTHER_DISK),
    'file in subvolume a': lambda: file_source(device=SUBVOLUME_A),
    'block device': lambda: file_source(kind='block', device=TMPFS),
    'ranged': lambda: MemorySource(b'0123456789'),
    'one stream': lambda: MemorySource(b'0123456789', ranged=False),
    'stream of unknown size': lambda: MemorySource(
        b'0123456789', ranged=False, known=False
    ),
}
WRITERS = {
    'file': file_writer,
    'new file': lambda: file_writer(inode=None),
    'same file': lambda: file_writer(inode=1),
    'file on tmpfs': lambda: file_writer(device=TMPFS),
    'file in subvolume b': lambda: file_writer(device=SUBVOLUME_B),
    'file at 4096': lambda: file_writer(start=4096),
    'file at 5': lambda: file_writer(start=5),
    'file for append': lambda: file_writer(append=True),
    'block device': lambda: file_writer(kind='block', device=TMPFS),
    'pipe': lambda: file_writer(kind='stream', device=TMPFS),
    'object store': MemoryWriter,
    'any write()': lambda: MemoryWriter(positioned=False),
}
R, K, P, S = 'reflink', 'kernel_copy', 'parallel', 'stream'
ALWAYS = {'verify': 'always'}
PLANS = [
    ('file', 'file', {}, [R, K, P, S]),
    ('file', 'new file', {}, [R, K, P, S]),
    ('file', 'same file', {}, []),
    ('file', 'file on tmpfs', {}, [K, P, S]),
    ('file', 'file at 4096', {}, [R, K, P, S]),
    ('file', 'file at 5', {}, [K, P, S]),
    ('file', 'file for append', {}, [S]),
    ('file', 'block device', {}, [K, P, S]),
    ('file', 'pipe', {}, [K, S]),
    ('file', 'object store', {}, [P, S]),
    ('file', 'any write()', {}, [S]),
    ('file on tmpfs', 'file on tmpfs', {}, [K, P, S]),
    ('file on another disk', 'file', {}, [K, P, S]),
    ('file in subvolume a', 'file in subvolume b', {}, [R, K, P, S]),
    ('block device', 'file', {}, [K, P, S]),
    ('ranged', 'file', {}, [P, S]),
    ('ranged', 'block device', {}, [P, S]),
    ('ranged', 'object store', {}, [P, S]),
    ('ranged', 'any write()', {}, [S]),
    ('one stream', 'file', {}, [S]),
    ('one stream', 'object store', {}, [S]),
    ('stream of unknown size', 'file', {}, [S]),
    ('stream of unknown size', 'any write()', {}, [S]),
    ('file', 'file', {'zero_copy': 'require'}, [R]),
    ('file', 'any write()', {'zero_copy': 'require'}, []),
    ('ranged', 'file', {'zero_copy': 'require'}, []),
    ('file', 'file', {'zero_copy': 'avoid'}, [P, S]),
    ('file', 'file on tmpfs', {'zero_copy': 'avoid'}, [K, P, S]),
    ('file', 'block device', {'zero_copy': 'avoid'}, [K, P, S]),
    ('file', 'file', ALWAYS, [P, S]),
    ('file', 'file', {'verify': 'never'}, [R, K, P, S]),
    ('file', 'file', {'verifier': hashlib.sha256()}, [P, S]),
    ('file', 'file', {'zero_copy': 'require', **ALWAYS}, []),
    ('file', 'file', {'rate_limit': 1000}, [R, K, P, S]),
    ('file', 'file', {'independent': True}, [R, K, P, S]),
    ('file', 'file', {'disabled': [R, P]}, [K, S]),
    ('file', 'file', {'disabled': [R, K, P, S]}, []),
]


def plan_of(sources, writer, needs):
    found, _ = strategies.plugins()
    ours = [one for one in found if one.name in (R, K, P, S)]
    return negotiate(Image(), sources, writer, Needs(**needs), ours)


@pytest.fixture(autouse=True)
def filesystems(monkeypatch):
    kinds = {DISK: 'xfs', OTHER_DISK: 'xfs', TMPFS: 'tmpfs'}
    monkeypatch.setattr(reflink, '_filesystem', kinds.get)
    # What is not said to be dense consists of holes.
    monkeypatch.setattr(kernel_copy, '_allocated', lambda origin: 0)


@pytest.mark.parametrize(
    ('source', 'writer', 'needs', 'expected'),
    PLANS,
    ids=[f'{s} -> {w} {" ".join(n)}'.strip() for s, w, n, _ in PLANS],
)
def test_plan(source, writer, needs, expected):
    plan = plan_of([SOURCES[source]()], WRITERS[writer](), needs)
    assert [offer.strategy for offer in plan.offers] == expected
    refused = {refusal.strategy for refusal in plan.refusals}
    assert refused == {R, K, P, S} - set(expected)
    assert all(refusal.reason for refusal in plan.refusals)


@pytest.mark.parametrize(
    ('source', 'target', 'image', 'expected'),
    [
        # The kernel's loop over pages is slower than threads of our own.
        (TMPFS, TMPFS, {}, [P, K, S]),
        (OTHER_DISK, DISK, {}, [P, K, S]),
        # It may share extents, or do something of its own.
        (DISK, DISK, {}, [R, K, P, S]),
        (SUBVOLUME_A, SUBVOLUME_B, {}, [R, K, P, S]),
        (TMPFS, SUBVOLUME_A, {}, [K, P, S]),
        # Threads would have to hash.
        (TMPFS, TMPFS, {'checksum': 'd41d8cd9'}, [K, P, S]),
    ],
)
def test_plan_for_a_dense_file(source, target, image, expected, monkeypatch):
    monkeypatch.setattr(kernel_copy, '_allocated', lambda origin: 5)
    found = plan_of_file(source, target, image)
    assert [offer.strategy for offer in found.offers] == expected


def test_the_kernel_copies_a_file_of_holes(monkeypatch):
    monkeypatch.setattr(kernel_copy, '_allocated', lambda origin: 4)
    found = plan_of_file(TMPFS, TMPFS, {})
    assert [offer.strategy for offer in found.offers] == [K, P, S]


def plan_of_file(source, target, image):
    origin = descriptor(device=source)
    return negotiate(
        Image.from_mapping(image),
        [MemorySource(b'', facets={FileDescriptor: origin})],
        file_writer(device=target),
        Needs(),
        [one for one in strategies.plugins()[0] if one.name in (R, K, P, S)],
    )


REASONS = [
    (
        ('file on tmpfs', 'file on tmpfs', {}),
        'reflink refused for memory://source: tmpfs cannot share extents '
        '(XFS made with reflink=1 and btrfs can)',
    ),
    (
        ('file on another disk', 'file', {}),
        'reflink refused for memory://source: the two are on different '
        'filesystems (put both on one; XFS made with reflink=1 and btrfs can)',
    ),
    (
        ('file', 'same file', {}),
        'parallel refused for memory://source: source and destination are '
        'the same file',
    ),
    (
        ('file', 'file', ALWAYS),
        'kernel_copy refused for memory://source: it does not see the bytes '
        'that verify="always" asks for',
    ),
    (
        ('one stream', 'file', {}),
        'parallel refused for memory://source: the source can be read in one '
        'stream only',
    ),
]


@pytest.mark.parametrize(('case', 'sentence'), REASONS)
def test_a_refusal_reads_as_a_sentence(case, sentence):
    source, writer, needs = case
    plan = plan_of([SOURCES[source]()], WRITERS[writer](), needs)
    assert sentence in map(str, plan.refusals)


def test_the_cheapest_location_wins_and_ties_go_by_order():
    sources = [
        MemorySource(b'x', name='first', ranged=False),
        MemorySource(b'x', name='second'),
        MemorySource(b'x', name='third'),
        MemorySource(
            b'x', name='fourth', facets={FileDescriptor: descriptor()}
        ),
    ]
    plan = plan_of(sources, file_writer(), {})
    assert [
        f'{offer.strategy} {offer.source.reveal().partition("//")[2]}'
        for offer in plan.offers
    ] == [
        'reflink fourth',
        'kernel_copy fourth',
        'parallel second',
        'parallel third',
        'parallel fourth',
        'stream first',
        'stream second',
        'stream third',
        'stream fourth',
    ]


def test_a_broken_plugin_is_a_refusal():
    plan = negotiate(
        Image(),
        [MemorySource(b'x')],
        MemoryWriter(),
        Needs(),
        [],
        broken={'shiny': 'ImportError: no module named shiny'},
    )
    assert str(plan.refusals[0]) == (
        'shiny refused: it did not load: ImportError: no module named shiny'
    )


def test_the_plan_says_what_hashing_a_terabyte_costs():
    source = MemorySource(b'')
    source.size = 1 << 40
    plan = plan_of([source], MemoryWriter(), ALWAYS)
    assert [offer.note for offer in plan.offers] == [
        'sha512 over all of it, holes too, takes about 1833 s'
    ] * 2


def test_as_dict_is_plain():
    plan = plan_of([SOURCES['file']()], MemoryWriter(), {})
    found = plan.as_dict()
    assert found['offers'][0] == {
        'strategy': 'parallel',
        'source': 'memory://source',
        'cost': 'parallel',
        'size': 10,
        'zero_copy': False,
        'note': '',
    }
    assert {entry['strategy'] for entry in found['refusals']} == {R, K}
