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


"""Where the catalogue lies, and what it loads."""

import os
import subprocess
import sys

import pytest

from oslo_image import catalog, exception, move, opts, stores
from oslo_image import config as configuration
from oslo_image.catalog import options
from oslo_image.stores.file import uri_for


def places(**values):
    conf = configuration.load(values or None, {'g': options.list_opts()})
    return options.database(conf.g), options.datadir(conf.g)


@pytest.mark.parametrize(
    ('data_home', 'user', 'expected'),
    [
        ('/xdg', 0, '/xdg/oslo.image'),
        ('/xdg', 1000, '/xdg/oslo.image'),
        ('', 0, '/var/lib/oslo.image'),
        ('', 1000, '/home/somebody/.local/share/oslo.image'),
    ],
)
def test_default_place(monkeypatch, data_home, user, expected):
    monkeypatch.setenv('XDG_DATA_HOME', data_home)
    monkeypatch.setenv('HOME', '/home/somebody')
    monkeypatch.setattr(os, 'geteuid', lambda: user)
    assert places() == (f'{expected}/catalog.sqlite', f'{expected}/images')


def test_bits_lie_beside_the_database():
    assert places(catalog_database='/srv/c.db') == ('/srv/c.db', '/srv/images')
    assert places(catalog_datadir='/bits')[1] == '/bits'


def test_home_and_relative_paths(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', '/home/somebody')
    monkeypatch.chdir(tmp_path)
    assert places(catalog_database='~/c.db')[0] == '/home/somebody/c.db'
    assert places(catalog_database='c.db')[0] == str(tmp_path / 'c.db')


def test_options_are_generated():
    groups = dict(opts.list_opts())
    names = {option.dest for option in groups['oslo_image']}
    assert names >= {
        'catalog',
        'catalog_database',
        'catalog_datadir',
        'location_strategy',
        'store_type_preference',
        'retries',
    }


class TestOneConfigurationForAll:
    """A mapping may name the options of every part."""

    @pytest.fixture
    def config(self, tmp_path):
        return {
            'catalog_database': str(tmp_path / 'c.sqlite'),
            'retries': 0,
            'filesystem_store_file_perm': 0o600,
            'oslo_image': {'catalog': 'sqlite'},
        }

    def test_it_serves_every_call(self, config, tmp_path):
        image = catalog.API(config).create(data=b'bits')
        uri = uri_for(tmp_path / 'copy')
        with stores.open_writer(uri, config) as writer:
            assert move.Mover(image.id, config).copy(writer).success
        assert stores.stat(uri, config).size == 4

    @pytest.mark.parametrize(
        'wrong', [{'catalogue': 'x'}, {'oslo_images': {'retries': 0}}]
    )
    def test_a_typo_is_found_by_every_call(self, config, tmp_path, wrong):
        config.update(wrong)
        for call in (
            lambda: catalog.API(config),
            lambda: move.Mover('file:///x', config),
            lambda: stores.open_writer('file:///x', config),
        ):
            with pytest.raises(exception.InvalidOption, match='unknown'):
                call()


def test_glances_own_file_is_understood(tmp_path):
    path = tmp_path / 'glance-api.conf'
    path.write_text(
        '[DEFAULT]\nlocation_strategy = store_type\n'
        '[store_type_location_strategy]\nstore_type_preference = rbd,http\n'
    )
    from oslo_config import cfg

    conf = cfg.ConfigOpts()
    conf(['--config-file', str(path)])
    group = {'oslo_image': options.list_opts()}
    found = configuration.load(conf, group).oslo_image
    assert found.location_strategy == 'store_type'
    assert found.store_type_preference == ['rbd', 'http']


def test_importing_the_catalogue_is_light():
    code = (
        'import sys, oslo_image.catalog; assert not {"sqlite3", "stevedore", '
        '"oslo_config", "oslo_image.move"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.parametrize(
    'module',
    [
        'catalog.api',
        'catalog.base',
        'catalog.bits',
        'catalog.embedded',
        'catalog.memory',
        'catalog.registry',
        'catalog.sqlite',
        'move',
        'stores',
    ],
)
def test_imports_make_no_circle(module):
    code = f'import oslo_image.{module}'
    subprocess.run([sys.executable, '-c', code], check=True)


def test_no_such_name():
    with pytest.raises(AttributeError, match='nothing'):
        _ = catalog.nothing
