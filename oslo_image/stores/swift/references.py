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

"""The credentials that the options hold, by the names that URIs refer to."""

from __future__ import annotations

import configparser
import re
from typing import Any

from oslo_image import exception
from oslo_image.stores.swift.account import Settings

_VERSION_1 = re.compile(r'/v1(\.0)?/?\Z')
_VERSION_3 = re.compile(r'/v3/?\Z')
#: The names of the domains of user and project, in :class:`Settings`.
DOMAINS = (
    'user_domain_id',
    'user_domain_name',
    'project_domain_id',
    'project_domain_name',
)


def references(options: Any) -> dict[str, Settings]:
    """Return all credentials.

    :raises InvalidOption: for a file that cannot be read, or a section that
        lacks something.
    """
    o = options
    if o.swift_store_config_file:
        return _read(options)
    if not o.swift_store_auth_address:
        return {}
    found = settings(
        options,
        o.swift_store_auth_address,
        o.swift_store_user or '',
        o.swift_store_key or '',
        application_credential_id=(
            o.swift_store_application_credential_id or ''
        ),
        application_credential_secret=(
            o.swift_store_application_credential_secret or ''
        ),
    )
    if not (found.user and found.key) and not (
        found.application_credential_id and found.application_credential_secret
    ):
        return {}
    return {o.default_swift_reference: found}


def settings(
    options: Any, address: str, user: str, key: str, **more: str
) -> Settings:
    """Return how to get tokens of an address.

    :param address: a host without a scheme is asked over https.
    :param more: of :class:`Settings`.
    """
    o = options
    url = (address if '://' in address else f'https://{address}').rstrip('/')
    version = o.swift_store_auth_version
    if _VERSION_1.search(url):
        version = '1'
    elif version == '3' and not _VERSION_3.search(url):
        url += '/v3'
    for kind in ('user', 'project'):
        if not (more.get(f'{kind}_domain_id') or more.get(_name(kind))):
            more[f'{kind}_domain_id'] = 'default'
    return Settings(
        auth_url=url,
        version=version,
        user=user,
        key=key,
        ca_file=o.swift_store_cacert or '',
        insecure=o.swift_store_auth_insecure,
        endpoint=o.swift_store_endpoint or '',
        region=o.swift_store_region or '',
        interface=o.swift_store_endpoint_type.removesuffix('URL'),
        service_type=o.swift_store_service_type,
        margin=o.swift_store_expire_soon_interval,
        **more,
    )


def _name(kind: str) -> str:
    return f'{kind}_domain_name'


def _read(options: Any) -> dict[str, Settings]:
    path = options.swift_store_config_file
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
    except (OSError, UnicodeError, configparser.Error) as error:
        reason = getattr(error, 'strerror', None) or type(error).__name__
        raise exception.InvalidOption(
            f'swift_store_config_file: {path} cannot be read: {reason}'
        ) from None
    return {
        name: _section(options, parser[name]) for name in parser.sections()
    }


def _section(options: Any, section: configparser.SectionProxy) -> Settings:
    def value(name: str) -> str:
        return section.get(name, '').strip().strip('\'"')

    given = {
        name: value(name)
        for name in (
            'application_credential_id',
            'application_credential_secret',
            *DOMAINS,
        )
    }
    user, key = value('user'), value('key')
    if not value('auth_address') or not (
        (user and key)
        or (
            given['application_credential_id']
            and given['application_credential_secret']
        )
    ):
        raise exception.InvalidOption(
            f'swift_store_config_file: [{section.name}] wants auth_address, '
            'user and key, or auth_address and an application credential'
        )
    return settings(options, value('auth_address'), user, key, **given)
