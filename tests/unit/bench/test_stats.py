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

from oslo_image.bench import results, shape, stats
from oslo_image.bench.cell import Cell, Target, Trend, Way
from oslo_image.bench.report import markdown, words

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


LIMITS = ('near', 'far', 'slow')


def bounded(most=1, limits=LIMITS, **samples):
    target = Target('any', most, 'ratio', ('peer',), ours='ours')
    return stats.judge(target, samples, ['peer'], limits)


def test_the_nearest_limit_bounds_what_can_be_reached():
    """Of those that are faster: a slower one would be nearer here."""
    verdict = bounded(
        ours=OURS,
        peer=PEER,
        far=[0.1, 0.1, 1.0, 0.1],
        near=[0.5, 0.5, 5.0, 0.5],
        slow=[1.3, 1.3, 13.0, 1.3],
    )

    assert verdict.bound.limit == 'near'
    assert verdict.bound.ours.median == 2
    assert verdict.bound.rival.median == 0.25


def test_of_slower_limits_the_nearest_is_told():
    verdict = bounded(ours=OURS, peer=PEER, slow=[1.3] * 4, far=[9.0] * 4)

    assert verdict.bound.limit == 'slow'


def test_a_limit_that_the_target_is_about_is_compared_with_nothing_else():
    verdict = bounded(ours=OURS, peer=PEER, limits=['peer'])

    assert verdict.bound == ('peer', (0.5, 0.5, 0.5), None)


def test_nothing_bounds_where_no_limit_ran():
    assert bounded(ours=OURS, peer=PEER).bound is None
    assert bounded(ours=OURS, peer=PEER, near=[0.0] * 4).bound is None


@pytest.mark.parametrize(
    ('most', 'told'),
    [
        (0.5, ''),
        (
            0.4,
            '1.00 (1.00 to 1.00) of near, itself 0.50 (0.50 to 0.50) of peer',
        ),
    ],
)
def test_what_bounds_is_told_of_what_is_missed(most, told):
    verdict = bounded(most, ours=OURS, peer=PEER, near=OURS)

    assert words.bound(verdict) == told


def measured(cell, *sizes):
    """Return the results of a cell whose one way took so long."""
    found = results.Results({})
    for one, seconds in sizes:
        found.add(
            results.measured(
                cell,
                one,
                {'ours': [results.Sample(each, 1) for each in seconds]},
                {},
                [0],
            )
        )
    return found


def of(*trends):
    return Cell(
        name='cell',
        title='cell',
        source='here',
        destination='here',
        shapes=(),
        ways=(Way('ours', 'ours', lambda job: None),),
        trends=trends,
    )


FLAT = Trend('flat', 1.25, ours='ours')
DATA = Trend('the time follows the data', 1.25, 'data', ours='ours')
SMALL = shape.sparse(shape.GiB, 10)
LARGE = shape.sparse(10 * shape.GiB, 4)


@pytest.mark.parametrize(
    ('trend', 'seconds', 'word'),
    [
        (FLAT, [1.1, 1.2, 1.3], 'reached'),
        (FLAT, [1.2, 1.3, 1.4], 'noise'),
        (FLAT, [1.3, 1.4, 1.5], 'missed'),
        (DATA, [4.0, 4.5, 5.0], 'reached'),
        (DATA, [9.0, 10.0, 11.0], 'missed'),
    ],
)
def test_the_largest_image_is_held_against_the_smallest(trend, seconds, word):
    cell = of(trend)
    middle = shape.sparse(2 * shape.GiB, 1)
    found = measured(
        cell, (LARGE, seconds), (SMALL, [0.9, 1.0, 1.1]), (middle, [9.0])
    )

    (verdict,) = found.compare(cell)

    assert (verdict.word, verdict.against) == (word, SMALL.name)
    assert [one.verdicts for one in found.cells] == [[verdict], [], []]
    row = f'| {trend.text} | {SMALL.name} | 1.25 |'
    assert row in markdown.render(found, ())


def test_one_size_alone_shows_no_trend():
    cell = of(FLAT)

    assert not measured(cell, (SMALL, [1.0])).compare(cell)
