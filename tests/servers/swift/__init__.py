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


"""OpenStack Swift: a proxy, and an account, a container and an object server.

They run as whoever runs the tests, without systemd and syslog, on loopback,
and store one replica in a directory. Tokens come from Swift's own tempauth
or from a Keystone::

    with Swift() as swift:
        user = swift.users[0]
        connection = swiftclient.Connection(
            swift.auth_url, user.login, user.key
        )
"""

from tests.servers.swift.cluster import Swift
from tests.servers.swift.conf import User

__all__ = ['Swift', 'User']
