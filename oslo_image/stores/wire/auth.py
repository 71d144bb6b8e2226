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

"""Credentials for requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Auth(Protocol):
    """Credentials for one origin; shared by threads."""

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return the fields to add, for instance Authorization.

        :param url: without user and password.
        :param headers: all other fields, Host and Content-Length among them.
        """

    def renew(self) -> bool:
        """Get new credentials after a 401; False: there are none.

        :raises ImageError: and nothing else.
        """


class FixedAuth:
    """The same fields every time, such as a token or Basic credentials."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return the fields."""
        return self._headers

    def renew(self) -> bool:
        """Return False."""
        return False
