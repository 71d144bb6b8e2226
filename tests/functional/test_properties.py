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

"""Where files can share extents, a clone gives the same outcome as a copy."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import properties
from tests.unit.move import conftest as unit

shelf = unit.shelf
MODEST = settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WHOLE_BLOCKS = [(1 << 16, False), (1 << 16, True), (1 << 16, False)]


@pytest.fixture(params=['xfs', 'btrfs'])
def base(request):
    """The root of a filesystem with reflink."""
    return request.getfixturevalue(request.param)


def ends_of(**fields):
    new = {'position': 0, 'before': 0, 'buffer': 1 << 20, 'needs': {}}
    return properties.Ends(**{**new, **fields})


@MODEST
@given(layout=properties.layouts, ends=properties.ends)
@example(WHOLE_BLOCKS, ends_of(kind='file'))
@example(WHOLE_BLOCKS, ends_of(kind='buffered', before=1 << 20))
@example(WHOLE_BLOCKS, ends_of(kind='file', before=1 << 20, position=1 << 16))
def test_same_bytes_position_and_result_by_every_strategy(base, layout, ends):
    ran = properties.from_a_file(base, layout, ends)
    assert ('reflink' in ran) is properties.can_be_cloned(layout, ends)


@MODEST
@given(source=properties.memory_sources(), ends=properties.ends)
def test_the_same_from_a_source_of_any_abilities(base, shelf, source, ends):
    properties.from_memory(shelf, base, source, ends)


@MODEST
@given(
    layout=properties.layouts,
    if_exists=st.sampled_from(['fail', 'replace', 'in_place']),
    before=properties.befores,
)
def test_a_stores_writer_ends_as_the_image(base, layout, if_exists, before):
    ran = properties.to_a_stores_writer(base, layout, if_exists, before)
    if if_exists != 'in_place':
        assert 'reflink' in ran
