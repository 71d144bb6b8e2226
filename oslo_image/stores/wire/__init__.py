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

"""The one HTTP client of all stores: requests, bodies, ranges, pinning.

Stores that speak HTTP (http, s3, swift, glance) make one :class:`Client` from
:class:`Settings`, sign through :class:`Auth`, read through
:class:`WireSource`, and send bodies, ranges of files among them, through
:meth:`Client.request`. The parts, from the ground up:

=============  ==============================================================
urls           one strict parser of URLs, and where a redirect leads
addresses      which addresses may be reached; connecting to what was checked
fields         header fields, parsed strictly
failures       what sockets, TLS and http.client raise, in our words
payload        what a request carries
answer         an answer being received: deadlines, stalls, limits
connection     one connection: dialled by us, sendfile
settings       deadlines, TLS, proxies
pool           connections kept
body           the body of an answer, counted into the caller's buffer
response       an answer as a store sees it
auth           credentials for requests
watch          who waits for a server can be woken
again          what a destination cannot take now is sent again
sending        a request whose body comes piece by piece
client         requests, redirects, who gets the credentials
pinning        versions compared
source         a source that reads by ranges, or in one stream
=============  ==============================================================
"""

from oslo_image.stores.wire.addresses import AddressPolicy
from oslo_image.stores.wire.again import Persistence
from oslo_image.stores.wire.auth import Auth, FixedAuth
from oslo_image.stores.wire.body import Body
from oslo_image.stores.wire.client import Client
from oslo_image.stores.wire.fields import (
    ContentRange,
    parse_content_range,
    parse_retry_after,
)
from oslo_image.stores.wire.response import Response
from oslo_image.stores.wire.sending import Sending
from oslo_image.stores.wire.settings import Settings, basic
from oslo_image.stores.wire.source import WireSource
from oslo_image.stores.wire.urls import Origin, Target, split
from oslo_image.stores.wire.watch import Watch

__all__ = (
    'AddressPolicy',
    'Auth',
    'basic',
    'Body',
    'Client',
    'ContentRange',
    'FixedAuth',
    'Origin',
    'parse_content_range',
    'parse_retry_after',
    'Persistence',
    'Response',
    'Sending',
    'Settings',
    'split',
    'Target',
    'Watch',
    'WireSource',
)
