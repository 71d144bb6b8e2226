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

"""Run the benchmarks: ``python -m benchmarks``, ``make bench``."""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys

from benchmarks import machine, report
from benchmarks.cells import CELLS
from benchmarks.report import plots
from benchmarks.results import Results
from benchmarks.runner import Options, run

RESULTS = pathlib.Path(__file__).parent / 'results'


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        'benchmarks',
        description='Compare copy paths with each other, peers and limits.',
    )
    parser.add_argument(
        'cells', nargs='*', default=['*'], help='cells to run, * allowed'
    )
    parser.add_argument('--list', action='store_true', help='list the cells')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='small images, two rounds: shows that all works, measures little',
    )
    parser.add_argument('--rounds', type=int, help='exactly so many rounds')
    parser.add_argument(
        '--seconds', type=float, default=30, help='time for a cell and size'
    )
    parser.add_argument('--results', type=pathlib.Path, default=RESULTS)
    parser.add_argument(
        '--directory',
        type=pathlib.Path,
        default=Options().directory,
        help='where the images are made; a few GiB are needed',
    )
    given = parser.parse_args(arguments)
    if given.list:
        for cell in CELLS:
            print(f'{cell.name:20} {cell.title}')
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    rounds = (
        {'least': given.rounds, 'most': given.rounds} if given.rounds else {}
    )
    options = Options(
        cells=given.cells,
        seconds=given.seconds,
        quick=given.quick,
        directory=given.directory,
        **rounds,
    )
    found = Results(machine.describe(), quick=options.quick)
    try:
        run(CELLS, options, found=found)
    finally:
        # What was measured before an interrupt is worth reading.
        if found.cells:
            _write(found, given.results)
    if not found.cells:
        print('there is no such cell; --list lists them', file=sys.stderr)
        return 2
    return 0


def _write(found: Results, directory: pathlib.Path) -> None:
    for path in report.write(found, directory):
        print(path)
    if not plots.possible():
        print('no plots: matplotlib is not installed', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(main())
