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


"""The embedded drivers are what the conformance suite says."""

import types

import pytest

from oslo_image.catalog.memory import MemoryDriver
from oslo_image.catalog.sqlite import SqliteDriver
from oslo_image.testing.catalog import DriverConformance


class TestSqlite(DriverConformance):
    @pytest.fixture
    def driver(self, tmp_path):
        path = str(tmp_path / 'state' / 'catalog.sqlite')
        return SqliteDriver(types.SimpleNamespace(catalog_database=path))


class TestMemory(DriverConformance):
    @pytest.fixture
    def driver(self):
        return MemoryDriver()
