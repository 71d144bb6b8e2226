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
"""The name that an object is to have, and whose object lies there."""

from __future__ import annotations

from typing import NamedTuple

from oslo_image import exception
from oslo_image.stores.swift import deleting, marks
from oslo_image.stores.swift.doubt import UNSURE, Doubt
from oslo_image.stores.swift.parts import Parts
from oslo_image.stores.swift.service import Fields, Service

#: How long a server that gave no answer is asked what it has done, in seconds:
#: for one answer, and in all.
_TIMEOUT = 10.0
_PATIENCE = 5.0
#: And when it is us who hung up.
_SHORT = 3.0


class TakenBack(NamedTuple):
    """What became of an object that was to be removed.

    :param left: the names of what stays, or may.
    :param gone: whether no object names our segments any more.
    """

    state: exception.DestinationState
    left: list[str]
    gone: bool


class Place:
    """A container and a name in it.

    An object bears the token of its upload, which tells ours from others'.
    """

    def __init__(
        self, service: Service, container: str, name: str, token: str
    ) -> None:
        self._service = service
        self.container = container
        self.name = name
        self.token = token
        #: Of the request that makes the object.
        self.doubt = Doubt()
        self._before: Fields | None = None
        self._old: list[tuple[str, str]] = []

    def __str__(self) -> str:
        return f'{self.container}/{self.name}'

    def remember(self) -> None:
        """Remember what lies there, and is about to be replaced."""
        self._before = fields = self._service.head(self.container, self.name)
        if fields is not None:
            old = Parts(self._service, self.container, self.name, fields)
            self._old = list(old.names())

    def made(self) -> Fields | None:
        """Return our object's fields, if it was made and nobody heard so."""
        try:
            found = self._look() if self.doubt.done else None
        except exception.ImageError:
            return None
        return found if self._is_ours(found) else None

    def taken(self) -> bool:
        """Tell whether another's object is known to lie there."""
        try:
            found = self._look()
        except exception.ImageError:
            return False
        return not self._is_ours(found)

    def let_go(self) -> list[str]:
        """Delete the segments of what was replaced; return those that stay."""
        old, self._old = self._old, []
        return deleting.remove(self._service, old)

    def take_back(self) -> TakenBack:
        """Remove the object, if it is ours."""
        replaced = self._before is not None
        try:
            found = self._look()
            if self._is_ours(found):
                self._service.delete(self.container, self.name)
                return TakenBack(
                    'modified' if replaced else 'untouched',
                    self.let_go(),
                    True,
                )
        except exception.ImageError:
            return TakenBack('modified', self._unsure(), False)
        if self.doubt.going_on:
            return TakenBack('modified', self._unsure(), False)
        # What another put there replaced ours, or what was there before.
        same = _version(found) == _version(self._before)
        return TakenBack('untouched' if same else 'modified', [], True)

    def _unsure(self) -> list[str]:
        left = [f'{self}, {UNSURE}']
        if self._old:
            first = '/'.join(self._old[0])
            left.append(
                f'in that case {len(self._old)} segments of what it '
                f'replaced, as {first}'
            )
        return left

    def _look(self) -> Fields | None:
        hurry = self.doubt.going_on
        return self._service.head(
            self.container,
            self.name,
            newest=True,
            timeout=_SHORT if hurry else _TIMEOUT,
            patience=0 if hurry else _PATIENCE,
        )

    def _is_ours(self, fields: Fields | None) -> bool:
        return fields is not None and marks.upload(fields) == self.token


def _version(fields: Fields | None) -> tuple[str | None, str | None] | None:
    if fields is None:
        return None
    return fields.get('ETag'), fields.get('X-Timestamp')
