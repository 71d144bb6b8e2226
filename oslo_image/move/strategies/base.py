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

"""The contract of a strategy: one way from a kind of source to a writer."""

from __future__ import annotations

import abc
import enum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from oslo_image.stores.base import Source, Writer

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe

__all__ = [
    'Cost',
    'Moved',
    'No',
    'Strategy',
    'Yes',
]


class Cost(enum.IntEnum):
    """How dear a path is; the cheapest offer runs first."""

    METADATA = 1
    SERVER = 2
    KERNEL = 3
    PARALLEL = 4
    STREAM = 5

    def __str__(self) -> str:
        return _COST_WORDS[self]


_COST_WORDS = {
    Cost.METADATA: 'metadata only',
    Cost.SERVER: 'server side',
    Cost.KERNEL: 'kernel',
    Cost.PARALLEL: 'parallel',
    Cost.STREAM: 'stream',
}


class No(NamedTuple):
    """A strategy's refusal of one pair, before it is tried.

    :param reason: half a sentence that stands after the strategy's name.
    :param remedy: what the reader can do about it, if anything.
    """

    reason: str
    remedy: str = ''


class Yes(NamedTuple):
    """A strategy's offer for one pair.

    :param note: what the reader should know: what is kept, what is not.
    :param cost: where it is another than the strategy's own.
    """

    note: str = ''
    cost: Cost | None = None


class Moved(NamedTuple):
    """What a strategy did.

    :param size: the bytes of the image that the destination now has.
    :param payload: the bytes that went through this process or the kernel.
    :param parent: what the result depends on, for a clone; as the store names
        it, for rbd (pool, image, snapshot).
    """

    size: int
    payload: int
    parent: Any = None


class Strategy(abc.ABC):
    """One way to move bits. Instances hold no state and are shared.

    Third parties publish theirs under ``oslo.image.strategies``.
    """

    name: ClassVar[str]
    cost: ClassVar[Cost]
    #: Whether no payload passes through this process or a copying call.
    zero_copy: ClassVar[bool] = False
    #: Whether the pipe sees every byte, in order where it asks for that.
    sees_bytes: ClassVar[bool] = False
    #: Whether it moves in pieces that a rate limit can hold back.
    paced: ClassVar[bool] = True
    #: Whether the result stands on its own.
    independent: ClassVar[bool] = True
    #: Whether it makes a disk of the bits as they are, so that they must be
    #: those of a disk.
    raw_only: ClassVar[bool] = False

    @abc.abstractmethod
    def offer(self, source: Source, writer: Writer, needs: Needs) -> Yes | No:
        """Say whether this pair can be served; changes nothing, reads little.

        What every strategy must refuse for the caller's needs is refused
        before, by the attributes above.
        """

    @abc.abstractmethod
    def run(self, source: Source, writer: Writer, pipe: Pipe) -> Moved:
        """Move the bits; the writer has begun and is committed by the caller.

        :raises Refused: when it cannot after all, the writer being untouched.
        """
