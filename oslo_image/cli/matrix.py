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

"""The matrix of an installation: which strategies lead from where to where.

The strategies are asked about ends that have what those of each store have,
at their best: one filesystem, one cluster, one endpoint, a raw image.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from oslo_image.image import Image, Location
from oslo_image.move.needs import Needs
from oslo_image.move.negotiation import negotiate
from oslo_image.move.strategies.base import Strategy
from oslo_image.stores import facets
from oslo_image.stores.base import MiB, Source, SpanRule, Writer

_SIZE: Final = 1 << 30
_PARTS: Final = SpanRule(5 * MiB, None, 5 * MiB, 10_000)


class _From(Source):
    """A source with the facets of a store's, or with none."""

    def __init__(
        self, *facets: Any, ranged: bool = True, in_one: bool = False
    ) -> None:
        super().__init__(Location('from://here', trusted=True))
        self.size = _SIZE
        self.ranged = ranged
        self.in_one = in_one
        self._facets = facets

    def facet(self, kind: type[Any]) -> Any:
        return _facet(self._facets, kind)


class _To(Writer):
    """A writer with the facets of a store's, or with none."""

    def __init__(
        self,
        *facets: Any,
        positioned: bool = True,
        descriptors: bool = False,
        spans: SpanRule | None = None,
    ) -> None:
        super().__init__(Location('to://there', trusted=True))
        self.positioned = positioned
        self.takes_descriptors = descriptors
        self.spans = spans or self.spans
        self._facets = facets

    def facet(self, kind: type[Any]) -> Any:
        return _facet(self._facets, kind)

    def begin(self, size: int | None) -> None:
        raise AssertionError('nothing is moved')

    put = commit = rollback = begin  # type: ignore[assignment]


def rows(
    strategies: Collection[Strategy],
    disabled: Collection[str],
    usable: Collection[str],
) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield each source's name and, by :func:`columns`, the ways from there.

    :param strategies: those that are installed.
    :param usable: the names of the stores that can be used.
    """
    needs = Needs(disabled=frozenset(disabled))
    image = Image(disk_format='raw')
    for store, name, source in _sources():
        cells = []
        for other, _, writer in _writers():
            plan = negotiate(image, [source], writer, needs, strategies)
            possible = {store, other or store} <= set(usable)
            cells.append(
                [offer.strategy for offer in plan.offers] if possible else []
            )
        yield name, cells


def columns() -> list[str]:
    """Return the writers' names."""
    return [name for _, name, _ in _writers()]


def _sources() -> Sequence[tuple[str, str, Source]]:
    return (
        ('file', 'file', _From(_file('regular', 1))),
        ('file', 'block device', _From(_file('block', 1))),
        ('rbd', 'rbd', _From(_SNAPSHOT)),
        ('s3', 's3', _From(_S3_OBJECT)),
        ('swift', 'swift', _From(_SWIFT_OBJECT)),
        ('http', 'http', _From()),
        ('glance', "glance's API", _From(in_one=True)),
        ('pyfilesystem', 'pyfilesystem', _From(ranged=False)),
    )


def _writers() -> Sequence[tuple[str | None, str, Writer]]:
    """Return them with their stores; None for what needs none."""
    return (
        ('file', 'file', _To(_file('regular', None), descriptors=True)),
        ('file', 'block device', _To(_file('block', 2), descriptors=True)),
        ('rbd', 'rbd', _To(_RBD_IMAGE)),
        ('s3', 's3', _To(_S3_TARGET, spans=_PARTS, descriptors=True)),
        ('swift', 'swift', _To(_SWIFT_TARGET, spans=_PARTS, descriptors=True)),
        ('glance', "glance's API", _To(positioned=False)),
        (None, 'write()', _To(positioned=False)),
    )


def _facet(facets: Sequence[Any], kind: type[Any]) -> Any:
    return next((one for one in facets if isinstance(one, kind)), None)


def _nothing(*_: Any) -> Any:
    raise AssertionError('nothing is moved')


def _file(kind: Any, inode: int | None) -> facets.FileDescriptor:
    # Of device 0 nobody knows what it cannot.
    return facets.FileDescriptor(kind, 0, inode, 0, _SIZE, False, _nothing)


_SNAPSHOT: Final = facets.RbdSnapshot(
    *('fsid', 'pool', '', 'image', 'snapshot', _SIZE, 4 * MiB, 0, True),
    protect=_nothing,
)
_RBD_IMAGE: Final = facets.RbdImage(
    *('fsid', 'pool', '', 'new', True, None, 2, True, False),
    clone=_nothing,
)
_S3_OBJECT: Final = facets.S3Object(
    *('https://s3', 'bucket', 'key', None, '"etag"', _SIZE, {}, (), _nothing)
)
_S3_TARGET: Final = facets.S3Target('https://s3', 5 << 30, _nothing)
_SWIFT_OBJECT: Final = facets.SwiftObject(
    *('https://swift', 'AUTH', 'container', 'name', 'etag', _SIZE, False, {}),
    segments=_nothing,
)
_SWIFT_TARGET: Final = facets.SwiftTarget('https://swift', _nothing)
