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


"""The matrix's rows and columns of Ceph: (source, writer, needs) -> plan."""

import dataclasses

import pytest

from oslo_image import exception
from oslo_image.image import Image
from oslo_image.move import strategies
from oslo_image.move.needs import Needs
from oslo_image.move.negotiation import negotiate
from oslo_image.stores.facets import RbdImage, RbdSnapshot
from oslo_image.testing.memory import MemorySource, MemoryWriter

SNAPSHOT = RbdSnapshot(
    fsid='fsid-a',
    pool='images',
    namespace='',
    image='golden',
    snapshot='snap',
    size=10,
    stripe_unit=1 << 22,
    features=1,
    protected=True,
    protect=lambda: None,
)
TARGET = RbdImage(
    fsid='fsid-a',
    pool='vms',
    namespace='',
    image='disk',
    new=True,
    size=None,
    clone_format=1,
    protects=False,
    flattens=False,
    clone=lambda *arguments: None,
)


def snapshot(**fields):
    facet = dataclasses.replace(SNAPSHOT, **fields)
    return lambda: MemorySource(b'0123456789', facets={RbdSnapshot: facet})


def new(**fields):
    facet = dataclasses.replace(TARGET, **fields)
    return lambda: MemoryWriter(facets={RbdImage: facet})


SOURCES = {
    'snapshot': snapshot(),
    'unprotected snapshot': snapshot(protected=False),
    'rbd image': snapshot(snapshot=None, protected=False),
    'snapshot in a namespace': snapshot(namespace='ns'),
    'file': lambda: MemorySource(b'0123456789'),
    'one stream': lambda: MemorySource(b'0123456789', ranged=False),
}
WRITERS = {
    'new image': new(),
    'larger image': new(size=20),
    'image in place': new(new=False),
    'other cluster': new(fsid='fsid-b'),
    'clone v2': new(clone_format=2),
    'may protect': new(protects=True),
    'flattened': new(flattens=True),
    'file': MemoryWriter,
    'any write()': lambda: MemoryWriter(positioned=False),
}
C, P, S = 'rbd_clone', 'parallel', 'stream'
RAW = {'disk_format': 'raw', 'container_format': 'bare'}
DIGEST = {'os_hash_algo': 'sha512', 'os_hash_value': 'ab' * 64}
REQUIRE = {'zero_copy': 'require'}
PLANS = [
    ('snapshot', 'new image', {}, {}, [C, P, S]),
    ('snapshot', 'new image', {}, RAW, [C, P, S]),
    ('snapshot', 'new image', {}, {'disk_format': 'iso'}, [C, P, S]),
    ('snapshot', 'new image', {}, {'disk_format': 'qcow2'}, [P, S]),
    ('snapshot', 'new image', {}, {'container_format': 'ovf'}, [P, S]),
    ('snapshot', 'larger image', {}, {}, [C, P, S]),
    ('snapshot', 'image in place', {}, {}, [P, S]),
    ('snapshot', 'other cluster', {}, {}, [P, S]),
    ('snapshot', 'clone v2', {}, {}, [C, P, S]),
    ('snapshot', 'flattened', {}, {}, [C, P, S]),
    ('snapshot', 'file', {}, {}, [P, S]),
    ('snapshot', 'any write()', {}, {}, [S]),
    ('snapshot in a namespace', 'new image', {}, {}, [C, P, S]),
    ('unprotected snapshot', 'new image', {}, {}, [P, S]),
    ('unprotected snapshot', 'clone v2', {}, {}, [C, P, S]),
    ('unprotected snapshot', 'may protect', {}, {}, [C, P, S]),
    ('rbd image', 'new image', {}, {}, [P, S]),
    ('rbd image', 'clone v2', {}, {}, [P, S]),
    ('rbd image', 'may protect', {}, {}, [P, S]),
    ('file', 'new image', {}, {}, [P, S]),
    ('one stream', 'new image', {}, {}, [S]),
    ('snapshot', 'new image', REQUIRE, {}, [C]),
    ('snapshot', 'new image', REQUIRE, {'disk_format': 'qcow2'}, []),
    ('snapshot', 'other cluster', REQUIRE, {}, []),
    ('rbd image', 'new image', REQUIRE, {}, []),
    ('file', 'new image', REQUIRE, {}, []),
    ('snapshot', 'new image', {'zero_copy': 'avoid'}, {}, [P, S]),
    ('snapshot', 'new image', {'independent': True}, {}, [C, P, S]),
    ('snapshot', 'new image', {'rate_limit': 1000}, {}, [C, P, S]),
    ('snapshot', 'new image', {'verify': 'always'}, {}, [P, S]),
    ('snapshot', 'new image', {}, DIGEST, [C, P, S]),
    ('snapshot', 'new image', {'disabled': [C]}, {}, [P, S]),
]


def plan_of(source, writer, needs, facts=None):
    found, _ = strategies.plugins()
    return negotiate(
        Image.from_mapping(facts or {}),
        [SOURCES[one]() for one in source.split(' + ')],
        WRITERS[writer](),
        Needs(**needs),
        [one for one in found if one.name in (C, P, S)],
    )


@pytest.mark.parametrize(
    ('source', 'writer', 'needs', 'facts', 'expected'),
    PLANS,
    ids=[
        f'{s} -> {w} {" ".join([*n, *f])}'.strip() for s, w, n, f, _ in PLANS
    ],
)
def test_plan(source, writer, needs, facts, expected):
    plan = plan_of(source, writer, needs, facts)
    assert [offer.strategy for offer in plan.offers] == expected
    refused = {refusal.strategy for refusal in plan.refusals}
    assert refused == {C, P, S} - set(expected)
    assert all(refusal.reason for refusal in plan.refusals)


@pytest.mark.parametrize(
    ('source', 'writer', 'needs', 'cost', 'note'),
    [
        (
            'snapshot',
            'new image',
            {},
            'metadata only',
            'depends on images/golden@snap',
        ),
        (
            'unprotected snapshot',
            'may protect',
            {},
            'metadata only',
            'the snapshot will be protected; depends on images/golden@snap',
        ),
        (
            'snapshot',
            'new image',
            {'independent': True},
            'server side',
            'flattened: copied within the cluster',
        ),
        (
            'snapshot',
            'flattened',
            {},
            'server side',
            'flattened: copied within the cluster',
        ),
    ],
)
def test_what_an_offer_says(source, writer, needs, cost, note):
    offer = plan_of(source, writer, needs).offers[0]
    assert (offer.strategy, offer.zero_copy) == (C, True)
    assert (str(offer.cost), offer.note) == (cost, note)


@pytest.mark.parametrize(
    ('source', 'writer', 'facts', 'said'),
    [
        (
            'file',
            'new image',
            {},
            'rbd_clone refused for memory://source: the source is not an '
            'image in Ceph',
        ),
        (
            'snapshot',
            'file',
            {},
            'rbd_clone refused for memory://source: the writer is not an '
            'image in Ceph',
        ),
        (
            'snapshot',
            'other cluster',
            {},
            'rbd_clone refused for memory://source: they are in different '
            'clusters, fsid-a and fsid-b',
        ),
        (
            'unprotected snapshot',
            'new image',
            {},
            "rbd_clone refused for memory://source: the snapshot 'snap' is "
            'not protected (protect the snapshot, and this is a clone)',
        ),
        (
            'rbd image',
            'new image',
            {},
            'rbd_clone refused for memory://source: the location names no '
            'snapshot (make a protected snapshot and name it: '
            'rbd://fsid/pool/image/snapshot)',
        ),
        (
            'snapshot',
            'image in place',
            {},
            'rbd_clone refused for memory://source: the destination exists '
            '(a clone is always a new image)',
        ),
        (
            'snapshot',
            'new image',
            {'disk_format': 'qcow2'},
            'rbd_clone refused for memory://source: the image is qcow2; a '
            'clone would carry qcow2 bytes (convert it to raw first)',
        ),
    ],
)
def test_what_a_refusal_says(source, writer, facts, said):
    plan = plan_of(source, writer, {}, facts)
    refusals = [one for one in plan.refusals if one.strategy == C]
    assert [str(one) for one in refusals] == [said]


def test_a_location_that_can_be_cloned_goes_first():
    """Wherever it stands among the locations."""
    plan = plan_of('file + unprotected snapshot + snapshot', 'new image', {})
    assert plan.offers[0].strategy == C
    assert [one.strategy for one in plan.offers] == [C, P, P, P, S, S, S]


def test_a_writer_says_why_it_has_no_facet():
    class Guarded(MemoryWriter):
        def facet(self, kind):
            if kind is RbdImage:
                raise exception.Refused('it may not be one', 'ask')
            return super().facet(kind)

    loaded = strategies.plugins()[0]
    sources = [SOURCES['snapshot']()]
    plan = negotiate(Image(), sources, Guarded(), Needs(), loaded)
    refused = {one.strategy: one for one in plan.refusals}['rbd_clone']
    assert (refused.reason, refused.remedy) == ('it may not be one', 'ask')
    assert [one.strategy for one in plan.offers] == ['parallel', 'stream']


def test_a_writer_has_a_word_in_the_plan():
    loaded = strategies.plugins()[0]
    writer = new(note='somewhere else')()
    plan = negotiate(Image(), [SOURCES['snapshot']()], writer, Needs(), loaded)
    assert plan.offers[0].note == (
        'somewhere else; depends on images/golden@snap'
    )
