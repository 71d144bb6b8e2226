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

"""A Glance as they were before they had backends."""

from __future__ import annotations

from collections.abc import Iterator

from tests.servers import base
from tests.servers.glance import conf
from tests.servers.glance.server import Glance

_COMMON = """\
[DEFAULT]
node_staging_uri = file://{directory}/staging
public_endpoint = {url}
{options}
[database]
connection = sqlite:///{directory}/glance.sqlite
connection_parameters = timeout=30
[glance_store]
stores = file,http,rbd
default_store = file
# Empty, or its default counts; new images lie where the number is highest.
filesystem_store_datadir =
filesystem_store_datadirs = {directory}/spare:100
filesystem_store_datadirs = {images}:200
rbd_store_ceph_conf = {cluster.conf}
rbd_store_user = {user}
rbd_store_pool = images
[oslo_concurrency]
lock_path = {directory}/locks
[oslo_policy]
policy_file = {directory}/policy.yaml
"""


class SingleStore(Glance):
    """Glance over file, in two directories, and rbd; for everybody."""

    def _configuration(self) -> Iterator[str]:
        assert self._cluster is not None
        user = 'glance-single'
        self._cluster.user(
            user, mon='profile rbd', osd='profile rbd pool=images'
        )
        yield _COMMON.format(
            cluster=self._cluster,
            directory=self.directory,
            images=self.images,
            options='\n'.join(f'{k} = {v}' for k, v in self._options.items()),
            user=user,
            url=self.url,
        )
        paste = base.ENVIRONMENT / 'etc' / 'glance' / 'glance-api-paste.ini'
        # What goes on with the policies' section.
        yield conf.NO_AUTH.format(paste=paste)
