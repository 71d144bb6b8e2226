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
import sys

from benchmarks.places import PLACES
from oslo_image.bench import arguments, work


def main() -> int:
    """Run all cells, or those that are named."""
    parser = argparse.ArgumentParser(
        'benchmarks',
        description='Compare copy paths with each other, peers and limits.',
    )
    arguments.add_to(parser)
    parser.add_argument(
        '--results',
        type=pathlib.Path,
        default=pathlib.Path(__file__).parent / 'results',
        help='where to write the reports (default: %(default)s)',
    )
    given = parser.parse_args()
    work.end_in_order()
    try:
        found = arguments.follow(given, PLACES)
    except LookupError as error:
        parser.error(str(error))
    return int(found is not None and bool(found.failed))


if __name__ == '__main__':
    sys.exit(main())
