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

"""Copies from a store to itself, by whichever strategies serve that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from oslo_image import exception
from oslo_image.image import Image
from oslo_image.move import strategies
from oslo_image.move.attempt import Terms
from oslo_image.move.needs import Needs
from oslo_image.move.negotiation import negotiate
from oslo_image.stores.base import Writer
from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    fresh_name,
    needs,
    pattern,
)

_NOTICED = (
    exception.SourceChanged,
    exception.Truncated,
    exception.UnsafeImage,
)


class CopyingConformance(Conformance):
    """What is inspected is what is copied, whoever moves the bytes."""

    @needs('write', 'pinned')
    def test_change_after_inspection_is_noticed(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """All bytes are of the version inspected, or it is an error.

        So it is of each way that there is from the store to itself.
        """
        other = pattern(len(image), 1)
        _copy_in_each_way(
            harness, name, image, lambda: harness.change(name, other)
        )

    @needs('write', 'pinned', 'replace')
    def test_replacement_after_inspection_is_noticed(
        self, harness: Harness, name: str, image: bytes
    ) -> None:
        """As a change is; here another image takes the name."""
        other = pattern(len(image) - 7, 1)
        _copy_in_each_way(
            harness, name, image, lambda: harness.store_image(name, other)
        )


def _copy_in_each_way(
    harness: Harness, name: str, image: bytes, change: Callable[[], None]
) -> None:
    """Change the source before its bytes are moved; see what comes of it."""
    wanted = Needs(inspect='always')
    terms = Terms(
        image=Image(),
        needs=wanted,
        max_size=None,
        workers=2,
        retries=0,
        retry_pause=0,
        progress=None,
        cancel=None,
    )
    for strategy in strategies.plugins()[0]:
        copy = fresh_name()
        with harness.open(name) as source, harness.writer(copy) as writer:
            plan = negotiate(terms.image, [source], writer, wanted, [strategy])
            if not plan.offers:
                continue
            with _changed_at_begin(writer, change):
                try:
                    terms.attempt(plan.offers[0], writer, [])
                except (exception.Refused, *_NOTICED):
                    pass
                else:
                    assert harness.read(copy) == image, strategy.name
        harness.change(name, image)


@contextlib.contextmanager
def _changed_at_begin(
    writer: Writer, change: Callable[[], None]
) -> Iterator[None]:
    begin = writer.begin

    def begin_late(size: int | None) -> None:
        change()
        begin(size)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(writer, 'begin', begin_late)
        yield
