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

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oslo_image.bench.cell import Target

Samples = Sequence[float]


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


def judge(
    target: Target, samples: Mapping[str, Samples], rivals: Sequence[str]
) -> Verdict | None:
    """Hold a target against the best of its rivals; None if there is none."""
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
    if found.median <= target.most:
        word = 'reached'
    elif found.low <= target.most:
        word = 'noise'
    else:
        word = 'missed'
    return Verdict(
        target.text, target.most, target.relation, against, found, word
    )
