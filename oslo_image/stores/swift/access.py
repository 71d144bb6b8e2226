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

"""Whose account a URI names, and whose token is for it."""

from __future__ import annotations

import functools
from typing import Any

from oslo_image import exception
from oslo_image.stores.swift import references, uri
from oslo_image.stores.swift.account import (
    Account,
    Given,
    Password,
    Session,
    Settings,
    SwiftAuth,
    Tokens,
    password,
)


class Access:
    """The credentials of one backend."""

    def __init__(self, options: Any) -> None:
        self._options = options

    @functools.cached_property
    def _references(self) -> dict[str, Settings]:
        return references.references(self._options)

    @property
    def _default(self) -> Settings | None:
        return self._references.get(self._options.default_swift_reference)

    def affinity(self, spec: uri.Spec) -> int:
        """Say how surely a URI is about these credentials; then by container.

        :returns: 0 for a reference to others; 2 to 5.
        """
        if rank := self._known(spec):
            return 2 * rank + int(self._contains(spec.container))
        return 0

    def _known(self, spec: uri.Spec) -> int:
        if spec.reference:
            return 2 if spec.reference in self._references else 0
        if not spec.url:
            return 1
        known = (
            place
            for one in self._references.values()
            for place in (one.auth_url, one.endpoint)
            if place
        )
        here = uri.origin(spec.url)
        return 2 if here in map(uri.origin, known) else 1

    def _contains(self, container: str) -> bool:
        """Tell whether it is the container of the options, or one of many."""
        own = self._options.swift_store_container
        return container == own or container.startswith(f'{own}_')

    def reference(self, spec: uri.Spec) -> str:
        """Return the reference to the account of a URI, else ''."""
        default = self._options.default_swift_reference
        if spec.reference:
            return spec.reference
        if not spec.url:
            multi = self._options.swift_store_multi_tenant
            return '' if multi else default
        if spec.user and self._settings(spec) == self._default:
            return str(default)
        return ''

    def account(
        self,
        spec: uri.Spec,
        auth: Any,
        side: exception.Side,
        *,
        trusted: bool,
    ) -> Account:
        """Return the account that a URI names, with a token for it.

        :param auth: the caller's own credentials.
        :raises InvalidLocation: for a reference that there is not.
        :raises LocationDenied: for a host, or such a reference, that only a
            catalogue names.
        :raises PermissionDenied: when no token is given.
        """
        if spec.reference:
            found = self._references.get(spec.reference)
            if found is None:
                unknown = (
                    exception.InvalidLocation
                    if trusted
                    else exception.LocationDenied
                )
                raise unknown(
                    f'the options have no credentials {spec.reference!r}'
                )
            return Account(password(found), side)
        if spec.user:
            return Account(self._named(spec, trusted), side)
        if not spec.url:
            return Account(self._own(auth), side)
        return self._at(spec.url, auth, side, trusted)

    def _settings(self, spec: uri.Spec) -> Settings:
        default = self._default
        more = {}
        if default is not None:
            more = {
                name: getattr(default, name) for name in references.DOMAINS
            }
        return references.settings(
            self._options, spec.url, spec.user, spec.key, **more
        )

    def _named(self, spec: uri.Spec, trusted: bool) -> Password:
        """Return the tokens of the credentials in a URI."""
        here = uri.origin(spec.url)
        if not trusted and here not in {
            uri.origin(one.auth_url) for one in self._references.values()
        }:
            raise _denied(spec.url)
        return password(self._settings(spec))

    def _own(self, auth: Any) -> Tokens:
        """Return the tokens where a URI names no account."""
        given = self._given(auth)
        if self._options.swift_store_multi_tenant:
            if given is None:
                raise exception.PermissionDenied(
                    "swift_store_multi_tenant wants the owner's own "
                    'credentials'
                )
            return given
        if self._default is not None:
            return password(self._default)
        if given is None:
            raise exception.InvalidOption(
                'the URI names no account, and neither do the options: '
                'swift_store_auth_address, swift_store_user and '
                'swift_store_key do'
            )
        return given

    def _at(
        self, url: str, auth: Any, side: exception.Side, trusted: bool
    ) -> Account:
        """Return an account by its URL, with the first token for its host."""
        here = uri.origin(url)
        if isinstance(auth, SwiftAuth) and not auth.storage_url and trusted:
            return Account(Given(auth.token), side, url)
        candidates: list[Tokens] = []
        if (given := self._given(auth)) is not None:
            candidates.append(given)
        if self._default is not None:
            candidates.append(password(self._default))
        for tokens in candidates:
            if uri.origin(tokens.url(side)) == here:
                return Account(tokens, side, url)
        if not trusted:
            raise _denied(url)
        return Account(Given(), side, url)

    def _given(self, auth: Any) -> Tokens | None:
        if isinstance(auth, SwiftAuth):
            endpoint = auth.storage_url or self._options.swift_store_endpoint
            return Given(auth.token, endpoint) if endpoint else None
        if hasattr(auth, 'get_token') and hasattr(auth, 'get_endpoint'):
            return Session(
                auth, references.settings(self._options, '', '', '')
            )
        return None


def _denied(url: str) -> exception.LocationDenied:
    return exception.LocationDenied(
        f'{uri.origin(url)} is not the host of any account that is configured'
    )
