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

"""The Markdown report: targets first, then a table for each cell."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence

from oslo_image.bench.report import words
from oslo_image.bench.results import Measured, Results

#: Below so many bytes, starting and stopping is all there is.
_WORTH_A_RATE = 16 << 20
_WARNING = (
    '**A quick run: small images and two rounds. It shows that all works; '
    'its figures mean nothing.**\n'
)


def render(results: Results, pictures: Sequence[pathlib.Path]) -> str:
    """Return the whole report."""
    lines = ['# oslo.image against peers and limits', '']
    if results.quick:
        lines += [_WARNING]
    lines += [*_machine(results), '']
    if not results.quick:
        lines += [*_targets(results), '']
    for one in results.cells:
        lines += [*_cell(one), '']
    lines += [
        f'![{path.stem}]({path.name})'
        for path in pictures
        if path.suffix == '.png'
    ]
    return '\n'.join(lines).rstrip() + '\n'


def _machine(results: Results) -> Iterator[str]:
    yield f'- started: {results.started}, took {results.seconds:.0f} s'
    for name, value in results.machine.items():
        if isinstance(value, Mapping):
            for part, text in value.items():
                yield f'- {part}: {text}'
        else:
            yield f'- {name}: {value}'


def _targets(results: Results) -> Iterator[str]:
    yield '## Targets'
    yield ''
    yield '| cell | image | target | against | allowed | found | | bound |'
    yield '|---|---|---|---|---|---|---|---|'
    for one in results.cells:
        for verdict in one.verdicts:
            yield _row(
                one.cell,
                one.shape,
                verdict.text,
                verdict.against or '',
                *words.figures(verdict, one.unit),
                verdict.word,
                words.bound(verdict),
            )


def _cell(one: Measured) -> Iterator[str]:
    yield f'## {one.cell}: {one.title}, {one.shape}'
    yield ''
    if one.error:
        yield f'Failed: {one.error}'
        return
    if one.missing:
        yield f'Not here: {one.missing}'
        return
    rounds = len(one.loads)
    load = f'{min(one.loads)} to {max(one.loads)}'
    yield f'{rounds} rounds, load {load}'
    yield ''
    first = one.present[0].name if one.present else ''
    rate = one.unit == 's' and one.data >= _WORTH_A_RATE
    yield _row(
        'way',
        'role',
        'median (quartiles)',
        *(['data, GB/s'] if rate else []),
        'processor',
        f'{first} ÷ this',
    )
    yield '|---|---|---|---|---|' + '---|' * rate
    for way in one.ways:
        if way.spread is None or way.processor is None:
            cells = [f'missing: {way.missing}', *[''] * (2 + rate)]
        else:
            cells = [words.measured(way.spread, one.unit)]
            if rate:
                cells.append(f'{one.data / way.spread.median / 1e9:.2f}')
            cells.append(words.value(way.processor, 's'))
            cells.append(words.ratio(way.ratio))
        yield _row(way.name, way.role, *cells)


def _row(*cells: str) -> str:
    """Return a line of a table; a bar within a cell would end it."""
    plain = (cell.replace('|', r'\|') for cell in cells)
    return f'| {" | ".join(plain)} |'
