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


"""What Swift is configured by."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import NamedTuple

from tests.servers import keystone

SWIFT = """\
[swift-hash]
swift_hash_path_suffix = {suffix}

[storage-policy:0]
name = one
default = yes

[swift-constraints]
{constraints}
"""

#: Of every server. They log to stderr, and to syslog too: port 9 discards.
COMMON = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
user = {user}
swift_dir = {swift_dir}
workers = 0
log_udp_host = {host}
log_udp_port = 9
"""

STORAGE = """\
devices = {swift_dir}/devices
mount_check = false
fallocate_reserve = 0
log_requests = false

[pipeline:main]
pipeline = healthcheck {name}-server

[filter:healthcheck]
use = egg:swift#healthcheck

[app:{name}-server]
use = egg:swift#{name}
"""

#: Segments are served as fast as they can be, however small and many.
PROXY = """\
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging cache \
etag-quoter bulk {auth} copy container-quotas account-quotas slo dlo \
versioned_writes symlink proxy-logging proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
# The only server of objects is asked again, however often it has failed.
error_suppression_limit = 1000000

[filter:cache]
use = egg:swift#memcache
memcache_servers = {memcached}

[filter:bulk]
use = egg:swift#bulk

[filter:slo]
use = egg:swift#slo
max_manifest_segments = {max_segments}
rate_limit_after_segment = 1000000

[filter:dlo]
use = egg:swift#dlo
rate_limit_after_segment = 1000000

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true

[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:etag-quoter]
use = egg:swift#etag_quoter
[filter:copy]
use = egg:swift#copy
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:account-quotas]
use = egg:swift#account_quotas
[filter:symlink]
use = egg:swift#symlink

"""

TEMPAUTH = """\
[filter:tempauth]
use = egg:swift#tempauth
token_life = {token_seconds}
"""

#: A token is asked about once a second, so that a revoked one is noticed.
AUTHTOKEN = """\
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
user_domain_id = {domain}
project_domain_id = {domain}
username = {user.name}
password = {user.password}
project_name = {user.project}
delay_auth_decision = true
include_service_catalog = false
cache = swift.cache
token_cache_time = 1

[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
"""


class User(NamedTuple):
    """Somebody whom tempauth knows."""

    account: str
    name: str
    key: str
    #: What he may do: ``.admin`` is all in his account, nothing is what the
    #: ACLs of a container say.
    groups: tuple[str, ...]

    @property
    def login(self) -> str:
        """What he calls himself to version 1 of the authentication."""
        return f'{self.account}:{self.name}'


def tempauth(users: Iterable[User], token_seconds: int) -> str:
    text = TEMPAUTH.format(token_seconds=token_seconds)
    for user in users:
        # with names in Base64, which may have any character
        account, name = (
            base64.urlsafe_b64encode(part.encode()).decode().rstrip('=')
            for part in (user.account, user.name)
        )
        groups = ' '.join(user.groups)
        text += f'user64_{account}_{name} = {user.key} {groups}\n'
    return text


def authtoken(server: keystone.Keystone, user: keystone.User) -> str:
    return AUTHTOKEN.format(url=server.url, user=user, domain=keystone.DOMAIN)
