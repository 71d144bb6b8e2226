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

"""The store's options; glance_store's keep their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oslo_config import cfg

_WITHOUT_EFFECT = "Accepted as glance_store's, and without effect: "


def list_opts() -> list[cfg.Opt]:
    """Return the options."""
    from oslo_config import cfg

    return [
        *_credentials(),
        cfg.StrOpt(
            'swift_store_cacert',
            help='PEM file of the authorities that servers are verified with, '
            "instead of the system's.",
        ),
        cfg.BoolOpt(
            'swift_store_auth_insecure',
            default=False,
            help='Do not verify the certificates of servers.',
        ),
        cfg.StrOpt(
            'swift_store_region', help='The region, where there are several.'
        ),
        cfg.StrOpt(
            'swift_store_endpoint',
            help='The URL of the account, instead of what comes with a token.',
        ),
        cfg.StrOpt(
            'swift_store_endpoint_type',
            default='publicURL',
            choices=['publicURL', 'adminURL', 'internalURL'],
            help='Which of the URLs of the service is used.',
        ),
        cfg.StrOpt(
            'swift_store_service_type',
            default='object-store',
            help='The type of the service in the catalogue.',
        ),
        cfg.StrOpt(
            'swift_store_container',
            default='glance',
            help='The container of images whose URI names none, or what the '
            'names of their containers begin with.',
        ),
        cfg.IntOpt(
            'swift_store_multiple_containers_seed',
            default=0,
            min=0,
            max=32,
            help="So many characters of an image's id, after an underscore, "
            'end the name of its container; 0 keeps all in one.',
        ),
        cfg.BoolOpt(
            'swift_store_create_container_on_put',
            default=False,
            help='Make the container of a destination that is not there.',
        ),
        cfg.BoolOpt(
            'swift_store_multi_tenant',
            default=False,
            help="Keep an image in its owner's account, which is that of the "
            "caller's own credentials, in a container of its own.",
        ),
        cfg.ListOpt(
            'swift_store_admin_tenants',
            default=[],
            help='The projects that may read and write every such container.',
        ),
        cfg.IntOpt(
            'swift_store_large_object_size',
            min=1,
            help='An image of at most so many MiB is one object, sent by one '
            'request, where its size is known beforehand. Unless it is set, '
            'an image of at most one segment is, since segments are sent in '
            'parallel, and again one by one.',
        ),
        cfg.IntOpt(
            'swift_store_large_object_chunk_size',
            default=16,
            min=1,
            help='The size of a segment, in MiB; each request in flight may '
            'hold one in memory. Images that would need more segments than '
            'the cluster allows get larger ones, which are sent in pieces of '
            'this size unless they come from a file.',
        ),
        cfg.IntOpt(
            'swift_store_expire_soon_interval',
            default=60,
            min=0,
            help='Seconds before its end at which a token is renewed.',
        ),
        cfg.IntOpt(
            'swift_store_retry_get_count',
            default=0,
            min=0,
            help=f'{_WITHOUT_EFFECT}see the option retries.',
        ),
        cfg.BoolOpt(
            'swift_store_use_trusts',
            default=True,
            help=f"{_WITHOUT_EFFECT}the caller's own session is asked for new "
            'tokens.',
        ),
        cfg.BoolOpt(
            'swift_store_ssl_compression',
            default=True,
            help=f'{_WITHOUT_EFFECT}TLS has no compression any more.',
        ),
        cfg.BoolOpt(
            'swift_buffer_on_upload',
            default=False,
            help=f'{_WITHOUT_EFFECT}nothing is buffered on a disk.',
        ),
        cfg.StrOpt(
            'swift_upload_buffer_dir',
            help=f'{_WITHOUT_EFFECT}nothing is buffered on a disk.',
        ),
    ]


def _credentials() -> list[cfg.Opt]:
    from oslo_config import cfg

    return [
        cfg.StrOpt(
            'swift_store_auth_address',
            help='Where tokens are had: Keystone, or version 1 of '
            "Swift's own authentication where the path ends in /v1 or /v1.0.",
        ),
        cfg.StrOpt(
            'swift_store_auth_version',
            default='3',
            choices=['1', '3'],
            help='The version of the authentication.',
        ),
        cfg.StrOpt(
            'swift_store_user',
            secret=True,
            help='The user, as tenant:user.',
        ),
        cfg.StrOpt('swift_store_key', secret=True, help="The user's key."),
        cfg.StrOpt(
            'swift_store_application_credential_id',
            secret=True,
            help='An application credential of Keystone, instead of a user.',
        ),
        cfg.StrOpt(
            'swift_store_application_credential_secret',
            secret=True,
            help='The secret to it.',
        ),
        cfg.StrOpt(
            'swift_store_project_name',
            help=f'{_WITHOUT_EFFECT}an application credential has a project.',
        ),
        cfg.StrOpt(
            'swift_store_project_id',
            help=f'{_WITHOUT_EFFECT}an application credential has a project.',
        ),
        cfg.StrOpt(
            'swift_store_config_file',
            help='A file with the credentials that swift+config:// URIs refer '
            'to: a section for each, with auth_address, user and key, or '
            'application_credential_id and application_credential_secret, '
            'and the domains of user and project. It takes the place of the '
            'options above.',
        ),
        cfg.StrOpt(
            'default_swift_reference',
            default='ref1',
            help='The credentials where a URI refers to none; without such a '
            'file, the name of those in the options.',
        ),
    ]
