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

:func:`run` runs the cells of :mod:`oslo_image.bench.cells` that this machine
can. A cell is a declaration (:class:`~oslo_image.bench.cell.Cell`); a new
backend is a place (:mod:`oslo_image.bench.places`) and its cells.
"""

from oslo_image.bench.cell import Cannot, Cell, Target, Way
from oslo_image.bench.runner import Options, run

__all__ = ['Cannot', 'Cell', 'Options', 'Target', 'Way', 'run']
