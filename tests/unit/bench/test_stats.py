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

"""How the oslo_image.bench judge: by ratios within a round, not of medians."""

import pytest

from oslo_image.bench import stats
from oslo_image.bench.cell import Target

# In the third round the machine was busy: both took ten times as long.
OURS = [1.0, 1.0, 10.0, 1.0]
PEER = [2.0, 2.0, 20.0, 2.0]
SLOW = [3.0, 3.0, 30.0, 3.0]


def test_a_busy_round_weighs_on_both_sides():
    assert stats.ratios(OURS, PEER) == (0.5, 0.5, 0.5)


def test_differences_are_taken_round_by_round():
    assert stats.differences(OURS, PEER).median == -1


def test_one_round_has_no_spread():
    assert stats.spread([3.0]) == (3.0, 3.0, 3.0)


def judge(most, relation='ratio', **samples):
    target = Target('any', most, relation, ('*',), ours='ours')
    return stats.judge(target, samples, [n for n in samples if n != 'ours'])


def test_the_best_of_the_others_counts():
    verdict = judge(0.6, ours=OURS, slow=SLOW, peer=PEER)

    assert (verdict.against, verdict.word) == ('peer', 'reached')


@pytest.mark.parametrize(
    ('most', 'word'), [(0.5, 'reached'), (0.4, 'noise'), (0.2, 'missed')]
)
def test_words(most, word):
    ours, peer = [0.3, 0.4, 0.5, 0.6, 0.7], [1.0] * 5

    assert judge(most, ours=ours, peer=peer).word == word


def test_nothing_is_judged_without_others():
    assert judge(1, ours=OURS) is None
    assert judge(1, peer=PEER) is None


def test_a_value_needs_no_others():
    assert judge(1, 'value', ours=OURS).word == 'reached'
