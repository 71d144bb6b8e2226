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

from oslo_image import exception
from oslo_image.move.strategies.base import Cost, Moved, No, Strategy, Yes
from oslo_image.stores.base import Source, Writer
from oslo_image.stores.facets import S3Object, S3Target

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe


class S3Copy(Strategy):
    """CopyObject, or UploadPartCopy beyond 5 GiB."""

    name = 's3_copy'
    cost = Cost.SERVER
    zero_copy = True
    paced = False

    def offer(self, source: Source, writer: Writer, needs: Needs) -> Yes | No:
        """Serve two objects of one endpoint; the server knows the rest."""
        origin = source.facet(S3Object)
        if origin is None:
            return No('the source is not an object in S3')
        target = writer.facet(S3Target)
        if target is None:
            return No('the writer is not an object in S3')
        if origin.endpoint != target.endpoint:
            return No(
                f'they are at different endpoints, {origin.endpoint} and '
                f'{target.endpoint}'
            )
        notes = ["with the destination's keys"]
        lost = list(origin.own)
        if origin.size > target.one_request:
            lost.append('tags')
        if lost:
            notes.append(f'not preserved: {", ".join(lost)}')
        return Yes('; '.join(notes))

    def run(self, source: Source, writer: Writer, pipe: Pipe) -> Moved:
        """Ask the server."""
        origin = source.facet(S3Object)
        target = writer.facet(S3Target)
        if origin is None or target is None:
            raise exception.Refused('an end is not an object in S3')
        pipe.check()
        target.copy(origin, pipe.check)
        return Moved(origin.size, 0)
