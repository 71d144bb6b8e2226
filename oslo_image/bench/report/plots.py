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

"""The plots, as PNG and SVG; they need matplotlib (the extra ``bench``)."""

from __future__ import annotations

import importlib.util
import pathlib
from collections.abc import Sequence
from typing import Any

from oslo_image.bench.results import Measured, Results, WayMeasured

_COLOURS = {'ours': '#c2185b', 'peer': '#78909c', 'limit': '#37474f'}
_MARKS = {'ours': 'o', 'peer': 's', 'limit': '^'}
#: From how many sizes on they are an axis of their own.
_MANY = 4


def possible() -> bool:
    """Return whether plots can be drawn here."""
    return importlib.util.find_spec('matplotlib') is not None


def write(results: Results, directory: pathlib.Path) -> list[pathlib.Path]:
    """Draw one figure a cell; return the paths, none without matplotlib."""
    if not possible():
        return []
    by_cell: dict[str, list[Measured]] = {}
    for one in results.cells:
        if one.present:
            by_cell.setdefault(one.cell, []).append(one)
    paths = []
    for name, sizes in by_cell.items():
        draw = _lines if len(sizes) >= _MANY else _bars
        figure = draw(sizes)
        if results.quick:
            figure.text(0.99, 0.01, 'quick run: means nothing', ha='right')
        for suffix in ('png', 'svg'):
            path = directory / f'{name}.{suffix}'
            figure.savefig(path, dpi=120)
            paths.append(path)
    return paths


def _figure(width: float, height: float) -> Any:
    # Not pyplot, which keeps every figure and asks for a display.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout='constrained')


def _bars(sizes: Sequence[Measured]) -> Any:
    """A panel a size: the median as a bar, every run as a dot."""
    most = max(len(one.present) for one in sizes)
    figure = _figure(6.5 * len(sizes), 1.4 + 0.32 * most)
    figure.suptitle(sizes[0].title)
    for axes, one in zip(
        figure.subplots(1, len(sizes), squeeze=False)[0], sizes, strict=True
    ):
        ways = sorted(one.present, key=_median, reverse=True)
        axes.set_title(one.shape)
        axes.set_xlabel(_label(one))
        for place, way in enumerate(ways):
            colour = _COLOURS[way.role]
            axes.barh(place, _median(way), color=colour, alpha=0.55)
            axes.plot(
                way.samples, [place] * len(way.samples), '.', color=colour
            )
        axes.set_yticks(range(len(ways)), [_titled(way) for way in ways])
        axes.margins(y=0.02)
    return figure


def _lines(sizes: Sequence[Measured]) -> Any:
    """A line a way: the median over the size, quartiles as whiskers."""
    figure = _figure(9, 5.5)
    axes = figure.subplots()
    axes.set_title(sizes[0].title)
    places = range(len(sizes))
    for name, role in dict.fromkeys(
        (way.name, way.role) for one in sizes for way in one.present
    ):
        found = [
            (place, way.spread)
            for place, one in zip(places, sizes, strict=True)
            for way in one.present
            if way.name == name and way.spread is not None
        ]
        axes.errorbar(
            [place for place, _ in found],
            [each.median for _, each in found],
            yerr=[
                [each.median - each.low for _, each in found],
                [each.high - each.median for _, each in found],
            ],
            label=f'{name} ({role})',
            marker=_MARKS[role],
            capsize=3,
        )
    axes.set_xticks(
        places, [one.shape.replace(',', ',\n') for one in sizes], fontsize=8
    )
    axes.set_yscale('log')
    axes.set_ylabel(_label(sizes[0]))
    axes.legend()
    return figure


def _median(way: WayMeasured) -> float:
    return way.spread.median if way.spread else 0


def _titled(way: WayMeasured) -> str:
    return f'{way.name} ({way.role})' if way.role != 'peer' else way.name


def _label(one: Measured) -> str:
    return 'seconds' if one.unit == 's' else one.unit
