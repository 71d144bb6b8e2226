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

import pytest
from oslo_config import cfg

from oslo_image import config, exception, move, opts
from oslo_image.move import options
from oslo_image.stores import registry
from oslo_image.stores.registry import Stores

GLANCE_API = """
[DEFAULT]
enabled_backends = fast:file, slow:file
image_size_cap = 4096
debug = true

[glance_store]
default_backend = slow

[fast]
filesystem_store_datadir = {0}/fast

[slow]
filesystem_store_datadir = {0}/slow
filesystem_store_file_perm = 416

[keystone_authtoken]
password = unrelated
"""


@pytest.fixture
def glance_conf(tmp_path):
    path = tmp_path / 'glance-api.conf'
    path.write_text(GLANCE_API.format(tmp_path))
    conf = cfg.ConfigOpts()
    conf(['--config-file', str(path)], project='glance')
    return conf


def stores_of(given):
    return Stores(given, options.list_opts())


class TestConfigOpts:
    def test_an_operators_own_file_just_works(self, glance_conf, tmp_path):
        stores = stores_of(glance_conf)
        assert stores.conf.image_size_cap == 4096
        default = stores.find(stores.location('file:///x'))
        assert default.options.filesystem_store_datadir == f'{tmp_path}/slow'
        assert default.options.filesystem_store_file_perm == 0o640

    def test_metadata_names_the_backend(self, glance_conf, tmp_path):
        from oslo_image.image import Location

        stores = stores_of(glance_conf)
        fast = stores.find(Location('file:///x', {'store': 'fast'}))
        assert fast.options.filesystem_store_datadir == f'{tmp_path}/fast'

    def test_nothing_is_registered_on_the_callers(self, glance_conf):
        before = set(glance_conf)
        stores_of(glance_conf)
        assert set(glance_conf) == before

    def test_an_option_of_another_type_does_not_clash(self, glance_conf):
        glance_conf.register_opt(cfg.ListOpt('enabled_backends'))
        glance_conf.set_override('enabled_backends', ['lvm'])
        assert set(stores_of(glance_conf).conf.enabled_backends) == {
            'fast',
            'slow',
        }

    def test_the_callers_override_counts(self, glance_conf):
        glance_conf.register_opt(cfg.IntOpt('image_size_cap', default=1))
        glance_conf.set_override('image_size_cap', 99)
        assert stores_of(glance_conf).conf.image_size_cap == 99

    def test_the_callers_default_does_not(self):
        conf = cfg.ConfigOpts()
        conf([], project='other')
        conf.register_opt(cfg.IntOpt('image_size_cap', default=1))
        assert stores_of(conf).conf.image_size_cap == 1 << 40

    def test_one_that_was_never_called_is_as_none(self):
        assert stores_of(cfg.ConfigOpts()).conf.image_size_cap == 1 << 40


class TestOtherServicesFiles:
    """What a service's file says to others must not stop us."""

    def load(self, tmp_path, text, *args):
        path = tmp_path / 'service.conf'
        path.write_text(text)
        conf = cfg.ConfigOpts()
        conf(['--config-file', str(path), *args], project='service')
        return conf

    def test_cinders_backends_are_a_list(self, tmp_path):
        conf = self.load(
            tmp_path,
            '[DEFAULT]\nenabled_backends = lvm,ceph\nimage_size_cap = 7\n',
        )
        assert stores_of(conf).conf.image_size_cap == 7

    def test_a_backend_of_a_store_that_is_not_here(self, tmp_path):
        conf = self.load(
            tmp_path,
            '[DEFAULT]\nenabled_backends = tape:tape, fast:file\n'
            '[glance_store]\ndefault_backend = tape\n'
            '[fast]\nfilesystem_store_datadir = /fast\n',
        )
        stores = stores_of(conf)
        assert "store 'tape'" in stores.broken['tape']
        store = stores.find(stores.location('file:///x'))
        assert store.options.filesystem_store_datadir == '/fast'
        with pytest.raises(exception.UnknownScheme, match='is not installed'):
            stores.location('tape://x')

    def test_a_directory_of_files_is_read(self, tmp_path):
        (tmp_path / 'd').mkdir()
        (tmp_path / 'd' / 'one.conf').write_text(
            '[DEFAULT]\nimage_size_cap = 9\n'
        )
        conf = self.load(tmp_path, '', '--config-dir', str(tmp_path / 'd'))
        assert stores_of(conf).conf.image_size_cap == 9

    def test_the_callers_own_variables_count(self, tmp_path):
        conf = self.load(
            tmp_path,
            '[DEFAULT]\nstate_path = /var/lib/x\n'
            '[glance_store]\nfilesystem_store_datadir = $state_path/images\n',
        )
        conf.register_opt(cfg.StrOpt('state_path'))
        conf.register_opt(
            cfg.StrOpt('filesystem_store_datadir'), 'glance_store'
        )
        found = stores_of(conf).conf.glance_store
        assert found.filesystem_store_datadir == '/var/lib/x/images'

    def test_a_default_that_is_nobody_is_a_mistake(self, tmp_path):
        conf = self.load(tmp_path, '[glance_store]\ndefault_backend = x\n')
        with pytest.raises(exception.InvalidOption, match="'x'"):
            stores_of(conf)


def test_nothing_comes_from_home_or_environment(tmp_path, monkeypatch):
    home = tmp_path / '.oslo.image' / 'oslo.image.conf.d'
    home.mkdir(parents=True)
    (home / 'x.conf').write_text('[DEFAULT]\nimage_size_cap = 7\n')
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('OS_DEFAULT__IMAGE_SIZE_CAP', '9')
    for given in (None, {}, cfg.ConfigOpts()):
        assert stores_of(given).conf.image_size_cap == 1 << 40


class TestMapping:
    def test_by_name(self):
        stores = stores_of({'filesystem_store_datadir': '/a', 'retries': 1})
        store = stores.find(stores.location('file:///x'))
        assert store.options.filesystem_store_datadir == '/a'
        assert stores.conf.oslo_image.retries == 1

    def test_by_group(self):
        stores = stores_of(
            {
                'enabled_backends': {'mine': 'file'},
                'default_backend': 'mine',
                'mine': {'filesystem_store_datadir': '/b'},
            }
        )
        store = stores.find(stores.location('file:///x'))
        assert store.options.filesystem_store_datadir == '/b'

    def test_backends_as_in_a_file(self):
        stores = stores_of({'enabled_backends': 'mine:file, other:http'})
        assert stores.conf.enabled_backends == {
            'mine': 'file',
            'other': 'http',
        }

    @pytest.mark.parametrize(
        ('given', 'words'),
        [
            ({'no_such_option': 1}, 'no_such_option'),
            ({'glance_store': {'no_such': 1}}, "'no_such'.*glance_store"),
            ({'retries': 'many'}, 'retries'),
            ({'retries': -1}, 'retries'),
            ({'enabled_backends': {'mine': 'floppy'}}, 'floppy'),
            ({'default_backend': 'nobody'}, 'nobody'),
            ({'enabled_backends': {'glance_store': 'file'}}, 'taken'),
            ([], 'a list'),
        ],
    )
    def test_what_cannot_be_is_named(self, given, words):
        with pytest.raises(exception.InvalidOption, match=words):
            move.Mover('file:///x', given)

    def test_a_string_for_many_is_one(self):
        stores = stores_of({'filesystem_store_datadirs': '/srv/images'})
        found = stores.conf.glance_store.filesystem_store_datadirs
        assert found == ['/srv/images']

    def test_two_configurations_share_nothing(self):
        one = stores_of({'filesystem_store_datadir': '/a'})
        two = stores_of({'filesystem_store_datadir': '/b'})
        found = [
            stores.find(
                stores.location('file:///x')
            ).options.filesystem_store_datadir
            for stores in (one, two)
        ]
        assert found == ['/a', '/b']


class TestPlugins:
    def test_a_broken_store_is_named_when_its_scheme_is_used(
        self, monkeypatch
    ):
        classes, _ = registry.plugins()
        monkeypatch.setattr(
            registry,
            'plugins',
            lambda: (classes, {'shiny': 'ImportError: no shiny'}),
        )
        with pytest.raises(exception.UnknownScheme, match='no shiny'):
            move.Mover('shiny://x/y')
        assert move.Mover('file:///x')

    def test_a_backend_of_a_broken_store_says_why(self, monkeypatch):
        monkeypatch.setattr(
            registry, 'plugins', lambda: ({}, {'shiny': 'RuntimeError: boom'})
        )
        with pytest.raises(exception.InvalidOption, match='boom'):
            Stores({'enabled_backends': {'mine': 'shiny'}})


def test_list_opts_can_be_loaded_as_a_whole():
    groups = dict(opts.list_opts())
    conf = config.load(None, groups)
    assert conf.image_size_cap == 1 << 40
    assert {'DEFAULT', 'glance_store', 'oslo_image'} == set(groups)
    names = [one.name for found in groups.values() for one in found]
    assert len(names) == len(set(names))
    assert all(one.help for found in groups.values() for one in found)
