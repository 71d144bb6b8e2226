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

"""Medians and paired ratios, with their spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oslo_image.bench.cell import Target, Trend

Samples = Sequence[float]
#: A limit to which ours has a lower ratio is slower, beyond all doubt.
_SLOWER = 0.9


class Spread(NamedTuple):
    """A median between its quartiles."""

    median: float
    low: float
    high: float


def spread(samples: Samples) -> Spread:
    """Return the median and the quartiles."""
    if len(samples) < 2:
        return Spread(samples[0], samples[0], samples[0])
    low, median, high = statistics.quantiles(samples, n=4, method='inclusive')
    return Spread(median, low, high)


def ratios(ours: Samples, other: Samples) -> Spread:
    """Return ours to another, round by round.

    The two of a round ran within seconds of each other, so that what else the
    machine did weighs on both.
    """
    return spread([a / b for a, b in zip(ours, other, strict=True)])


def differences(ours: Samples, other: Samples) -> Spread:
    """Return ours less another, round by round."""
    return spread([a - b for a, b in zip(ours, other, strict=True)])


class Bound(NamedTuple):
    """The limit that is nearest to ours, which bounds what can be reached.

    :param ours: ours to that limit.
    :param rival: that limit to what the target is held against; None when it
        is the same, or nothing.
    """

    limit: str
    ours: Spread
    rival: Spread | None


class Verdict(NamedTuple):
    """How a target was met.

    :param against: the other one that it was measured by, if any.
    :param word: "reached" when the median is allowed; "noise" when only the
        lower quartile is; else "missed".
    """

    text: str
    most: float
    relation: str
    against: str | None
    found: Spread
    word: str
    bound: Bound | None = None


def judge(
    target: Target,
    samples: Mapping[str, Samples],
    rivals: Sequence[str],
    limits: Sequence[str] = (),
) -> Verdict | None:
    """Hold a target against the best of its rivals; None if there is none.

    :param limits: the names of what may bound it.
    """
    mine = samples.get(target.ours)
    if mine is None:
        return None
    against = None
    if target.relation == 'value':
        found = spread(mine)
    else:
        present = [name for name in rivals if name in samples]
        if not present:
            return None
        against = min(present, key=lambda one: spread(samples[one]).median)
        compare = ratios if target.relation == 'ratio' else differences
        found = compare(mine, samples[against])
    return Verdict(
        target.text,
        target.most,
        target.relation,
        against,
        found,
        _word(found, target.most),
        _bound(mine, samples, limits, against),
    )


def judge_trend(
    trend: Trend, small: Samples, large: Samples, growth: float, against: str
) -> Verdict:
    """Hold the samples of the largest image against those of the smallest.

    :param growth: of the data, from the smallest to the largest.
    :param against: what the smallest is called.
    """
    base = spread(small).median * (growth if trend.per == 'data' else 1)
    found = spread([one / base for one in large])
    word = _word(found, trend.most)
    return Verdict(trend.text, trend.most, 'ratio', against, found, word)


def _word(found: Spread, most: float) -> str:
    if found.median <= most:
        return 'reached'
    return 'noise' if found.low <= most else 'missed'


def _bound(
    mine: Samples,
    samples: Mapping[str, Samples],
    limits: Sequence[str],
    against: str | None,
) -> Bound | None:
    """Find the nearest limit; one that is slower than ours bounds nothing."""
    found = {
        name: ratios(mine, samples[name])
        for name in limits
        if name in samples and min(*mine, *samples[name]) > 0
    }
    if not found:
        return None

    def distance(name: str) -> tuple[bool, float]:
        ratio = found[name].median
        return ratio < _SLOWER, abs(math.log(ratio))

    nearest = min(found, key=distance)
    rival = None
    if against not in (None, nearest):
        rival = ratios(samples[nearest], samples[against])
    return Bound(nearest, found[nearest], rival)
