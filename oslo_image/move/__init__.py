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

"""Move disk images by the cheapest path: the library's main door.

::

    success, bytes_written = Mover(image_id_or_uri, config).copy(writer)
"""

from oslo_image.move.mover import Mover
from oslo_image.move.needs import Needs
from oslo_image.move.plan import Offer, Plan, Refusal
from oslo_image.move.result import CopyResult
from oslo_image.move.strategies.base import Cost

__all__ = [
    'CopyResult',
    'Cost',
    'Mover',
    'Needs',
    'Offer',
    'Plan',
    'Refusal',
]
