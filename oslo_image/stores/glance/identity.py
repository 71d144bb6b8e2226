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

"""Who asks Glance: a token for each request, and the endpoints it is for."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from typing import Any, Protocol

from oslo_image import exception
from oslo_image.stores.direct import direct
from oslo_image.stores.glance import library, uri

#: Seconds that Keystone has for an answer.
_TIMEOUT = 60.0


class Identity(Protocol):
    """Credentials (:class:`oslo_image.stores.wire.Auth`) and a catalogue."""

    #: The endpoint that they come with; '' is none.
    named: str

    def endpoint(self, region: str | None, interface: str) -> str:
        """Return Glance's endpoint.

        :raises ImageInvalidApi: when there is none.
        """

    def knows(self, endpoint: str) -> bool:
        """Tell whether an endpoint is one that the credentials are for."""

    def roles(self) -> frozenset[str] | None:
        """Return the roles of who asks; None: nobody knows here."""

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return the fields that show who asks."""

    def renew(self) -> bool:
        """Get a new token after a 401; False: there is none."""


class Nobody:
    """No credentials, for a Glance that asks for none."""

    named = ''

    def endpoint(self, region: str | None, interface: str) -> str:
        """Raise, as there is no catalogue."""
        raise exception.ImageInvalidApi(
            'no Glance is configured (glance_endpoint, or glance_auth_url '
            'with credentials, or a session as auth=)'
        )

    def knows(self, endpoint: str) -> bool:
        """Return True: nothing is sent that could be misused."""
        return True

    def roles(self) -> frozenset[str] | None:
        """Return none."""
        return frozenset()

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    def renew(self) -> bool:
        """Return False."""
        return False


class Token(Nobody):
    """A token for one endpoint, which its owner has named beside it."""

    def __init__(self, token: str, endpoint: str) -> None:
        self._token = token
        self._endpoint = endpoint

    def knows(self, endpoint: str) -> bool:
        """Tell whether it is the one."""
        return endpoint == self._endpoint

    def roles(self) -> frozenset[str] | None:
        """Return None: it is Keystone that knows."""
        return None

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return the token's field."""
        return {'X-Auth-Token': self._token}


class Keystone:
    """A session of keystoneauth1, the caller's or ours.

    :param also: an endpoint that the configuration names beside it.
    :param adapter: the caller's own over that session; what it names counts.
    """

    def __init__(
        self, session: Any, also: str = '', adapter: Any = None
    ) -> None:
        self._session = session
        self._also = also

        def own(name: str) -> Any:
            return getattr(adapter, name, None)

        self._plugin = own('auth') or session.auth
        override = own('endpoint_override')
        self.named = uri.normal(override) if override else ''
        self._region = own('region_name')
        self._interface = own('interface')

    def endpoint(self, region: str | None, interface: str) -> str:
        """Return the endpoint in the catalogue, a new one if need be."""
        region = self._region or region
        interface = self._interface or interface
        missing = library.load().exceptions.EndpointNotFound
        with library.mapped():
            try:
                found = self._find(region, interface)
            except missing:
                found = None
            if not found and self.renew():
                found = self._find(region, interface)
        if not found:
            raise exception.ImageInvalidApi(library.NO_ENDPOINT)
        return uri.normal(found)

    def _find(self, region: str | None, interface: str) -> str | None:
        found: str | None = self._session.get_endpoint(
            self._plugin,
            service_type='image',
            interface=interface,
            region_name=region,
            skip_discovery=True,
        )
        return found

    def knows(self, endpoint: str) -> bool:
        """Tell whether it is a Glance of the catalogue, in any region."""
        if endpoint in (self._also, self.named):
            return True
        with library.mapped():
            return endpoint in self._known() or (
                self.renew() and endpoint in self._known()
            )

    def roles(self) -> frozenset[str] | None:
        """Return the roles of the token, if the plugin says."""
        if not hasattr(self._plugin, 'get_access'):
            return None
        with library.mapped():
            access = self._plugin.get_access(self._session)
        return frozenset(access.role_names)

    def _known(self) -> set[str]:
        if not hasattr(self._plugin, 'get_access'):
            # A plugin without a catalogue has an endpoint, or none.
            found = self._session.get_endpoint(
                self._plugin, service_type='image'
            )
            return {uri.normal(found)} if found else set()
        catalog = self._plugin.get_access(self._session).service_catalog
        endpoints = catalog.get_endpoints(service_type='image')
        return {
            uri.normal(one['url'])
            for each in endpoints.values()
            for one in each
        }

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return the fields of the plugin, a token among them."""
        with library.mapped():
            return dict(self._session.get_auth_headers(self._plugin) or {})

    def renew(self) -> bool:
        """Forget the token; the next request gets another one."""
        with library.mapped():
            return bool(self._session.invalidate(self._plugin))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """All that tells one identity from another."""

    endpoint: str = ''
    auth_url: str = ''
    token: str = ''
    user: tuple[str, str] = ('', '')
    password: str = ''
    user_domain: tuple[str, str] = ('', '')
    project: tuple[str, str] = ('', '')
    project_domain: tuple[str, str] = ('', '')
    domain: tuple[str, str] = ('', '')
    trust_id: str = ''
    system_scope: str = ''
    credential: tuple[str, str] = ('', '')
    secret: str = ''
    verify: bool | str = True


def identity(options: Any, auth: Any = None, place: str = '') -> Identity:
    """Return who asks.

    :param options: those of :mod:`oslo_image.stores.glance.options`.
    :param auth: the caller's own: a session or adapter of keystoneauth1, one
        of its plugins, or a token; what else it may be is another store's.
    :param place: the endpoint that he names beside it.
    :raises InvalidOption: for a token that nobody says a place of.
    """
    configured = settings(options)
    if isinstance(auth, str) and auth:
        configured = dataclasses.replace(configured, token=auth)
        if place and not (configured.endpoint or configured.auth_url):
            return Token(auth, place)
    elif hasattr(auth, 'get_auth_headers') and hasattr(auth, 'get_endpoint'):
        return Keystone(auth, configured.endpoint)
    elif hasattr(getattr(auth, 'session', None), 'get_auth_headers'):
        return Keystone(auth.session, configured.endpoint, auth)
    elif hasattr(auth, 'get_token') and hasattr(auth, 'get_endpoint'):
        return Keystone(_session(auth, configured), configured.endpoint)
    return _configured(configured, os.getpid())


def settings(options: Any) -> Settings:
    """Return what the options say."""

    def pair(name: str) -> Any:
        return (
            getattr(options, f'glance_{name}_id') or '',
            getattr(options, f'glance_{name}_name') or '',
        )

    verify: bool | str = options.glance_ca_certificates_file or True
    endpoint = options.glance_endpoint
    return Settings(
        endpoint=uri.normal(endpoint) if endpoint else '',
        auth_url=(options.glance_auth_url or '').rstrip('/'),
        token=options.glance_token or '',
        user=(options.glance_user_id or '', options.glance_username or ''),
        password=options.glance_password or '',
        user_domain=pair('user_domain'),
        project=pair('project'),
        project_domain=pair('project_domain'),
        domain=pair('domain'),
        trust_id=options.glance_trust_id or '',
        system_scope=options.glance_system_scope or '',
        credential=pair('application_credential'),
        secret=options.glance_application_credential_secret or '',
        verify=False if options.glance_insecure else verify,
    )


@functools.lru_cache(maxsize=32)
def _configured(known: Settings, process: int) -> Identity:
    """Return the identity of these settings; it keeps its token.

    :param process: sessions are not for a forked child.
    """
    if known.token and not known.auth_url:
        if not known.endpoint:
            raise exception.InvalidOption(
                'a token alone does not say where Glance is: name '
                'glance_endpoint or glance_auth_url'
            )
        return Token(known.token, known.endpoint)
    if not known.auth_url:
        return Nobody()
    url = known.auth_url
    url = url if url.endswith('/v3') else f'{url}/v3'
    return Keystone(_session(_plugin(known, url), known), known.endpoint)


def _plugin(known: Settings, url: str) -> Any:
    lib = library.load()
    if known.token:
        return _of_token(known, url)
    user = {
        'user_id': known.user[0] or None,
        'username': known.user[1] or None,
        **_named('user_domain', known.user_domain, 'default'),
    }
    if known.secret and any(known.credential):
        own, name = known.credential
        return lib.v3.ApplicationCredential(
            url,
            application_credential_secret=known.secret,
            **({'application_credential_id': own} if own else user),
            application_credential_name=None if own else name,
        )
    if not (any(known.user) and known.password):
        raise exception.InvalidOption(
            'glance_auth_url is set, and neither a user with a password, nor '
            'an application credential with its secret, nor a token'
        )
    return lib.v3.Password(
        url,
        password=known.password,
        **user,
        **_named('project', known.project),
        **_named('project_domain', known.project_domain, 'default'),
        **_named('domain', known.domain),
        trust_id=known.trust_id or None,
        system_scope=known.system_scope or None,
    )


def _of_token(known: Settings, url: str) -> Any:
    """Return a plugin that uses a token as it is, with its own catalogue.

    Getting another one for it would be refused where Keystone does not allow
    rescoping (``allow_rescope_scoped_token``).
    """
    lib = library.load()
    with library.mapped():
        answer = _session(None, known).get(
            f'{url}/auth/tokens',
            headers={
                'X-Auth-Token': known.token,
                'X-Subject-Token': known.token,
            },
            authenticated=False,
            log=False,
        )
    found = lib.access.create(resp=answer, auth_token=known.token)
    return lib.plugin.AccessInfoPlugin(found, auth_url=url)


def _session(plugin: Any, known: Settings) -> Any:
    made = library.load().session.Session(
        auth=plugin,
        verify=known.verify,
        timeout=_TIMEOUT,
        user_agent='oslo.image',
    )
    return direct(made)


def _named(
    name: str, pair: tuple[str, str], default: str = ''
) -> dict[str, str]:
    identifier, text = pair
    if text and not identifier:
        return {f'{name}_name': text}
    identifier = identifier or default
    return {f'{name}_id': identifier} if identifier else {}
