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

from oslo_image import exception
from oslo_image.move.strategies.base import Cost, Moved, No, Strategy, Yes
from oslo_image.stores.base import Source, Writer
from oslo_image.stores.facets import SwiftObject, SwiftTarget

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe


class SwiftCopy(Strategy):
    """One COPY, or one for each segment and a manifest of its own."""

    name = 'swift_copy'
    cost = Cost.SERVER
    zero_copy = True
    paced = False

    def offer(self, source: Source, writer: Writer, needs: Needs) -> Yes | No:
        """Serve two objects of one cluster; the server knows the rest."""
        origin = source.facet(SwiftObject)
        if origin is None:
            return No('the source is not an object in Swift')
        target = writer.facet(SwiftTarget)
        if target is None:
            return No('the writer is not an object in Swift')
        if origin.cluster != target.cluster:
            return No(
                f'they are in different clusters, {origin.cluster} and '
                f'{target.cluster}'
            )
        notes = ["by the destination's user"]
        if origin.segmented:
            notes.append('segment by segment')
        return Yes('; '.join(notes))

    def run(self, source: Source, writer: Writer, pipe: Pipe) -> Moved:
        """Ask the cluster."""
        origin = source.facet(SwiftObject)
        target = writer.facet(SwiftTarget)
        if origin is None or target is None:
            raise exception.Refused('an end is not an object in Swift')
        pipe.check()
        target.copy(origin, pipe.check)
        return Moved(origin.size, 0)
