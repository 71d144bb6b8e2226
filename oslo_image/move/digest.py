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

"""Digests of the bytes that pass, and what they are compared with."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from oslo_image import exception
from oslo_image.image import Image
from oslo_image.stores.base import ZEROS

#: What is computed when a digest is asked for and none is declared: Glance's
#: own default (hashing_algorithm).
DEFAULT = 'sha512'
#: Proof against somebody who wants two images of one digest.
_STRONG = frozenset(
    {
        'blake2b',
        'blake2s',
        'sha256',
        'sha384',
        'sha512',
        'sha512_256',
        'sha3_256',
        'sha3_384',
        'sha3_512',
    }
)
#: Bytes a second on one core, as measured; what is not here is as sha512.
_RATES = {'sha256': 1.5e9, 'sha1': 1.5e9}
_RATE = 0.6e9
#: From how many seconds of hashing on a plan mentions them.
_WORTH_SAYING = 10


class Digest:
    """The digest of one copy, if one is called for.

    :param image: declares the digest to compare with, if any.
    :param verify: :attr:`oslo_image.move.needs.Needs.verify`.
    :raises InvalidOption: when the declared algorithm is unknown here.
    """

    def __init__(self, image: Image, verify: str) -> None:
        self._declared = image.digest
        self._hash: Any = None
        if not wanted(image, verify):
            return
        self.name = self._declared[0] if self._declared else DEFAULT
        try:
            self._hash = hashlib.new(self.name, usedforsecurity=False)
            known = self._hash.digest_size > 0
        except ValueError:
            known = False
        if not known:  # shake_128 and its like have no value of their own
            raise exception.InvalidOption(
                f'the image declares a digest by {self.name!r}, which is '
                'not known here (verify="never" copies without)'
            )

    @property
    def active(self) -> bool:
        """Whether bytes are to be fed."""
        return self._hash is not None

    @property
    def strong(self) -> bool:
        """Whether it proves that bytes from two places are one image."""
        if not (self.active and self._declared):
            return False
        return self._hash.name in _STRONG

    @property
    def declared(self) -> bool:
        """Whether the image declares a digest."""
        return self._declared is not None

    def feed(self, view: memoryview) -> None:
        """Take the next bytes; hashlib lets other threads run meanwhile."""
        if self._hash is not None:
            self._hash.update(view)

    def feed_zeros(self, length: int) -> None:
        """Take zeros; they cost as much as other bytes."""
        while length and self._hash is not None:
            step = min(length, len(ZEROS))
            self._hash.update(ZEROS[:step])
            length -= step

    def values(self) -> dict[str, str]:
        """Return the hex value by name; empty when none was computed."""
        if self._hash is None:
            return {}
        return {self.name: self._hash.hexdigest()}

    def check(self) -> bool:
        """Compare with the declared digest; return whether there was one.

        :raises DigestMismatch: when they differ.
        """
        if self._hash is None or self._declared is None:
            return False
        found, wanted = self._hash.hexdigest(), self._declared[1]
        if found != wanted:
            raise exception.DigestMismatch(
                f'the {self.name} of the bits is {found}, declared is '
                f'{wanted}',
                side='source',
            )
        return True

    def state(self) -> Literal['computed', 'carried', 'absent']:
        """Return the digest_state of a result."""
        if self.active:
            return 'computed'
        return 'carried' if self.declared else 'absent'


def wanted(image: Image, verify: str) -> bool:
    """Return whether a path that sees the bytes computes a digest."""
    return verify == 'always' or (verify == 'auto' and bool(image.digest))


def note(image: Image, verify: str, size: int | None) -> str:
    """Say what hashing will cost, where that is worth saying.

    Holes are not read, but they are hashed as other bytes are.
    """
    if not wanted(image, verify):
        return ''
    name = image.digest[0] if image.digest else DEFAULT
    seconds = (size or 0) / _RATES.get(name, _RATE)
    if seconds < _WORTH_SAYING:
        return ''
    return f'{name} over all of it, holes too, takes about {seconds:.0f} s'
