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

"""Images in Ceph: ``rbd://`` URIs, for reading and writing.

The libraries ``rados`` and ``rbd`` are imported with the first connection.
"""

from oslo_image.stores.rbd.connection import RbdAuth
from oslo_image.stores.rbd.store import RbdStore

__all__ = ['RbdAuth', 'RbdStore']
