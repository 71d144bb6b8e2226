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

import urllib.parse

import pytest
from oslo_config import cfg

from oslo_image.stores.file import FileStore
from oslo_image.testing.conformance import Harness, StoreConformance
from tests.unit.stores.leftover_help import abandon


class TestFile(StoreConformance):
    lacks = {'secrets': 'a path holds none'}
    malformed = (
        'file://',
        'file://host/path',
        'file:relative',
        'file:///directory/',
        'file:///a%00b',
    )

    @pytest.fixture
    def harness(self, tmp_path):
        conf = cfg.ConfigOpts()
        conf.register_opts(FileStore.list_opts())
        conf(args=[], default_config_files=[])
        return Harness(
            store=FileStore(conf),
            uri=lambda name: f'file://{tmp_path}/{urllib.parse.quote(name)}',
            listing=lambda: {one.name for one in tmp_path.iterdir()},
            overwrite=lambda name, data: (tmp_path / name).write_bytes(data),
            abandon=lambda name: abandon(tmp_path, name),
        )
