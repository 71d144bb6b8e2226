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

import contextlib
import itertools
import urllib.parse

import pytest
from oslo_config import cfg

from oslo_image.stores.http import HttpStore
from oslo_image.testing.conformance import Harness, StoreConformance
from oslo_image.testing.scripted import ScriptedServer, status

_etags = itertools.count()


class TestHttp(StoreConformance):
    lacks = {
        'write': 'there is no upload in plain HTTP',
        'leftovers': 'there is no upload in plain HTTP',
        'delete': 'there is no deletion in plain HTTP',
        'bounded': 'the server in this process holds the image',
    }
    malformed = (
        'http://',
        'http:///path',
        'http://host:port/path',
        'http://host:99999/path',
        'http://[::1/path',
        'ftp://host/path',
    )

    @pytest.fixture
    def harness(self):
        conf = cfg.ConfigOpts()
        conf.register_opts(HttpStore.list_opts())
        conf(args=[], default_config_files=[])
        servers = {}
        with contextlib.ExitStack() as stack:
            nothing = stack.enter_context(
                ScriptedServer(script=lambda number, request: status(404))
            )
            store = HttpStore(conf)
            stack.callback(store.close)

            def uri(name):
                port = servers.get(name, nothing).port
                return f'http://127.0.0.1:{port}/{urllib.parse.quote(name)}'

            def put(name, data):
                if name not in servers:
                    servers[name] = stack.enter_context(ScriptedServer())
                servers[name].content = data
                servers[name].etag = f'"version-{next(_etags)}"'

            yield Harness(
                store=store,
                uri=uri,
                put=put,
                secret_uri=lambda secret: (
                    f'http://user:{secret}@127.0.0.1:{nothing.port}/image'
                    f'?X-Amz-Signature={secret}'
                ),
            )
