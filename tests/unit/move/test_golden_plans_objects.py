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

"""The matrix's rows and columns of S3 and Swift: (source, writer, needs)."""

import dataclasses

import pytest

from oslo_image.image import Image
from oslo_image.move import strategies
from oslo_image.move.needs import Needs
from oslo_image.move.negotiation import negotiate
from oslo_image.stores.base import SpanRule
from oslo_image.stores.facets import (
    FileDescriptor,
    S3Object,
    S3Target,
    SwiftObject,
    SwiftTarget,
)
from oslo_image.testing.memory import MemorySource, MemoryWriter

GiB = 1 << 30
DATA = b'0123456789'


def nothing(*arguments):
    pass


S3_OBJECT = S3Object(
    endpoint='http://s3-a',
    bucket='images',
    key='golden',
    version_id=None,
    etag='"e"',
    size=len(DATA),
    settings={},
    own=(),
    copied=nothing,
)
S3_TARGET = S3Target('http://s3-a', 5 * GiB, nothing)
SWIFT_OBJECT = SwiftObject(
    cluster='http://swift-a',
    account='AUTH_a',
    container='images',
    name='golden',
    etag='e',
    size=len(DATA),
    segmented=False,
    fields={},
    segments=list,
)
SWIFT_TARGET = SwiftTarget('http://swift-a', nothing)
FILE = FileDescriptor('regular', 1, 1, 0, len(DATA), False, lambda: -1)


def source(facet=None, **fields):
    if facet is None:
        return lambda: MemorySource(DATA, **fields)
    facet = dataclasses.replace(facet, **fields)
    return lambda: MemorySource(DATA, facets={type(facet): facet})


def parts(facet, **fields):
    """A writer that takes parts, as those of objects do."""
    facet = dataclasses.replace(facet, **fields)

    def make():
        writer = MemoryWriter(facets={type(facet): facet})
        writer.spans = SpanRule(5, None, 5, 10_000)
        return writer

    return make


SOURCES = {
    's3': source(S3_OBJECT),
    's3 of 6 GiB': source(S3_OBJECT, size=6 * GiB),
    's3, encrypted': source(S3_OBJECT, own=('encryption aws:kms',)),
    's3 elsewhere': source(S3_OBJECT, endpoint='http://s3-b'),
    'swift': source(SWIFT_OBJECT),
    'swift, another account': source(SWIFT_OBJECT, account='AUTH_b'),
    'swift, segmented': source(SWIFT_OBJECT, segmented=True),
    'swift elsewhere': source(SWIFT_OBJECT, cluster='http://swift-b'),
    'file': source(FILE),
    'web server': source(),
    'one stream': source(ranged=False),
}
WRITERS = {
    's3': parts(S3_TARGET),
    'swift': parts(SWIFT_TARGET),
    'file': MemoryWriter,
    'any write()': lambda: MemoryWriter(positioned=False),
}
C, W, P, S = 's3_copy', 'swift_copy', 'parallel', 'stream'
ALL = {C, W, P, S}
REQUIRE = {'zero_copy': 'require'}
DIGEST = {'os_hash_algo': 'sha512', 'os_hash_value': 'ab' * 64}
PLANS = [
    ('s3', 's3', {}, {}, [C, P, S]),
    ('s3', 'swift', {}, {}, [P, S]),
    ('s3', 'file', {}, {}, [P, S]),
    ('s3', 'any write()', {}, {}, [S]),
    ('s3 of 6 GiB', 's3', {}, {}, [C, P, S]),
    ('s3, encrypted', 's3', {}, {}, [C, P, S]),
    ('s3 elsewhere', 's3', {}, {}, [P, S]),
    ('swift', 'swift', {}, {}, [W, P, S]),
    ('swift', 's3', {}, {}, [P, S]),
    ('swift', 'file', {}, {}, [P, S]),
    ('swift', 'any write()', {}, {}, [S]),
    ('swift, another account', 'swift', {}, {}, [W, P, S]),
    ('swift, segmented', 'swift', {}, {}, [W, P, S]),
    ('swift elsewhere', 'swift', {}, {}, [P, S]),
    ('file', 's3', {}, {}, [P, S]),
    ('file', 'swift', {}, {}, [P, S]),
    ('web server', 's3', {}, {}, [P, S]),
    ('web server', 'swift', {}, {}, [P, S]),
    ('one stream', 's3', {}, {}, [S]),
    ('one stream', 'swift', {}, {}, [S]),
    ('s3', 's3', REQUIRE, {}, [C]),
    ('swift', 'swift', REQUIRE, {}, [W]),
    ('s3 elsewhere', 's3', REQUIRE, {}, []),
    ('swift elsewhere', 'swift', REQUIRE, {}, []),
    ('s3', 'swift', REQUIRE, {}, []),
    ('swift', 's3', REQUIRE, {}, []),
    ('file', 's3', REQUIRE, {}, []),
    ('s3', 's3', {'zero_copy': 'avoid'}, {}, [P, S]),
    ('swift', 'swift', {'zero_copy': 'avoid'}, {}, [P, S]),
    # The server copies whatever the format is, and depends on nothing.
    ('s3', 's3', {'independent': True}, {'disk_format': 'qcow2'}, [C, P, S]),
    ('swift', 'swift', {'independent': True}, {}, [W, P, S]),
    ('s3', 's3', {'rate_limit': 1000}, {}, [C, P, S]),
    ('s3', 's3', {'verify': 'always'}, {}, [P, S]),
    ('swift', 'swift', {'verify': 'always'}, {}, [P, S]),
    ('s3', 's3', {}, DIGEST, [C, P, S]),
    ('s3', 's3', {'disabled': [C]}, {}, [P, S]),
    ('swift', 'swift', {'disabled': [W, P]}, {}, [S]),
]


def plan_of(source, writer, needs, facts=None):
    found, _ = strategies.plugins()
    return negotiate(
        Image.from_mapping(facts or {}),
        [SOURCES[one]() for one in source.split(' + ')],
        WRITERS[writer](),
        Needs(**needs),
        [one for one in found if one.name in ALL],
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
    assert refused == ALL - set(expected)
    assert all(refusal.reason for refusal in plan.refusals)


NOTES = [
    ('s3', 's3', "with the destination's keys"),
    (
        's3 of 6 GiB',
        's3',
        "with the destination's keys; not preserved: tags, if in parts",
    ),
    (
        's3, encrypted',
        's3',
        "with the destination's keys; not preserved: encryption aws:kms",
    ),
]


@pytest.mark.parametrize(('source', 'writer', 'note'), NOTES)
def test_what_is_offered(source, writer, note):
    offer = plan_of(source, writer, {}).offers[0]
    assert (str(offer.cost), offer.zero_copy) == ('server side', True)
    assert offer.note == note


REFUSALS = [
    (
        's3 elsewhere',
        's3',
        {},
        C,
        'they are at different endpoints, http://s3-b and http://s3-a',
    ),
    (
        'swift elsewhere',
        'swift',
        {},
        W,
        'they are in different clusters, http://swift-b and http://swift-a',
    ),
    ('s3', 'swift', {}, C, 'the writer is not an object in S3'),
    ('s3', 'swift', {}, W, 'the source is not an object in Swift'),
    ('swift', 's3', {}, W, 'the writer is not an object in Swift'),
    ('file', 's3', {}, C, 'the source is not an object in S3'),
    (
        's3',
        's3',
        {'zero_copy': 'avoid'},
        C,
        'it is zero-copy, and zero_copy is "avoid"',
    ),
    (
        's3 elsewhere',
        's3',
        REQUIRE,
        P,
        'it moves payload, and zero_copy is "require"',
    ),
    (
        's3',
        's3',
        {'verify': 'always'},
        C,
        'it does not see the bytes that verify="always" asks for',
    ),
    ('s3', 'any write()', {}, P, 'the writer takes its bytes in order only'),
    (
        'one stream',
        'swift',
        {},
        P,
        'the source can be read in one stream only',
    ),
]


@pytest.mark.parametrize(
    ('source', 'writer', 'needs', 'strategy', 'reason'), REFUSALS
)
def test_what_is_refused(source, writer, needs, strategy, reason):
    plan = plan_of(source, writer, needs)
    assert reason in [
        one.reason for one in plan.refusals if one.strategy == strategy
    ]


def test_the_location_at_the_endpoint_is_the_cheapest():
    plan = plan_of('web server + s3 elsewhere + s3', 's3', {})
    assert [offer.strategy for offer in plan.offers] == [C, P, P, P, S, S, S]
