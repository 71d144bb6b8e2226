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


"""Size and digests of bits that are read once."""

from __future__ import annotations

import concurrent.futures
import hashlib
from typing import Any, Final, Self

from oslo_image import exception
from oslo_image.catalog.base import Bits
from oslo_image.image import Image
from oslo_image.move.digest import DEFAULT
from oslo_image.move.result import CopyResult
from oslo_image.stores.base import DescriptorRange, Writer

_CHECKSUM: Final = 'md5'


class Measure:
    """The verifier of a copy with verify="always"; a context manager.

    That copy computes one digest, the declared one where there is one. Here
    are the others that a record holds, in a thread of their own, so that they
    cost no time where there is a processor more.

    :param image: what is declared of the bits.
    """

    def __init__(self, image: Image) -> None:
        theirs = image.digest[0] if image.digest else DEFAULT
        self._hashes = {
            name: hashlib.new(name, usedforsecurity=False)
            for name in (_CHECKSUM, DEFAULT)
            if name != theirs
        }
        self._thread = concurrent.futures.ThreadPoolExecutor(
            1, thread_name_prefix='oslo-image-measure'
        )
        self._last: concurrent.futures.Future[None] | None = None

    def update(self, data: Any) -> None:
        """Take the next bytes, and return when the ones before are hashed."""
        self._wait()
        self._last = self._thread.submit(self._feed, data)

    def bits(self, result: CopyResult) -> Bits:
        """Return what the copy found, and what was found here."""
        self._wait()
        digests = {
            **{name: one.hexdigest() for name, one in self._hashes.items()},
            **result.digests,
        }
        return Bits(
            result.size or 0, digests[_CHECKSUM], DEFAULT, digests[DEFAULT]
        )

    def _feed(self, data: Any) -> None:
        for one in self._hashes.values():
            one.update(data)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._thread.shutdown()


class Sink(Writer):
    """Takes bytes in any order and keeps none."""

    fresh_zero_from = 0

    def __init__(self) -> None:
        super().__init__(None)

    def begin(self, size: int | None) -> None:
        """Nothing is to be made ready."""
        self._state = 'begun'

    def put(self, offset: int, data: memoryview | DescriptorRange) -> None:
        """Let go of the bytes."""

    def put_zeros(self, offset: int, length: int) -> None:
        """Let go of the zeros."""

    def commit(self, size: int | None = None) -> None:
        """Nothing is to be published."""
        self._state = 'committed'

    def rollback(self) -> exception.DestinationState:
        """Nothing is to be taken back."""
        self._state = 'new'
        return 'untouched'
