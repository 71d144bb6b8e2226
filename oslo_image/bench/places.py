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

"""Where images lie.

A place puts an image, names targets, and takes them away again. A further
backend is one more subclass, in the table of those who have it.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import logging
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oslo_image import stores
from oslo_image.bench import work
from oslo_image.bench.shape import Shape

LOG = logging.getLogger(__name__)


class Missing(Exception):
    """This machine has no such place; the message says why."""


class Place(abc.ABC):
    """A place of one run."""

    #: What the mover needs to reach it.
    config: Any = None

    @abc.abstractmethod
    def put(self, shape: Shape) -> str:
        """Make an image, if it is not there yet; return its URI."""

    @abc.abstractmethod
    def target(self) -> str:
        """Return a URI where nothing is."""

    def discard(self, target: str) -> None:
        """Take away what was copied there, if anything."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target.removeprefix('file://'))

    def compare(self, target: str, shape: Shape) -> None:
        """Compare every byte of a copy with its image.

        :raises oslo_image.bench.shape.Differs:
        """
        with stores.open_source(target, self.config) as source:
            shape.compare(source)


class Directory(Place):
    """A directory, on whatever filesystem."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self._numbers = itertools.count()

    def put(self, shape: Shape) -> str:
        """Write the image, and let it reach the disk before any clock runs."""
        path = self.root / f'{shape.size}-{shape.data}-{shape.runs}.raw'
        if not path.exists():
            with path.open('xb') as file:
                shape.write(file)
                file.flush()
                os.fsync(file.fileno())
        return f'file://{path}'

    def target(self) -> str:
        """Return a path that was never used."""
        return f'file://{self.root / f"copy-{next(self._numbers)}"}'


class Web(Directory):
    """A directory that a web server serves.

    :param url: where, without a slash at its end.
    """

    def __init__(self, root: pathlib.Path, url: str) -> None:
        super().__init__(root)
        self._url = url

    def put(self, shape: Shape) -> str:
        """Write the image; return where it is served."""
        return f'{self._url}/{pathlib.Path(super().put(shape)).name}'

    def target(self) -> str:
        """Nothing is written here."""
        raise Missing('a web server takes no images')


def served(root: pathlib.Path, url: str) -> Enter:
    """Return an operator's own web server as a place.

    :param root: a directory that it serves, where a directory of the run's own
        is made.
    """

    @contextlib.contextmanager
    def enter(_: pathlib.Path) -> Iterator[Place]:
        with work.directory(root, LOG.warning) as own:
            own.chmod(0o755)
            yield Web(own, f'{url.rstrip("/")}/{own.name}')

    return enter


@contextlib.contextmanager
def _here(at: pathlib.Path) -> Iterator[Place]:
    root = at / 'here'
    root.mkdir()
    yield Directory(root)


#: How to enter a place, in a working directory.
Enter = Callable[[pathlib.Path], contextlib.AbstractContextManager[Place]]

#: The places that need nothing but the working directory.
PLACES: Mapping[str, Enter] = {'here': _here}


class Places:
    """The places of one run, entered when they are first asked for."""

    def __init__(
        self, own: pathlib.Path, table: Mapping[str, Enter] = PLACES
    ) -> None:
        self._own = own
        self._table = table
        self._stack = contextlib.ExitStack()
        self._entered: dict[str, Place | Exception] = {}

    def get(self, name: str) -> Place:
        """Return a place.

        :raises Missing: when this machine does not have it.
        :raises Exception: what it raised when it was entered.
        """
        if name not in self._table:
            raise Missing(f'there is no {name} to work with')
        if name not in self._entered:
            try:
                self._entered[name] = self._stack.enter_context(
                    self._table[name](self._own)
                )
            except Exception as error:  # noqa: BLE001 - raised below
                self._entered[name] = error
        place = self._entered[name]
        if isinstance(place, Exception):
            raise place
        return place

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()
