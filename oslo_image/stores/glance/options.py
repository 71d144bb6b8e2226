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

"""Where Glance is, and who asks; the catalogue's driver reads them too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oslo_config import cfg

_KEYSTONE: Final = {
    'auth_url': 'The URL of Keystone. Without it, and without a token, '
    'nothing is sent to show who asks.',
    'username': 'The user.',
    'user_id': 'The same by id.',
    'user_domain_id': "The user's domain; by default it is default.",
    'user_domain_name': 'The same by name.',
    'project_id': 'The project that a password is used for.',
    'project_name': 'The same by name.',
    'project_domain_id': "The project's domain; by default it is default.",
    'project_domain_name': 'The same by name.',
    'domain_id': 'A domain that it is used for, instead of a project.',
    'domain_name': 'The same by name.',
    'trust_id': 'A trust that it is used by.',
    'system_scope': 'all: it is used for the whole system.',
    'application_credential_id': 'An application credential, instead of a '
    'password.',
    'application_credential_name': 'The same by name, of the user.',
}
_SECRETS: Final = {
    'password': "The user's password.",
    'application_credential_secret': "The application credential's secret.",
    'token': 'A token that is there already, instead of all these.',
}


def list_opts() -> list[cfg.Opt]:
    """Return the options."""
    from oslo_config import cfg

    return [
        cfg.StrOpt(
            'glance_endpoint',
            help='The endpoint of Glance, such as https://glance:9292; by '
            "default it is found in Keystone's catalogue.",
        ),
        cfg.StrOpt(
            'glance_region_name',
            help="The region whose Glance is taken from Keystone's catalogue.",
        ),
        cfg.StrOpt(
            'glance_interface',
            default='public',
            choices=['public', 'internal', 'admin'],
            help="Which of its endpoints in Keystone's catalogue.",
        ),
        *(
            cfg.StrOpt(f'glance_{name}', help=text)
            for name, text in _KEYSTONE.items()
        ),
        *(
            cfg.StrOpt(f'glance_{name}', secret=True, help=text)
            for name, text in _SECRETS.items()
        ),
        cfg.StrOpt(
            'glance_ca_certificates_file',
            help='PEM file of the authorities that Glance and Keystone are '
            "verified with, instead of the system's.",
        ),
        cfg.BoolOpt(
            'glance_insecure',
            default=False,
            help='Do not verify their certificates.',
        ),
        cfg.BoolOpt(
            'glance_api_download',
            default=True,
            help="Whether Glance's API may be asked for the bits of an image "
            'where none of its locations serves.',
        ),
        cfg.BoolOpt(
            'glance_register_locations',
            default=False,
            help='Whether an image that Ceph can clone, or S3 copy, into the '
            'store of Glance where it belongs (default_backend, or the one '
            'that is named; its options stand in enabled_backends) is made '
            'there and registered with Glance, instead of being uploaded.',
        ),
        cfg.BoolOpt(
            'glance_flatten_clones',
            default=True,
            help='Whether such an image in Ceph is made independent of the '
            'disk that it is a clone of, by a copy within the cluster. Where '
            "it is not, Glance's own user must be able to read the disk's "
            'pool, and the disk cannot be removed before the image.',
        ),
    ]
