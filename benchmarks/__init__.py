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

"""Compare copy paths with each other, with peers and with the limit.

``python -m benchmarks`` runs the cells of :mod:`benchmarks.cells` that this
machine can; :func:`run` is the same for a program. A cell is a declaration
(:class:`~benchmarks.cell.Cell`); a new backend is a place
(:mod:`benchmarks.places`) and its cells.
"""

from benchmarks.cell import Cell, Target, Way
from benchmarks.runner import Options, run

__all__ = ['Cell', 'Options', 'Target', 'Way', 'run']
