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

"""The cloud that the command speaks to: ``--os-cloud``, or ``OS_*``.

openstacksdk reads clouds.yaml and the variables, as for every client; what it
finds becomes the options of the catalogue that is Glance.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Mapping
from typing import Any, Final

from oslo_image import exception

#: Any of these says that there is a cloud.
_VARIABLES: Final = ('OS_CLOUD', 'OS_AUTH_URL', 'OS_ENDPOINT')
#: What authenticates, by the names that openstacksdk and our options have.
_AUTH: Final = (
    *('auth_url', 'token', 'user_id', 'username', 'password'),
    *('user_domain_id', 'user_domain_name', 'project_id', 'project_name'),
    *('project_domain_id', 'project_domain_name', 'domain_id', 'domain_name'),
    *('trust_id', 'system_scope', 'application_credential_id'),
    *('application_credential_name', 'application_credential_secret'),
)
#: What else may stand there, and changes nothing.
_IDLE: Final = frozenset(
    ('endpoint', 'default_domain_id', 'default_domain_name')
)
#: The kinds of authentication that this is enough for.
_TYPES: Final = frozenset(
    (
        *('password', 'v3password', 'token', 'v3token', 'admin_token'),
        *('v3applicationcredential', 'none'),
    )
)
_INTERFACES: Final = ('public', 'internal', 'admin')


def add_cloud(parser: argparse.ArgumentParser) -> None:
    """Add --os-cloud."""
    parser.add_argument(
        '--os-cloud',
        metavar='NAME',
        help='ask the Glance of this cloud of clouds.yaml for images; the '
        'usual variables OS_CLOUD, OS_AUTH_URL, … name one as well',
    )


def settings(name: str | None) -> dict[str, dict[str, Any]] | None:
    """Return the options of a cloud by group; None when there is none.

    :param name: of the cloud; None asks the environment.
    :raises InvalidOption: when there is no such cloud.
    :raises MissingDependency: when openstacksdk is not installed.
    """
    if name is None and not any(os.environ.get(one) for one in _VARIABLES):
        return None
    try:
        from keystoneauth1 import exceptions
        from openstack import config as clouds
    except ImportError as error:
        raise exception.MissingDependency(
            'clouds are read by the Python library openstacksdk, which is not '
            'installed: install oslo.image[cli]'
        ) from error
    try:
        with warnings.catch_warnings():
            # Of what openstacksdk itself is to lose, nobody here uses any.
            warnings.simplefilter('ignore', DeprecationWarning)
            warnings.simplefilter('ignore', PendingDeprecationWarning)
            region = clouds.OpenStackConfig().get_one(cloud=name)
    except exceptions.MissingRequiredOptions as error:
        missing = ', '.join(one.dest for one in error.options)
        raise _unusable(name, f'it has no {missing}') from None
    except Exception as error:  # noqa: BLE001 - of files, plugins, variables
        # What it says may quote a secret.
        raise _unusable(name, type(error).__name__) from None
    if problem := _not_ours(region.config):
        raise _unusable(name, problem)
    return {
        'oslo_image': {'catalog': 'glance'},
        'glance_store': _options(region.config),
    }


def has_catalog(conf: Any) -> bool:
    """Tell whether a ConfigOpts names a catalogue."""
    from oslo_config import cfg

    conf.register_opt(cfg.StrOpt('catalog'), 'oslo_image')
    return conf.oslo_image.catalog is not None


def override(conf: Any, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Let a ConfigOpts say what the cloud does."""
    from oslo_config import cfg

    for group, values in settings.items():
        for option, value in values.items():
            kind = cfg.BoolOpt if isinstance(value, bool) else cfg.StrOpt
            conf.register_opt(kind(option), group)
            conf.set_override(option, value, group)


def _unusable(name: str | None, why: str) -> exception.InvalidOption:
    return exception.InvalidOption(
        f'the cloud {name or "of the environment"} cannot be used ({why})'
    )


def _not_ours(found: Mapping[str, Any]) -> str | None:
    """Return what a cloud has that would be dropped; None: all is used."""
    kind = str(found.get('auth_type') or 'password')
    if kind not in _TYPES:
        return f'nobody here authenticates by {kind}'
    auth: Mapping[str, Any] = found.get('auth') or {}
    more = {name for name, value in auth.items() if value}
    if odd := sorted(more - {*_AUTH} - _IDLE):
        return f'nothing here understands {", ".join(odd)}'
    return None


def _options(found: Mapping[str, Any]) -> dict[str, Any]:
    auth: Mapping[str, Any] = found.get('auth') or {}
    wanted = {
        **{name: auth.get(name) for name in _AUTH},
        'endpoint': found.get('image_endpoint_override')
        or auth.get('endpoint'),
        'region_name': found.get('region_name'),
        'interface': _interface(found.get('interface')),
        'ca_certificates_file': found.get('cacert'),
        'insecure': True if found.get('verify') is False else None,
    }
    return {f'glance_{k}': v for k, v in wanted.items() if v}


def _interface(found: Any) -> str:
    """Return the first one of those that are named."""
    named = found if isinstance(found, list | tuple) else str(found or '')
    if isinstance(named, str):
        named = named.split(',')
    for one in named:
        if (name := str(one).strip().removesuffix('URL')) in _INTERFACES:
            return name
    return 'public'
