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

"""Have a Swift cluster copy an object by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_image.move.strategies.base import Cost, Moved, No, Yes
from oslo_image.move.strategies.bridge import Bridge
from oslo_image.stores.facets import SwiftObject, SwiftTarget

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe


class SwiftCopy(Bridge[SwiftObject, SwiftTarget]):
    """One COPY, or one for each segment and a manifest of its own."""

    name = 'swift_copy'
    cost = Cost.SERVER
    kinds = (SwiftObject, SwiftTarget)
    thing = 'an object in Swift'

    def join(
        self, origin: SwiftObject, target: SwiftTarget, needs: Needs
    ) -> Yes | No:
        """Serve two objects of one cluster; the server knows the rest."""
        if origin.cluster != target.cluster:
            return No(
                f'they are in different clusters, {origin.cluster} and '
                f'{target.cluster}'
            )
        notes = ["by the destination's user"]
        if origin.segmented:
            notes.append('segment by segment')
        return Yes('; '.join(notes))

    def move(
        self, origin: SwiftObject, target: SwiftTarget, pipe: Pipe
    ) -> Moved:
        """Ask the cluster."""
        target.copy(origin, pipe.check)
        return Moved(origin.size, 0)
