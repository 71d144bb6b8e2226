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

"""The arguments of a run on a command line, and the run that they ask for."""

from __future__ import annotations

import argparse
import fnmatch
import pathlib
import sys
from collections.abc import Mapping

from oslo_image.bench import machine, report
from oslo_image.bench.cells import CELLS
from oslo_image.bench.places import Enter
from oslo_image.bench.results import Results
from oslo_image.bench.runner import Options, run


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add all arguments but ``--results``, whose default is the caller's."""
    parser.add_argument(
        'cells',
        nargs='*',
        default=['*'],
        metavar='CELL',
        help='cells to run, * allowed (default: all)',
    )
    parser.add_argument('--list', action='store_true', help='list the cells')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='small images, two rounds: shows that all works, measures little',
    )
    parser.add_argument(
        '--rounds', type=_positive, help='exactly so many rounds'
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=Options().seconds,
        help='time for a cell and size, 5 rounds at least (default: '
        '%(default)g)',
    )
    parser.add_argument(
        '--directory',
        type=pathlib.Path,
        default=Options().directory,
        help='where images are made, in a directory that is removed again; '
        'a few GiB are needed (default: %(default)s)',
    )


def follow(
    given: argparse.Namespace, places: Mapping[str, Enter]
) -> Results | None:
    """List the cells, or run them and write the reports.

    What was measured before an interrupt is written as well.

    :param places: those that there are; cells between others are left out.
    :return: what was measured, or None when it was only listed. Its
        ``failed`` are the cells in which our own way failed.
    :raises LookupError: when no cell bears such a name.
    """
    cells = [
        cell
        for cell in CELLS
        if {cell.source, cell.destination} <= set(places)
        and any(fnmatch.fnmatch(cell.name, one) for one in given.cells)
    ]
    if not cells:
        raise LookupError('there is no such cell; --list lists them')
    if given.list:
        for cell in cells:
            print(f'{cell.name:20} {cell.title}')
        return None
    rounds = (
        {'least': given.rounds, 'most': given.rounds} if given.rounds else {}
    )
    options = Options(
        seconds=given.seconds,
        quick=given.quick,
        directory=given.directory,
        **rounds,
    )
    found = Results(machine.describe(), quick=options.quick)
    try:
        return run(cells, options, found=found, places=places)
    finally:
        if found.cells and given.results:
            for path in report.write(found, given.results):
                print(path, file=sys.stderr)
            if not report.plots.possible():
                print('no plots: matplotlib is not installed', file=sys.stderr)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError('at least 1')
    return value
