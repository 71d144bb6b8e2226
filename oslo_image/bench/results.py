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

"""What was measured, in plain types that become JSON."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oslo_image.bench import stats
from oslo_image.bench.cell import Cell
from oslo_image.bench.shape import Shape

#: Of the JSON file; raised when a reader must know of a change.
FORMAT = 1


class Sample(NamedTuple):
    """One run.

    :param value: in the cell's unit.
    :param processor: seconds that it used of all cores.
    """

    value: float
    processor: float


@dataclasses.dataclass(frozen=True, slots=True)
class WayMeasured:
    """One way: its runs, and our first way's ratio to it, or why not."""

    name: str
    role: str
    missing: str = ''
    samples: Sequence[float] = ()
    spread: stats.Spread | None = None
    processor: float | None = None
    ratio: stats.Spread | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """One cell at one size.

    :param missing: why nothing was measured.
    :param error: how our own way failed.
    :param loads: the machine's load average after each round.
    """

    cell: str
    title: str
    shape: str
    size: int
    data: int
    unit: str
    missing: str = ''
    error: str = ''
    ways: Sequence[WayMeasured] = ()
    verdicts: Sequence[stats.Verdict] = ()
    loads: Sequence[float] = ()

    @property
    def present(self) -> list[WayMeasured]:
        """The ways that ran."""
        return [way for way in self.ways if way.spread is not None]


class Results:
    """All that one run has measured."""

    def __init__(
        self, machine: Mapping[str, object], *, quick: bool = False
    ) -> None:
        self.machine = machine
        self.quick = quick
        self.started = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
        self.seconds = 0.0
        self.cells: list[Measured] = []

    @property
    def failed(self) -> list[Measured]:
        """The cells in which our own way failed."""
        return [one for one in self.cells if one.error]

    def add(self, one: Measured) -> None:
        """Add a cell at one size."""
        self.cells.append(one)

    def compare(self, cell: Cell) -> list[stats.Verdict]:
        """Compare the sizes of a cell; the largest gets the verdicts."""
        verdicts = []
        for trend in cell.trends:
            sizes = {
                one.size: (one, way.samples)
                for one in self.cells
                if one.cell == cell.name
                for way in one.present
                if way.name == trend.ours
            }
            if len(sizes) < 2:
                continue
            small, few = sizes[min(sizes)]
            large, many = sizes[max(sizes)]
            growth = large.data / small.data
            verdict = stats.judge_trend(trend, few, many, growth, small.shape)
            verdicts.append(verdict)
            self.cells[self.cells.index(large)] = dataclasses.replace(
                large, verdicts=[*large.verdicts, verdict]
            )
        return verdicts

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain types."""
        return {
            'format': FORMAT,
            'started': self.started,
            'seconds': self.seconds,
            'quick': self.quick,
            'machine': self.machine,
            'cells': [_plain(dataclasses.asdict(one)) for one in self.cells],
        }


def absent(
    cell: Cell, shape: Shape, missing: str = '', *, error: str = ''
) -> Measured:
    """Return a cell that this machine cannot run, or in which we failed."""
    return Measured(
        cell.name,
        cell.title,
        shape.name,
        shape.size,
        shape.data,
        cell.unit,
        missing=missing,
        error=error,
    )


def measured(
    cell: Cell,
    shape: Shape,
    samples: Mapping[str, Sequence[Sample]],
    missing: Mapping[str, str],
    loads: Sequence[float],
) -> Measured:
    """Work out medians, ratios and targets."""
    values = {
        name: [one.value for one in found] for name, found in samples.items()
    }
    counted = {
        'value': values,
        'processor': {
            name: [one.processor for one in found]
            for name, found in samples.items()
        },
    }
    mine = values.get(cell.ways[0].name)
    ways = []
    for way in cell.ways:
        own = values.get(way.name)
        if own is None:
            ways.append(WayMeasured(way.name, way.role, missing[way.name]))
            continue
        ways.append(
            WayMeasured(
                way.name,
                way.role,
                samples=own,
                spread=stats.spread(own),
                processor=stats.spread(
                    [one.processor for one in samples[way.name]]
                ).median,
                ratio=stats.ratios(mine, own) if mine else None,
            )
        )
    limits = [way.name for way in cell.ways if way.role == 'limit']
    verdicts = [
        stats.judge(
            target, counted[target.of], target.rivals(cell.ways), limits
        )
        for target in cell.targets
        if shape.size >= target.least
    ]
    return Measured(
        cell.name,
        cell.title,
        shape.name,
        shape.size,
        shape.data,
        cell.unit,
        ways=ways,
        verdicts=[one for one in verdicts if one is not None],
        loads=loads,
    )


def _plain(value: Any) -> Any:
    """Turn named tuples, which asdict() keeps, into mappings."""
    if isinstance(value, tuple) and hasattr(value, '_asdict'):
        return {key: _plain(one) for key, one in value._asdict().items()}
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value
