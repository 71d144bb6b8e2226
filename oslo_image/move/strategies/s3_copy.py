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

"""Have an S3 server copy an object by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_image.move.strategies.base import Cost, Moved, No, Yes
from oslo_image.move.strategies.bridge import Bridge
from oslo_image.stores.facets import S3Object, S3Target

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe


class S3Copy(Bridge[S3Object, S3Target]):
    """CopyObject, or UploadPartCopy where that is too much for it."""

    name = 's3_copy'
    cost = Cost.SERVER
    kinds = (S3Object, S3Target)
    thing = 'an object in S3'

    def join(
        self, origin: S3Object, target: S3Target, needs: Needs
    ) -> Yes | No:
        """Serve two objects of one endpoint; the server knows the rest."""
        if origin.endpoint != target.endpoint:
            return No(
                f'they are at different endpoints, {origin.endpoint} and '
                f'{target.endpoint}'
            )
        notes = [target.note] if target.note else []
        notes.append("with the destination's keys")
        lost = list(origin.own)
        if origin.size > target.one_request:
            lost.append('tags, if in parts')
        if lost:
            notes.append(f'not preserved: {", ".join(lost)}')
        return Yes('; '.join(notes))

    def move(self, origin: S3Object, target: S3Target, pipe: Pipe) -> Moved:
        """Ask the server."""
        target.copy(origin, pipe.check)
        return Moved(origin.size, 0)
