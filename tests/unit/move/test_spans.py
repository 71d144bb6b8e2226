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

from hypothesis import given
from hypothesis import strategies as st

from oslo_image.move.spans import cut
from oslo_image.stores.base import Extent, SpanRule

extent_lengths = st.lists(
    st.tuples(st.integers(1, 50), st.booleans()), max_size=20
)


def extents_of(lengths):
    at = 0
    for length, zero in lengths:
        yield Extent(at, length, zero)
        at += length


@given(extent_lengths, st.integers(1, 20))
def test_spans_of_a_file_follow_the_extents(lengths, wanted):
    extents = list(extents_of(lengths))
    size = sum(length for length, _ in lengths)
    spans = list(cut(extents, SpanRule(), wanted, size))
    at = 0
    for span in spans:
        assert span.offset == at
        at += span.length
        assert span.zero or span.length <= wanted
    assert at == size
    for extent in extents:
        inside = [
            span
            for span in spans
            if extent.offset <= span.offset < extent.offset + extent.length
        ]
        assert {span.zero for span in inside} == {extent.zero}


@given(
    extent_lengths,
    st.integers(1, 20),
    st.integers(2, 12),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(1, 8)),
)
def test_parts_have_one_length_and_are_zero_only_if_all_is(
    lengths, wanted, smallest, alignment, most
):
    extents = list(extents_of(lengths))
    size = sum(length for length, _ in lengths)
    rule = SpanRule(smallest, None, alignment, most)
    spans = list(cut(extents, rule, wanted, size))
    assert sum(span.length for span in spans) == size
    if most:
        assert len(spans) <= most
    for index, span in enumerate(spans):
        last = index == len(spans) - 1
        assert span.offset % alignment == 0
        assert last or span.length == spans[0].length >= smallest
        covered = [
            extent
            for extent in extents
            if extent.offset < span.offset + span.length
            and span.offset < extent.offset + extent.length
        ]
        assert span.zero == all(extent.zero for extent in covered)


def test_parts_grow_when_the_size_is_unknown():
    rule = SpanRule(smallest=5, most=10_000)
    lengths = [rule.length(5, None, index) for index in range(10_000)]
    assert lengths[0] == 5
    assert lengths == sorted(lengths)
    assert sum(lengths) > 5 * 10_000 * 100


def test_a_part_is_never_above_the_largest():
    rule = SpanRule(smallest=5, largest=64, most=10_000)
    assert rule.length(5, None, 9_999) == 64
