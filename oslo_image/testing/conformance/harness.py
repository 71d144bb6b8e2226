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

"""What the suite must know of a store, and the words that its tests use."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, TypeVar

import pytest

from oslo_image.image import Location
from oslo_image.stores.base import (
    Leftover,
    MiB,
    Reader,
    Source,
    Store,
    Writer,
)

T = TypeVar('T')

#: What a store may lack, and what having it means.
CAPABILITIES: Mapping[str, str] = {
    'write': 'it makes writers',
    'delete': 'it deletes',
    'reuse': 'a deleted image leaves its name to another one',
    'empty': 'it holds images of 0 bytes',
    'ranged': 'its sources read any offset, from several threads at once',
    'restartable': 'its sources can be read from byte 0 again',
    'pinned': 'its sources notice that the bits are no longer the same',
    'replace': 'it replaces an image, the old bits staying until commit',
    'in_place': 'it overwrites an image where it lies',
    'grows': 'an image overwritten in place may become longer',
    'exclusive': 'of two writers to one name, exactly one wins',
    'contended': 'several may write to one name until one commits',
    'positioned': 'its writers take spans in any order, from many threads',
    'sparse': 'what its writers leave out reads as zeros',
    'descriptors': 'its writers take ranges of an open file',
    'secrets': 'its URIs can hold secrets',
    'bounded': 'it holds no image in memory',
    'leftovers': 'it finds and removes what a killed copy left',
}

#: Names that have broken a parser somewhere.
NAMES = (
    'plain',
    'a space',
    'per%cent%41',
    'question?mark=1',
    'hash#mark',
    'at@sign:colon',
    'plus+and&ersand',
    'quote\'and"quote',
    'üñí-代码',
    '.hidden',
    '~tilde~',
    '-dash',
)


def _nothing_listed() -> Collection[str]:
    raise NotImplementedError(
        'the harness of a store that writes needs listing='
    )


@dataclasses.dataclass
class Harness:
    """A store at work, and ways to look behind it.

    :param store: the store under test.
    :param uri: returns the URI of a name that the tests make up.
    :param auth: handed to the store in every call.
    :param listing: returns the names of all that lies in the backend now,
        images, temporary names, uploads and segments alike. The tests compare
        it with what it was before. A store that only reads needs none.
    :param put: lays an image into the backend, or replaces it; needed by a
        store that only reads. By default the store's own writer does it.
    :param overwrite: changes the bits of an image where they lie, as a
        careless neighbour would; by default like ``put``.
    :param secret_uri: returns a URI with the given text as a secret in it. It
        may lead nowhere, but must do so quickly. Needed unless the store
        lacks "secrets".
    :param abandon: leaves behind what a killed copy to a name would. Needed
        unless the store lacks "leftovers".
    :param writer_options: handed to every writer.
    """

    store: Store
    uri: Callable[[str], str]
    auth: Any = None
    listing: Callable[[], Collection[str]] = _nothing_listed
    put: Callable[[str, bytes], object] | None = None
    overwrite: Callable[[str, bytes], object] | None = None
    secret_uri: Callable[[str], str] | None = None
    abandon: Callable[[str], object] | None = None
    writer_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def location(self, name: str) -> Location:
        """Return the location of a name, trusted as a caller's own."""
        parsed = self.store.parse(self.uri(name))
        return dataclasses.replace(parsed, trusted=True)

    def open(self, name: str) -> Source:
        """Open an image."""
        return self.store.open_source(self.location(name), auth=self.auth)

    def writer(self, name: str, **keywords: Any) -> Writer:
        """Return a writer for a name."""
        return self.store.open_writer(
            self.location(name),
            auth=self.auth,
            **self.writer_options,
            **keywords,
        )

    def store_image(self, name: str, data: bytes) -> None:
        """Lay an image into the backend, or replace it."""
        if self.put is not None:
            self.put(name, data)
            return
        exists = self.has(name)
        how = 'replace' if exists else 'fail'
        with self.writer(name, if_exists=how, size=len(data)) as writer:
            writer.write(data)
            writer.commit()

    def change(self, name: str, data: bytes) -> None:
        """Change an image's bits behind the store's back."""
        if self.overwrite is not None:
            self.overwrite(name, data)
        else:
            self.store_image(name, data)

    def has(self, name: str) -> bool:
        """Return whether the store finds an image of this name."""
        from oslo_image import exception

        try:
            self.store.stat(self.location(name), auth=self.auth)
        except exception.ImageNotFound:
            return False
        return True

    def read(self, name: str) -> bytes:
        """Return an image's bytes, in one pass from byte 0."""
        with self.open(name) as source:
            reader = source.open_stream()
            try:
                return drain(reader)
            finally:
                reader.close()

    def leftovers(self, name: str, older_than: float = 0) -> list[Leftover]:
        """Return what the store finds left of copies to a name."""
        where = self.location(name)
        return list(
            self.store.leftovers(where, older_than=older_than, auth=self.auth)
        )

    def delete(self, name: str) -> None:
        """Delete an image by the store."""
        self.store.delete(self.location(name), auth=self.auth)


class Conformance:
    """Base of the suite's parts.

    ``lacks`` maps what the store cannot do, in the words of
    :data:`CAPABILITIES`, to the reason. ``chunk`` is the store's unit of
    transfer in bytes; images of a few chunks are made. ``sizes`` are further
    sizes in bytes where the store may have an edge; ``names`` are image names
    that it must hold; ``malformed`` are URIs that it must refuse.
    """

    lacks: ClassVar[Mapping[str, str]] = {}
    chunk: ClassVar[int] = MiB
    sizes: ClassVar[tuple[int, ...]] = ()
    names: ClassVar[tuple[str, ...]] = NAMES
    malformed: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for word, reason in cls.lacks.items():
            if word not in CAPABILITIES or not reason.strip():
                raise TypeError(
                    f'{cls.__name__}.lacks: {word!r} must be one of '
                    f'{", ".join(CAPABILITIES)} and have a reason'
                )
        if cls.__module__.startswith(__package__):
            return
        tests: dict[str, Any] = {}
        for one in reversed(cls.__mro__):
            tests.update(
                (name, value)
                for name, value in vars(one).items()
                if name.startswith('test') and value is not None
            )
        for name, test in tests.items():
            wanted: frozenset[str] = getattr(test, '_needs', frozenset())
            unwanted: frozenset[str] = getattr(test, '_lacking', frozenset())
            has = not wanted & cls.lacks.keys()
            if listed := getattr(test, '_over', None):
                has = has and bool(getattr(cls, listed))
            # pytest does not collect what cannot be called.
            runs = has and unwanted <= cls.lacks.keys()
            setattr(cls, name, test if runs else None)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize by what the class says of its store."""
        cls: Any = metafunc.cls
        one = cls.chunk
        sizes = {
            'one': 1,
            'chunk-1': one - 1,
            'chunk': one,
            'chunk+1': one + 1,
            '3chunks+7': 3 * one + 7,
            **{f'{size}': size for size in cls.sizes},
        }
        if 'empty' not in cls.lacks:
            sizes = {'empty': 0, **sizes}
        for argument, values in (
            ('size', sizes),
            ('hard_name', {name: name for name in cls.names}),
            ('bad_uri', {uri: uri for uri in cls.malformed}),
        ):
            if argument in metafunc.fixturenames:
                metafunc.parametrize(
                    argument, list(values.values()), ids=list(values)
                )

    @pytest.fixture
    def harness(self) -> Harness:
        """Return the store at work; every subclass says how."""
        raise NotImplementedError('a conformance test wants a harness fixture')

    @pytest.fixture
    def name(self) -> str:
        """Return a name that no test had before."""
        return fresh_name()

    @pytest.fixture
    def image(self, harness: Harness, name: str) -> bytes:
        """Lay an image of a few chunks under ``name``; return its bytes."""
        data = pattern(3 * self.chunk + 7)
        harness.store_image(name, data)
        return data


_counter = itertools.count()


def fresh_name() -> str:
    """Return a name that no test had before."""
    return f'image-{next(_counter)}-{random.getrandbits(32):08x}'


def needs(*words: str) -> Callable[[T], T]:
    """Mark a test that a store lacking one of these does not run."""
    return functools.partial(_mark, '_needs', words)


def lacking(*words: str) -> Callable[[T], T]:
    """Mark a test that only a store lacking all of these runs."""
    return functools.partial(_mark, '_lacking', words)


def over(attribute: str) -> Callable[[T], T]:
    """Mark a test that runs over what a subclass lists, if it lists any."""

    def mark(test: T) -> T:
        setattr(test, '_over', attribute)  # noqa: B010
        return test

    return mark


def _mark(attribute: str, words: tuple[str, ...], test: T) -> T:
    unknown = set(words) - CAPABILITIES.keys()
    if unknown:
        raise TypeError(f'unknown capabilities: {unknown}')
    setattr(test, attribute, frozenset(words))
    return test


@functools.lru_cache(maxsize=8)
def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes that are the same for the same size and seed."""
    return random.Random(f'{size}-{seed}').randbytes(size)  # noqa: S311


def drain(reader: Reader, step: int = MiB) -> bytes:
    """Return all that a reader has left."""
    buffer = memoryview(bytearray(step))
    pieces = []
    while count := reader.readinto(buffer):
        pieces.append(bytes(buffer[:count]))
    return b''.join(pieces)


def read_at(source: Source, offset: int, length: int) -> bytes:
    """Return what a source reads at an offset, at most ``length`` bytes."""
    buffer = bytearray(length)
    count = source.read_into(offset, memoryview(buffer))
    return bytes(buffer[:count])


def step(writer: Writer, chunk: int) -> int:
    """Return the length in bytes of a span of about ``chunk``."""
    rule = writer.spans
    length = max(rule.smallest, chunk)
    length += -length % rule.alignment
    if rule.largest is not None:
        length = min(length, rule.largest - rule.largest % rule.alignment)
    return length


def cut(writer: Writer, size: int, chunk: int) -> list[tuple[int, int]]:
    """Cut ``size`` bytes into (offset, length) spans that the writer takes."""
    length = step(writer, chunk)
    return [(at, min(length, size - at)) for at in range(0, size, length)]
