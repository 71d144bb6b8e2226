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

"""The example of a third party's store and strategy keeps the contract."""

import importlib.util
import os
import pathlib
import sqlite3
import sys
import types
import urllib.parse

import pytest

from oslo_image import move, stores
from oslo_image.move import strategies
from oslo_image.stores import registry
from oslo_image.testing.conformance import Harness, StoreConformance

PATH = pathlib.Path(__file__).parents[2] / 'examples' / 'blob_store.py'
MiB = 1 << 20


def load() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location('blob_store', PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules['blob_store'] = module
    spec.loader.exec_module(module)
    return module


blob_store = load()


class TestBlobStore(StoreConformance):
    lacks = {
        'in_place': 'rows never change',
        'descriptors': 'a row is made of bytes',
        'secrets': 'a URI is a path and a name',
        'leftovers': 'what is not committed is not there',
    }
    malformed = ('blob://host/db/name', 'blob:///db/', 'blob:///name')

    @pytest.fixture
    def harness(self, tmp_path):
        database = tmp_path / 'images.db'

        def listing():
            if not database.exists():
                return set()
            session = sqlite3.connect(database)
            rows = session.execute(
                'SELECT name FROM image UNION SELECT image FROM row '
                'WHERE image NOT IN (SELECT id FROM image)'
            ).fetchall()
            session.close()
            return {row[0] for row in rows}

        return Harness(
            store=blob_store.BlobStore(None),
            uri=lambda name: (
                f'blob://{database}/{urllib.parse.quote(name, safe="")}'
            ),
            listing=listing,
        )


@pytest.fixture
def installed(monkeypatch):
    """Install the store and the strategy, as their entry points would."""
    classes, broken = registry.plugins()
    found, lost = strategies.plugins()
    classes = {**classes, 'blob': blob_store.BlobStore}
    monkeypatch.setattr(registry, 'plugins', lambda: (classes, broken))
    monkeypatch.setattr(
        strategies, 'plugins', lambda: ((blob_store.RowCopy(), *found), lost)
    )


def test_the_mover_takes_the_third_partys_path(installed, tmp_path):
    bits = os.urandom(MiB) + bytes(2 * MiB) + os.urandom(5)
    (tmp_path / 'image').write_bytes(bits)
    one, two = (f'blob://{tmp_path}/images.db/{name}' for name in 'ab')
    with stores.open_writer(one) as writer:
        into = move.Mover(f'file://{tmp_path}/image').copy(writer)
    assert into.strategy == 'parallel'
    rows = writer.rows
    session = sqlite3.connect(rows.database)
    numbers = session.execute('SELECT number FROM row ORDER BY 1').fetchall()
    session.close()
    assert numbers == [(0,), (3,)]  # zeros that were read became a hole
    with stores.open_writer(two) as writer:
        within = move.Mover(one).copy(writer)
    assert (within.strategy, tuple(within)) == ('row_copy', (True, 0))
    with open(tmp_path / 'back', 'wb') as file:
        back = move.Mover(two).copy(file, verify='always')
    assert (tmp_path / 'back').read_bytes() == bits
    assert back.strategy == 'parallel'
    assert 'row_copy refused' in ' '.join(map(str, back.refusals))
