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

"""What Glance is configured by: a file as an operator writes it."""

from __future__ import annotations

COMMON = """\
[DEFAULT]
enabled_backends = {backends}
enabled_import_methods = [copy-image, glance-direct]
public_endpoint = {url}
{options}
[database]
connection = sqlite:///{directory}/glance.sqlite
# Seconds that a transaction waits for its turn.
connection_parameters = timeout=30
[glance_store]
default_backend = fast
[import_filtering_opts]
# What is registered lies on this machine, at any port.
allowed_hosts = [127.0.0.1]
allowed_ports = []
[fast]
filesystem_store_datadir = {images}
[spare]
filesystem_store_datadir = {directory}/spare
[web]
[oslo_concurrency]
lock_path = {directory}/locks
[os_glance_staging_store]
filesystem_store_datadir = {directory}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {directory}/tasks
[oslo_policy]
# There is no such file; the defaults are in the code.
policy_file = {directory}/policy.yaml
"""

RBD = """\
[ceph]
rbd_store_ceph_conf = {cluster.conf}
rbd_store_user = {user}
rbd_store_pool = images
rbd_store_chunk_size = 4
"""

S3 = """\
[objects]
s3_store_host = {gateway.url}
s3_store_access_key = {user.access_key}
s3_store_secret_key = {user.secret_key}
s3_store_bucket = {bucket}
s3_store_create_bucket_on_put = true
s3_store_bucket_url_format = path
"""

SWIFT = """\
[archive]
swift_store_config_file = {directory}/swift-store.conf
default_swift_reference = images
swift_store_container = glance
swift_store_create_container_on_put = true
swift_store_large_object_size = 5
swift_store_large_object_chunk_size = 5
"""

#: The file that a ``swift+config`` location refers to.
SWIFT_REFERENCES = """\
[images]
auth_version = 3
auth_address = {url}
user = {user.project}:{user.name}
key = {user.password}
user_domain_id = {domain}
project_domain_id = {domain}
"""

NO_AUTH = """\
# Whoever asks may do all but read locations by the API of their own.
enforce_new_defaults = false
enforce_scope = false
[paste_deploy]
config_file = {paste}
flavor =
"""

AUTH = """\
[paste_deploy]
config_file = {paste}
flavor = keystone
[keystone_authtoken]
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
user_domain_id = {domain}
project_domain_id = {domain}
username = {user.name}
password = {user.password}
project_name = {user.project}
service_token_roles = service
service_token_roles_required = true
# A token is asked about at every request, so that a revoked one is noticed.
token_cache_time = -1
"""

#: SQLite cannot make a reading transaction a writing one while there is
#: another, and says so at once; so each takes its turn from its beginning.
GUNICORN = """\
from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, 'before_cursor_execute', retval=True)
def take_turns(_, cursor, statement, parameters, *more):
    if statement == 'BEGIN':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters


bind = '{host}:{port}'
control_socket_disable = True
threads = 8
worker_class = 'gthread'
worker_tmp_dir = '{directory}'
wsgi_app = 'glance.wsgi.api:application'
"""
