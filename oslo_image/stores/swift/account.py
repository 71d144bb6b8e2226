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

"""An account in Swift: its URL, and tokens for it that are renewed."""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from oslo_image import exception
from oslo_image.stores.direct import direct
from oslo_image.stores.swift import library

#: How long a request for a token may take, in seconds.
_TIMEOUT = 60


@dataclasses.dataclass(frozen=True, slots=True)
class SwiftAuth:
    """The caller's own token; hand it as ``auth``, or a keystoneauth session.

    :param storage_url: of the account that it is for; where a URI names
        another host, the token is not sent.
    """

    token: str = dataclasses.field(repr=False)
    storage_url: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that tells one account from another, and how to get its tokens.

    :param version: ``1`` or ``3``.
    :param user: ``tenant:user``; version 1 gives it no meaning.
    :param endpoint: the account's URL, instead of what comes with a token.
    :param margin: seconds before its end at which a token is renewed.
    """

    auth_url: str
    version: str
    user: str = ''
    key: str = dataclasses.field(default='', repr=False)
    application_credential_id: str = ''
    application_credential_secret: str = dataclasses.field(
        default='', repr=False
    )
    user_domain_id: str = ''
    user_domain_name: str = ''
    project_domain_id: str = ''
    project_domain_name: str = ''
    ca_file: str = ''
    insecure: bool = False
    endpoint: str = ''
    region: str = ''
    interface: str = 'public'
    service_type: str = 'object-store'
    margin: int = 60


class Tokens(Protocol):
    """Who gives tokens; shared by threads and by both sides of a copy."""

    def token(self, side: exception.Side) -> str:
        """Return a token; '' is none."""

    def url(self, side: exception.Side) -> str:
        """Return the account's URL."""

    def drop(self) -> bool:
        """Forget the token, which was refused; False: there is no other."""


class Password:
    """Tokens for a user or an application credential."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._url = settings.endpoint.rstrip('/')

    @functools.cached_property
    def _plugin(self) -> Any:
        s = self._settings
        if s.version == '1':
            return library.password_v1(s.auth_url, s.user, s.key)
        v3 = library.load().v3
        if s.application_credential_id:
            return v3.ApplicationCredential(
                s.auth_url,
                application_credential_id=s.application_credential_id,
                application_credential_secret=s.application_credential_secret,
            )
        project, _, user = s.user.rpartition(':')
        return v3.Password(
            s.auth_url,
            username=user,
            password=s.key,
            project_name=project or None,
            user_domain_id=s.user_domain_id or None,
            user_domain_name=s.user_domain_name or None,
            project_domain_id=s.project_domain_id or None,
            project_domain_name=s.project_domain_name or None,
        )

    def token(self, side: exception.Side) -> str:
        """Return a token that is good for a while."""
        return str(self._access(side).auth_token)

    def url(self, side: exception.Side) -> str:
        """Return the account's URL, as it came with the token."""
        if not self._url:
            self._access(side)
        return self._url

    def drop(self) -> bool:
        """Have another token with the next request."""
        with self._lock:
            self._plugin.invalidate()
        return True

    def _access(self, side: exception.Side) -> Any:
        s = self._settings
        with self._lock:
            known = self._plugin.auth_ref
            if known is not None and not known.will_expire_soon(s.margin):
                return known
            self._plugin.invalidate()
            # No connection is kept for what happens once an hour.
            with library.mapped(side), library.load().requests.Session() as h:
                session = library.load().sessions.Session(
                    session=direct(h),
                    verify=False if s.insecure else s.ca_file or True,
                    timeout=_TIMEOUT,
                )
                found = self._plugin.get_access(session)
                if not self._url:
                    self._url = _endpoint(self._plugin, s, session)
                return found


class Session:
    """Tokens of a keystoneauth session, or adapter, of the caller's."""

    def __init__(self, session: Any, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def token(self, side: exception.Side) -> str:
        """Return the session's token."""
        with library.mapped(side):
            return self._session.get_token() or ''

    def url(self, side: exception.Side) -> str:
        """Return the URL in the session's catalogue."""
        with library.mapped(side):
            return _endpoint(self._session, self._settings)

    def drop(self) -> bool:
        """Have the session get another."""
        return bool(self._session.invalidate())


class Given:
    """A token that the caller has, or none at all."""

    def __init__(self, token: str = '', url: str = '') -> None:
        self._token = token
        self._url = url

    def token(self, side: exception.Side) -> str:
        """Return it."""
        return self._token

    def url(self, side: exception.Side) -> str:
        """Return the URL that came with it."""
        return self._url

    def drop(self) -> bool:
        """Return False."""
        return False


class Account:
    """An account, as the wire's ``auth``; shared by threads.

    :param url: of the account; by default that which comes with the tokens.
    :param side: on which side of a copy it is.
    """

    def __init__(
        self, tokens: Tokens, side: exception.Side, url: str = ''
    ) -> None:
        self._tokens = tokens
        self._side = side
        self._lock = threading.Lock()
        self._signed = threading.local()
        self.url = (url or tokens.url(side)).rstrip('/')

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return the token's field."""
        token = self._tokens.token(self._side)
        self._signed.token = token
        return {'X-Auth-Token': token} if token else {}

    def renew(self) -> bool:
        """Get another token, unless another thread has got one by now."""
        with self._lock:
            refused = getattr(self._signed, 'token', '')
            if self._tokens.token(self._side) != refused:
                return True
            return self._tokens.drop()


def password(settings: Settings) -> Password:
    """Return who gives the tokens of these settings; they are kept."""
    return kept(settings, os.getpid())


@functools.lru_cache(maxsize=64)
def kept(settings: Settings, process: int) -> Password:
    """Return that of one process.

    In a forked one, a thread that is not there may hold the parent's lock.
    """
    return Password(settings)


def _endpoint(whom: Any, s: Settings, *session: Any) -> str:
    found = whom.get_endpoint(
        *session,
        service_type=s.service_type,
        interface=s.interface,
        region_name=s.region or None,
        skip_discovery=True,
    )
    if not found:
        raise library.load().exceptions.EndpointNotFound
    return str(found).rstrip('/')
