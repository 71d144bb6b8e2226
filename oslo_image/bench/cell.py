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

"""What a cell of the table is: who copies what, from where to where."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Sequence
from typing import Any, Literal

from oslo_image import stores
from oslo_image.bench.places import Place
from oslo_image.bench.shape import Shape, sha512

Role = Literal['ours', 'peer', 'limit']
#: What is measured: the seconds of a call, or what the call itself returns.
Unit = Literal['s', 'MiB']


class Cannot(Exception):
    """A way does not work between these ends; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One copy to be made.

    :param uri: where the image lies.
    :param target: the URI where it is wanted; nothing is there yet.
    :param shape: what the image is.
    :param origin: the place where it lies.
    :param place: the place of the target.
    """

    uri: str
    target: str
    shape: Shape
    origin: Place
    place: Place

    @property
    def source(self) -> str:
        """The path of an image that is a file."""
        return path_of(self.uri)

    @property
    def path(self) -> str:
        """The path of a target that is a file."""
        return path_of(self.target)


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One contestant.

    :param run: makes the copy; what it returns, if anything, is counted
        instead of the seconds that it took. It raises :class:`Cannot`.
    :param missing: says why this machine cannot, or nothing.
    :param writes: whether it leaves a copy to be compared.
    :param most: the largest image, in bytes of apparent size, that it is
        asked to copy: some take an hour for holes.
    """

    name: str
    role: Role
    run: Callable[[Job], float | None]
    missing: Callable[[], str] = str
    writes: bool = True
    most: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """What a cell is to reach.

    :param text: in words.
    :param most: the largest allowed ratio to the best of the others, or
        difference from it, or value, in the cell's unit.
    :param against: patterns of the names of the others.
    :param ours: the name of the way that is to reach it.
    :param least: the smallest apparent size for which it is asked.
    :param of: whether the time counts (or what the cell's unit is), or the
        seconds of processors.
    """

    text: str
    most: float
    relation: Literal['ratio', 'difference', 'value'] = 'ratio'
    against: Sequence[str] = ()
    ours: str = 'Mover.copy'
    least: int = 0
    of: Literal['value', 'processor'] = 'value'

    def rivals(self, ways: Sequence[Way]) -> list[str]:
        """Return the names of the others that are among these ways."""
        return [
            way.name
            for way in ways
            if way.name != self.ours
            and any(fnmatch.fnmatch(way.name, one) for one in self.against)
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class Trend:
    """What a cell is to reach across its sizes.

    :param text: in words.
    :param most: the largest allowed ratio of the largest image to the
        smallest.
    :param per: whether the figures themselves are compared, or each by the
        bytes of data in its image.
    :param ours: the name of the way that is to reach it.
    """

    text: str
    most: float
    per: Literal['image', 'data'] = 'image'
    ours: str = 'Mover.copy'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A source, a destination, and all the ways between them.

    :param source, destination: names of places, see
        :data:`oslo_image.bench.places.PLACES`.
    :param ways: the first is the one that all are compared with.
    :param rounds: how many are enough, for what hardly varies or takes long.
    """

    name: str
    title: str
    source: str
    destination: str
    shapes: Sequence[Shape]
    ways: Sequence[Way]
    targets: Sequence[Target] = ()
    trends: Sequence[Trend] = ()
    rounds: int | None = None
    unit: Unit = 's'


def unread(way: Way) -> Way:
    """Return a way whose copy is not compared, since that takes too long."""
    return dataclasses.replace(way, writes=False)


def path_of(uri: str) -> str:
    """Return the path of a file:// URI, which benchmarks make plain."""
    return uri.removeprefix('file://')


def ours(
    name: str = 'Mover.copy',
    *,
    strategy: str | None = None,
    writer: Literal['file', 'store'] = 'file',
    verified: bool = False,
    **needs: Any,
) -> Way:
    """Return a way that is our own call.

    :param strategy: what it must take; it cannot when another one ran.
    :param writer: an open file, as peers write; or a store's writer, which
        publishes the whole and syncs it.
    :param verified: declare a sha512, which is then checked.
    """

    def run(job: Job) -> None:
        # At the first run, so that starting is fast: import_ms measures it.
        from oslo_image import move

        image = None
        if verified:
            image = {
                'os_hash_algo': 'sha512',
                'os_hash_value': sha512(job.shape),
            }
        mover = move.Mover(job.uri, job.origin.config, image=image)
        if writer == 'file':
            with open(job.path, 'wb') as file:
                result = mover.copy(file, **needs)
        else:
            with stores.open_writer(job.target, job.place.config) as one:
                result = mover.copy(one, **needs)
        if not result.success or strategy not in (None, result.strategy):
            reasons = [
                str(one)
                for one in result.refusals
                if strategy in (None, one.strategy)
            ]
            raise Cannot('; '.join(reasons))

    return Way(name, 'ours', run)


def only(strategy: str, *others: str) -> Way:
    """Return our call with all but one strategy switched off."""
    return ours(
        f'strategy {strategy}', strategy=strategy, disabled=sorted(others)
    )
