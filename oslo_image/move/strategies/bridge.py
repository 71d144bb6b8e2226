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

"""Strategies that have a server, or the kernel, join two ends by itself."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from oslo_image import exception
from oslo_image.move.strategies.base import Moved, No, Strategy, Yes
from oslo_image.stores.base import Source, Writer

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe

S = TypeVar('S')
T = TypeVar('T')


class Bridge(Strategy, Generic[S, T]):
    """A strategy that needs no more of its ends than a facet of each."""

    zero_copy = True
    paced = False
    #: The facets of source and writer.
    kinds: ClassVar[tuple[type, type]]
    #: What has them, in words.
    thing: ClassVar[str]

    def offer(self, source: Source, writer: Writer, needs: Needs) -> Yes | No:
        """Serve two ends that have the facets, as far as these allow."""
        origin = source.facet(self.kinds[0])
        if origin is None:
            return No(f'the source is not {self.thing}')
        target = writer.facet(self.kinds[1])
        if target is None:
            return No(f'the writer is not {self.thing}')
        return self.join(origin, target, needs)

    @abc.abstractmethod
    def join(self, origin: S, target: T, needs: Needs) -> Yes | No:
        """Say whether these two can be served."""

    def run(self, source: Source, writer: Writer, pipe: Pipe) -> Moved:
        """Move by the facets."""
        origin = source.facet(self.kinds[0])
        target = writer.facet(self.kinds[1])
        if origin is None or target is None:
            raise exception.Refused(f'an end is not {self.thing}')
        pipe.check()
        return self.move(origin, target, pipe)

    @abc.abstractmethod
    def move(self, origin: S, target: T, pipe: Pipe) -> Moved:
        """Move the bits.

        :raises Refused: when it cannot after all, the writer being untouched.
        """
