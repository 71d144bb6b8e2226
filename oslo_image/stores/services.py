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

"""How Nova, Cinder and Glance say where Glance is, and who asks it.

It becomes the default of the options ``glance_…`` in ``[glance_store]``. Nova
has a group ``[glance]``; Cinder has one too, for its own service user, and
older options in ``[DEFAULT]``. Of several servers the first one is taken.

Glance's own file says where it answers (``public_endpoint``, or the address
that it binds), and has a user in ``[keystone_authtoken]``, by whom it can be
found in Keystone's catalogue too. It makes Glance the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from oslo_image.stores import backends

if TYPE_CHECKING:
    from oslo_config import cfg

_GROUP: Final = 'glance'
_OURS: Final = 'glance_store'
#: In the order of precedence, the last one wins.
_SERVERS: Final = (
    ('DEFAULT', 'glance_api_servers'),
    (_GROUP, 'api_servers'),
    (_GROUP, 'endpoint_override'),
)
#: What keystoneauth1 calls so in any group; ours begins with ``glance_``.
_SAME: Final = (
    *('region_name', 'auth_url', 'user_id', 'username', 'password'),
    *('user_domain_id', 'user_domain_name', 'project_id', 'project_name'),
    *('project_domain_id', 'project_domain_name'),
    *('domain_id', 'domain_name', 'trust_id', 'system_scope'),
    *('application_credential_id', 'application_credential_name'),
    'application_credential_secret',
)
_INTERFACES: Final = ('public', 'internal', 'admin')
_TOKENS: Final = 'keystone_authtoken'
_PASTE: Final = 'paste_deploy'
#: What a server binds that listens anywhere, and where it is from here.
_ANY: Final = ('0.0.0.0', '::')  # noqa: S104
_HERE: Final = ('127.0.0.1', '::1')


def add_to(
    groups: dict[str, Sequence[cfg.Opt]], mentioned: Collection[str]
) -> None:
    """Add the options to those that are to be read, by group.

    :param mentioned: the groups that there are, and are no backend.
    """
    for group, options in _opts().items():
        if group == 'DEFAULT' or group in mentioned:
            groups[group] = [*groups.get(group, ()), *options]


def adopt(conf: cfg.ConfigOpts) -> None:
    """Let what they say be the default of ours.

    :param conf: where :func:`add_to` has the options read.
    """

    def said(group: str, name: str) -> Any:
        if group == 'DEFAULT':
            return conf[name]
        if group not in conf or name not in conf[group]:
            return None  # it is a backend, or not there
        return conf[group][name]

    found: dict[str, Any] = {
        'ca_certificates_file': said(_GROUP, 'cafile')
        or said('DEFAULT', 'glance_ca_certificates_file'),
        'insecure': said(_GROUP, 'insecure')
        or said('DEFAULT', 'glance_api_insecure'),
        **{name: said(_GROUP, name) for name in _SAME},
    }
    for interface in reversed(said(_GROUP, 'valid_interfaces') or ()):
        if interface in _INTERFACES:
            found['interface'] = interface
    for group, name in _SERVERS:
        if servers := said(group, name):
            server = servers if isinstance(servers, str) else servers[0]
            plain = '://' not in server
            found['endpoint'] = f'http://{server}' if plain else server
    is_glances = not found.get('endpoint') and _is_glances(conf)
    if is_glances:
        found |= _of_glance(conf, said)
    for name, value in found.items():
        if value:
            conf.set_default(f'glance_{name}', value, _OURS)
    if is_glances and (found.get('endpoint') or found.get('auth_url')):
        _choose(conf)


def _is_glances(conf: cfg.ConfigOpts) -> bool:
    """Tell whether a file is that by which Glance itself runs.

    A file of ours may have its stores too, but not how it is served.
    """
    if _GROUP in conf or not (_PASTE in conf or _TOKENS in conf):
        return False
    return bool('enabled_backends' in conf and conf.enabled_backends) or any(
        backends.is_set(conf, group, 'default_store')
        for group in ('DEFAULT', _OURS)
    )


def _of_glance(
    conf: cfg.ConfigOpts, said: Callable[[str, str], Any]
) -> dict[str, Any]:
    """Return what Glance's own file says of itself."""
    endpoint = said('DEFAULT', 'public_endpoint')
    port = said('DEFAULT', 'bind_port')
    if port and not endpoint:
        host = said('DEFAULT', 'bind_host') or _ANY[0]
        host = dict(zip(_ANY, _HERE, strict=True)).get(host, host)
        host = f'[{host}]' if ':' in host else host
        endpoint = f'http://{host}:{port}'
    found: dict[str, Any] = {'endpoint': endpoint}
    flavor = said(_PASTE, 'flavor')
    ours = any(
        backends.is_set(conf, _OURS, f'glance_{name}')
        for name in (*_SAME, 'token')
    )
    if not ours and (flavor is None or 'keystone' in flavor):
        found |= {name: said(_TOKENS, name) for name in _SAME}
        found['ca_certificates_file'] = said(_TOKENS, 'cafile')
        found['insecure'] = said(_TOKENS, 'insecure')
    return found


def _choose(conf: cfg.ConfigOpts) -> None:
    """Have Glance as the catalogue, unless somebody says another."""
    if 'oslo_image' in conf and 'catalog' in conf.oslo_image:
        conf.set_default('catalog', 'glance', 'oslo_image')


def _opts() -> dict[str, list[cfg.Opt]]:
    from oslo_config import cfg

    same = [
        cfg.StrOpt(name, secret=name.endswith(('password', 'secret')))
        for name in _SAME
    ]
    return {
        'DEFAULT': [
            cfg.ListOpt('glance_api_servers'),
            cfg.StrOpt('glance_ca_certificates_file'),
            cfg.BoolOpt('glance_api_insecure'),
            cfg.StrOpt('public_endpoint'),
            cfg.StrOpt('bind_host'),
            cfg.PortOpt('bind_port'),
        ],
        _PASTE: [cfg.StrOpt('flavor')],
        _TOKENS: [
            cfg.StrOpt('cafile'),
            cfg.BoolOpt('insecure'),
            *same,
        ],
        _GROUP: [
            cfg.ListOpt('api_servers'),
            cfg.StrOpt('endpoint_override'),
            cfg.ListOpt('valid_interfaces'),
            cfg.StrOpt('cafile'),
            cfg.BoolOpt('insecure'),
            *same,
        ],
    }
