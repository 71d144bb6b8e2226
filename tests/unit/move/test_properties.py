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

"""Whatever the ends, every strategy that offers gives the same outcome."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import properties


@settings(max_examples=100)
@given(layout=properties.layouts, ends=properties.ends)
def test_same_bytes_position_and_result_by_every_strategy(layout, ends):
    properties.from_a_file(None, layout, ends)


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(source=properties.memory_sources(), ends=properties.ends)
def test_the_same_from_a_source_of_any_abilities(shelf, source, ends):
    properties.from_memory(shelf, None, source, ends)


@settings(max_examples=40)
@given(
    layout=properties.layouts,
    if_exists=st.sampled_from(['fail', 'replace', 'in_place']),
    before=properties.befores,
)
def test_a_stores_writer_ends_as_the_image(layout, if_exists, before):
    properties.to_a_stores_writer(None, layout, if_exists, before)
