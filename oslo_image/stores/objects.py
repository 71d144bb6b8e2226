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

"""What the writers of objects have in common: one body, or parts."""

from __future__ import annotations

import abc
from typing import NamedTuple

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import DescriptorRange, MiB, SpanRule, Writer
from oslo_image.stores.wire import Persistence


class Limits(NamedTuple):
    """What a server allows of an object in parts, in bytes.

    :param least: what a part but the last has at least.
    :param largest: what a part has at most.
    :param most: how many parts there can be.
    """

    least: int
    largest: int
    most: int


class ObjectWriter(Writer):
    """An object that is there when all of its bytes are.

    An image of one part is sent whole when it is committed; another one in
    parts, of which none is an object of its name.

    :param part: the wanted size of a part, in bytes.
    :param replace: whether an object of the name is to be replaced.
    """

    takes_descriptors = True
    #: Whether a part may come in pieces of the wanted size.
    gradual = False

    def __init__(
        self,
        location: Location,
        size: int | None,
        limits: Limits,
        *,
        part: int,
        replace: bool,
    ) -> None:
        super().__init__(location, size)
        self._limits = limits
        self._wanted = part
        self._replace = replace
        self._single: bytes | DescriptorRange | None = None
        #: Whether the server made the object at once.
        self._copied = False
        self._sent = self._sent_bytes = 0
        self._leftovers: list[str] = []
        #: What a failed commit has left of the destination.
        self._taken_back: exception.DestinationState = 'untouched'
        #: What is sent goes by this.
        self._persistence = Persistence()
        self._cut()

    def _cut(self) -> None:
        """Set the span rule: parts of a size that suffices for all."""
        limits = self._limits
        part = min(max(self._wanted, limits.least), limits.largest)
        largest = limits.largest
        piece = part
        if self.size is not None:
            part = max(part, -(-self.size // limits.most))
            step = piece if self.gradual else MiB
            if -(-part // step) * step > limits.largest:
                step = piece = MiB
            part = largest = -(-part // step) * step
        elif self.gradual:
            largest -= largest % piece
        self._part = part
        self.spans = SpanRule(part, largest, part, limits.most)
        if self.gradual and largest > piece:
            self.spans = self.spans._replace(piece=piece)

    @property
    def leftovers(self) -> list[str]:
        """What could not be taken back."""
        return self._leftovers

    def begin(self, size: int | None) -> None:
        """Look again; nothing is sent before the first part."""
        self._check_again(size)
        self.size = size if size is not None else self.size
        self._prepare()
        self._cut()
        self._state = 'begun'

    def _check_again(self, size: int | None) -> None:
        """Check once more, as far as that is of use."""
        self.check(size)

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Send a part; of an image that is one, keep it for the commit."""
        length = (
            data.length if isinstance(data, DescriptorRange) else len(data)
        )
        self._reach(offset + length)
        if self._whole:
            # A buffer is used again when this call is over.
            self._single = (
                data if isinstance(data, DescriptorRange) else bytes(data)
            )
            return
        self._send(self._number(offset, length), data)

    @property
    def _whole(self) -> bool:
        """Whether the image is one part."""
        return self.size is not None and self.size <= self._part

    def _number(self, offset: int, length: int) -> int:
        """Return the number of the part at an offset, from 1.

        Where nobody knows the size the spans grow, and come in order.
        """
        if self.size is not None:
            return offset // self._part + 1
        with self._reaching:
            self._follow(offset, length)
            self._sent += 1
            return self._sent

    def _follow(self, offset: int, length: int) -> None:
        """See that bytes of an unknown size come in order."""
        if offset != self._sent_bytes:
            raise exception.InvalidWriter(
                'without a size, the parts must come in order',
                side='destination',
                offset=offset,
            )
        self._sent_bytes += length

    def commit(self, size: int | None = None) -> Location | None:
        """Send the only part, or make the parts an object."""
        if self._state == 'new':
            self.begin(size)
        try:
            self._put_held()
            size = self._settled(size)
            if self._copied:
                self._drop_old()
            else:
                self._publish(size)
        except BaseException:
            state = self.rollback()
            self._state, self._taken_back = 'closed', state
            raise
        self._let_go()
        self._state = 'committed'
        return self._published()

    def rollback(self) -> exception.DestinationState:
        """Remove what was sent, unless a failed commit has done so."""
        if self._state != 'closed':
            self._taken_back = self._take_back()
        state, self._taken_back = self._taken_back, 'untouched'
        self._let_go()
        self._copied = False
        self._sent = self._sent_bytes = 0
        self._restart()
        return state

    def interrupt(self) -> None:
        """Wake who waits for the server."""
        self._persistence.interrupt()

    def _let_go(self) -> None:
        """Forget what was sent: it is the object now, or gone."""
        self._single = None

    def _prepare(self) -> None:
        """Make what the object is to lie in; by default it must be there."""

    @abc.abstractmethod
    def _send(self, number: int, data: memoryview | DescriptorRange) -> None:
        """Send a part; called by several threads."""

    @abc.abstractmethod
    def _publish(self, size: int) -> None:
        """Make the parts, or the only one, the object."""

    def _drop_old(self) -> None:
        """Let go of what the object replaced that the server made."""

    @abc.abstractmethod
    def _take_back(self) -> exception.DestinationState:
        """Remove the parts, and the object if the server made it."""

    @abc.abstractmethod
    def _published(self) -> Location:
        """Return where the object lies, without credentials."""
