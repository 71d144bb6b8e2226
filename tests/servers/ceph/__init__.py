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

"""Ceph clusters of one monitor, one manager and one OSD each.

They run as whoever runs the tests, without systemd, on loopback. Several run
side by side, since each has its own fsid, ports and directory::

    with Cluster() as cluster:
        cluster.user('glance', mon='profile rbd', osd='profile rbd')
        with rados.Rados(conffile=str(cluster.conf), rados_id='glance'):
            ...
"""

from tests.servers.ceph.cluster import Cluster
from tests.servers.ceph.rgw import Rgw, User

__all__ = ['Cluster', 'Rgw', 'User']
