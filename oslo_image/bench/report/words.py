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

"""Figures as a person reads them."""

from __future__ import annotations

from oslo_image.bench.stats import Spread, Verdict


def value(figure: float, unit: str) -> str:
    """Return a figure with its unit, to three places."""
    if unit == 's':
        size = abs(figure)
        if size < 0.001:
            return f'{figure * 1e6:.0f} µs'
        if size < 1:
            return f'{figure * 1e3:.3g} ms'
        return f'{figure:.3g} s'
    return f'{figure:.3g} {unit}'


def ratio(found: Spread | None) -> str:
    """Return a ratio with its quartiles."""
    if found is None:
        return ''
    return f'{found.median:.2f} ({found.low:.2f} to {found.high:.2f})'


def measured(found: Spread, unit: str) -> str:
    """Return a median with its quartiles."""
    low, high = value(found.low, unit), value(found.high, unit)
    return f'{value(found.median, unit)} ({low} to {high})'


def figures(one: Verdict, unit: str) -> tuple[str, str]:
    """Return what a target allows, and what was found."""
    if one.relation == 'ratio':
        return f'{one.most:.2f}', ratio(one.found)
    return value(one.most, unit), measured(one.found, unit)


def bound(one: Verdict) -> str:
    """Return what keeps a target from being reached; nothing when it is."""
    if one.bound is None or one.word == 'reached':
        return ''
    text = f'{ratio(one.bound.ours)} of {one.bound.limit}'
    if one.bound.rival is not None:
        text += f', itself {ratio(one.bound.rival)} of {one.against}'
    return text


def verdict(one: Verdict, unit: str) -> str:
    """Return a target and how it was met, in a line."""
    allowed, found = figures(one, unit)
    against = f' against {one.against}' if one.against else ''
    return f'{one.word}: {one.text}{against}: {found}, allowed {allowed}'
