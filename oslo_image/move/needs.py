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

"""What the caller demands of a copy."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any, Literal, Protocol

from oslo_image import exception


class Verifier(Protocol):
    """Takes every byte in order: cursive's and cryptography's shape."""

    def update(self, data: Any, /) -> object:
        """Take the next bytes."""


class Fed:
    """A verifier that remembers whether it got any bytes.

    It cannot be made to forget them, so a copy that was begun with it cannot
    begin again.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self.fed = False

    def update(self, data: Any, /) -> object:
        """Hand the bytes on."""
        self.fed = True
        return self._verifier.update(data)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the caller demands; :meth:`Mover.plan` and ``copy`` take the same.

    :param zero_copy: "prefer" a path that moves no payload; "require" one, or
        a clean no; or "avoid" them.
    :param verify: "auto" checks the declared digest of what passes through
        this process anyway, and that of external locations in any case;
        "always" computes a digest and so allows only paths that see the
        bytes; "never" computes none.
    :param verifier: gets every byte in order, before the copy is committed.
    :param independent: the result must not depend on the source's survival,
        as a clone does on its parent.
    :param inspect: "auto" looks at the content when the image's format is
        known; "always" also when it is not; "never" trusts it.
    :param max_size: the most bytes that the image, and the disk that it
        describes, may have; None leaves it to ``image_size_cap``.
    :param rate_limit: bytes a second; None is unlimited.
    :param disabled: names of strategies that must not run.
    """

    zero_copy: Literal['prefer', 'require', 'avoid'] = 'prefer'
    verify: Literal['auto', 'always', 'never'] = 'auto'
    verifier: Verifier | None = None
    independent: bool = False
    inspect: Literal['auto', 'always', 'never'] = 'auto'
    max_size: int | None = None
    rate_limit: int | None = None
    disabled: Collection[str] = ()

    def __post_init__(self) -> None:
        for name, allowed in (
            ('zero_copy', ('prefer', 'require', 'avoid')),
            ('verify', ('auto', 'always', 'never')),
            ('inspect', ('auto', 'always', 'never')),
        ):
            if (value := getattr(self, name)) not in allowed:
                raise exception.InvalidOption(
                    f'{name} is one of {", ".join(allowed)}, not {value!r}'
                )
        for name, least in (('rate_limit', 1), ('max_size', 0)):
            number = getattr(self, name)
            if number is not None and not (
                isinstance(number, int) and number >= least
            ):
                raise exception.InvalidOption(
                    f'{name} is a number of bytes from {least} on, not '
                    f'{number!r}'
                )
        if self.verifier is not None and not callable(
            getattr(self.verifier, 'update', None)
        ):
            raise exception.InvalidOption('a verifier has an update(bytes)')
        if isinstance(self.disabled, str):
            raise exception.InvalidOption('disabled is a list of names')

    @property
    def sees_bytes(self) -> bool:
        """Whether only a path that sees every byte will do."""
        return self.verify == 'always' or self.verifier is not None
