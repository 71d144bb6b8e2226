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

"""Which backend serves a location, by an operator's own configuration."""

import pytest
from oslo_config import cfg

from oslo_image.image import Location
from oslo_image.move import options
from oslo_image.stores.registry import Stores

FSID = '11111111-2222-4333-8444-555555555555'
OTHER = '99999999-2222-4333-8444-555555555555'


@pytest.fixture
def conf(tmp_path):
    """Return the ConfigOpts of a file, in which `@` is the directory."""

    def make(text, register=()):
        path = tmp_path / 'service.conf'
        path.write_text(text.replace('@', str(tmp_path)))
        found = cfg.ConfigOpts()
        for group, option in register:
            found.register_opt(option, group)
        found([f'--config-file={path}'], default_config_files=[])
        return found

    for name, fsid in (('one', FSID), ('other', OTHER)):
        (tmp_path / f'{name}.conf').write_text(f'[global]\nfsid = {fsid}\n')
    return make


def found(stores, uri, **metadata):
    location = Location(uri, metadata)
    return stores.find(location).options


class TestGlance:
    def test_a_single_store_of_old(self, conf):
        """As before there were backends: all in one group."""
        stores = Stores(
            conf(
                '[glance_store]\nstores = file,rbd\ndefault_store = rbd\n'
                'filesystem_store_datadirs = @/a:200\n'
                'filesystem_store_datadirs = @/b\n'
                'rbd_store_ceph_conf = @/one.conf\nrbd_store_pool = gold\n'
            )
        )
        assert found(stores, 'rbd://x').rbd_store_pool == 'gold'
        assert len(found(stores, 'file:///x').filesystem_store_datadirs) == 2

    def test_a_single_store_of_older(self, conf):
        """As before it had a group."""
        stores = Stores(
            conf(
                '[DEFAULT]\nknown_stores = glance.store.filesystem.Store,'
                'glance.store.rbd.Store\ndefault_store = rbd\n'
                'filesystem_store_datadirs = @/a:200\n'
                'filesystem_store_datadirs = @/b\n'
                'rbd_store_ceph_conf = @/one.conf\nrbd_store_pool = gold\n'
                'rbd_store_user = old\nrados_connect_timeout = 7\n'
                '[glance_store]\nrbd_store_user = new\n'
            )
        )
        options = found(stores, 'rbd://x')
        assert options.rbd_store_pool == 'gold'
        assert options.rbd_store_user == 'new'
        assert options.rados_connect_timeout == 7
        assert len(found(stores, 'file:///x').filesystem_store_datadirs) == 2
        assert stores.conf.glance_store.default_store == 'rbd'

    def test_one_option_of_older(self, conf):
        stores = Stores(conf('[DEFAULT]\nfilesystem_store_datadir = /old\n'))
        options = found(stores, 'file:///x')
        assert options.filesystem_store_datadir == '/old'

    @pytest.mark.parametrize('group', ['DEFAULT', 'glance_store'])
    def test_a_single_store_is_that_of_new_images(self, conf, group):
        stores = Stores(conf(f'[{group}]\ndefault_store = rbd\n'))
        glance = stores.find(Location('glance://x'))
        assert glance._default == 'rbd'
        assert glance._backends['rbd'] is stores.find(Location('rbd://x'))

    def test_defaults_of_all_backends(self, conf):
        stores = Stores(
            conf(
                '[DEFAULT]\nenabled_backends = a:rbd, b:rbd\n'
                '[backend_defaults]\nrbd_store_user = all\n'
                'rados_connect_timeout = 3\n'
                '[b]\nrbd_store_user = own\n'
            )
        )
        uri = f'rbd://{FSID}/p/i/s'
        a, b = (found(stores, uri, store=one) for one in 'ab')
        assert (a.rbd_store_user, b.rbd_store_user) == ('all', 'own')
        assert a.rados_connect_timeout == b.rados_connect_timeout == 3

    def test_defaults_in_a_mapping(self):
        stores = Stores(
            {
                'enabled_backends': 'a:rbd',
                'backend_defaults': {'rbd_store_user': 'all'},
                'a': {'rbd_store_pool': 'p'},
            }
        )
        assert found(stores, 'rbd://x').rbd_store_user == 'all'

    @pytest.mark.parametrize(
        ('uri', 'user'),
        [
            (f'rbd://{FSID}/gold/i/snap', 'gold'),
            (f'rbd://{FSID}/silver/i/snap', 'silver'),
            (f'rbd://{OTHER}/gold/i/snap', 'other'),
            (f'rbd://{FSID}/lead/i/snap', 'silver'),
        ],
    )
    @pytest.mark.parametrize('default', ['silver', 'other'])
    def test_rbd_by_cluster_then_pool(self, conf, uri, user, default):
        sections = ''.join(
            f'[{name}]\nrbd_store_user = {name}\nrbd_store_pool = {pool}\n'
            f'rbd_store_ceph_conf = @/{file}.conf\n'
            for name, pool, file in (
                ('silver', 'silver', 'one'),
                ('gold', 'gold', 'one'),
                ('other', 'gold', 'other'),
            )
        )
        stores = Stores(
            conf(
                '[DEFAULT]\nenabled_backends = silver:rbd,gold:rbd,other:rbd\n'
                f'{sections}[glance_store]\ndefault_backend = {default}\n'
            )
        )
        assert found(stores, uri).rbd_store_user == user

    def test_what_nobody_has_set_does_not_count(self, conf):
        """Its default pool is images, of no cluster that it knows."""
        stores = Stores(
            conf(
                '[DEFAULT]\nenabled_backends = mine:rbd\n'
                '[mine]\nrbd_store_user = me\nrbd_store_pool = p\n'
            )
        )
        assert found(stores, f'rbd://{FSID}/images/i/s').rbd_store_user == 'me'

    @pytest.mark.parametrize(
        ('uri', 'key'),
        [
            ('s3://one/gold/k', 'a'),
            ('s3://one/silver/k', 'b'),
            ('s3+https://two/gold/k', 'c'),
        ],
    )
    def test_s3_by_host_then_bucket(self, conf, uri, key):
        sections = ''.join(
            f'[{name}]\ns3_store_access_key = {name}\ns3_store_host = {host}\n'
            f's3_store_secret_key = x\ns3_store_bucket = {bucket}\n'
            for name, host, bucket in (
                ('c', 'https://two', 'gold'),
                ('b', 'http://one', 'silver'),
                ('a', 'http://one', 'gold'),
            )
        )
        stores = Stores(
            conf(f'[DEFAULT]\nenabled_backends = c:s3,b:s3,a:s3\n{sections}')
        )
        assert found(stores, uri).s3_store_access_key == key

    @pytest.mark.parametrize(
        ('container', 'seed'), [('gold', 'a'), ('silver_ab', 'b')]
    )
    def test_swift_by_container(self, conf, container, seed):
        sections = ''.join(
            f'[{name}]\nswift_store_user = t:{name}\nswift_store_key = x\n'
            'swift_store_auth_address = https://one/v3\n'
            f'swift_store_container = {own}\n'
            for name, own in (('b', 'silver'), ('a', 'gold'))
        )
        stores = Stores(
            conf(f'[DEFAULT]\nenabled_backends = b:swift,a:swift\n{sections}')
        )
        uri = f'swift+config://ref1/{container}/o'
        assert found(stores, uri).swift_store_user == f't:{seed}'

    @pytest.mark.parametrize('name', ['fast', 'slow'])
    def test_files_by_directory(self, conf, tmp_path, name):
        stores = Stores(
            conf(
                '[DEFAULT]\nenabled_backends = fast:file, slow:file\n'
                '[fast]\nfilesystem_store_datadir = @/fast\n'
                '[slow]\nfilesystem_store_datadirs = @/slow:10\n'
                'filesystem_store_datadirs = @/slower:20\n'
                '[glance_store]\ndefault_backend = fast\n'
            )
        )
        used = found(stores, f'file://{tmp_path}/{name}/image')
        assert dict(used) == dict(stores.conf[name])


NOVA = """\
[glance]
rbd_user = reader
rbd_pool = images
rbd_ceph_conf = @/one.conf
rbd_connect_timeout = -1
[libvirt]
images_type = rbd
images_rbd_pool = vms
images_rbd_ceph_conf = @/one.conf
rbd_user = nova
"""
CINDER = """\
[DEFAULT]
enabled_backends = lvm, gold, far, plain
[backend_defaults]
rbd_user = cinder
[lvm]
volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver
[gold]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_pool = volumes
rbd_ceph_conf = @/one.conf
rados_connect_timeout = -1
[far]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_pool = volumes
rbd_user = far
rbd_ceph_conf = @/other.conf
[plain]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_cluster_name = third
"""


class TestNova:
    @pytest.mark.parametrize(
        ('pool', 'user'), [('images', 'reader'), ('vms', 'nova')]
    )
    def test_its_pools(self, conf, pool, user):
        used = found(Stores(conf(NOVA)), f'rbd://{FSID}/{pool}/i/s')
        assert used.rbd_store_user == user
        assert used.rbd_store_pool == pool

    def test_its_own_options_do_not_clash(self, conf):
        """As Nova registers them, of the types that it gives them."""
        theirs = conf(
            NOVA,
            register=[
                ('glance', cfg.StrOpt('rbd_user', default='')),
                ('glance', cfg.IntOpt('rbd_connect_timeout', default=5)),
                ('glance', cfg.ListOpt('api_servers')),
                ('glance', cfg.ListOpt('valid_interfaces')),
                ('libvirt', cfg.StrOpt('rbd_user')),
                ('libvirt', cfg.StrOpt('images_rbd_pool', default='rbd')),
            ],
        )
        theirs.set_override('rbd_user', 'other', 'libvirt')
        used = found(Stores(theirs), f'rbd://{FSID}/vms/i')
        assert used.rbd_store_user == 'other'
        assert 'rbd_store_user' not in theirs.libvirt
        assert 'glance_store' not in theirs

    def test_without_ceph_there_is_no_such_backend(self, conf):
        stores = Stores(conf('[glance]\nnum_retries = 3\n[libvirt]\n'))
        assert 'rbd_user' not in found(stores, 'rbd://x')

    def test_a_backend_of_glances_may_have_that_name(self, conf):
        stores = Stores(
            conf(
                '[DEFAULT]\nenabled_backends = glance:rbd\n'
                '[glance]\nrbd_store_user = mine\nrbd_user = not-mine\n'
            )
        )
        assert found(stores, 'rbd://x').rbd_store_user == 'mine'


class TestCinder:
    @pytest.mark.parametrize(
        ('fsid', 'group', 'user', 'timeout'),
        [(FSID, 'gold', 'cinder', -1), (OTHER, 'far', 'far', 30)],
    )
    def test_its_backends(self, conf, fsid, group, user, timeout):
        stores = Stores(conf(CINDER))
        used = found(stores, f'rbd://{fsid}/volumes/volume-1')
        assert dict(used) == dict(stores.conf[group])
        assert used.rbd_store_user == user
        assert used.rados_connect_timeout == timeout
        assert not stores.broken.keys() & {'lvm', 'gold', 'far', 'plain'}

    def test_a_cluster_by_its_name(self, conf):
        stores = Stores(conf(CINDER))
        assert stores.conf.plain.rbd_store_ceph_conf == '/etc/ceph/third.conf'
        assert stores.conf.plain.rbd_store_pool == 'rbd'

    def test_its_own_options_do_not_clash(self, conf):
        theirs = conf(
            CINDER,
            register=[
                (None, cfg.ListOpt('enabled_backends')),
                ('gold', cfg.StrOpt('rbd_pool', default='rbd')),
                ('gold', cfg.IntOpt('rados_connect_timeout', default=-1)),
                ('gold', cfg.StrOpt('rbd_user')),
            ],
        )
        assert theirs.enabled_backends == ['lvm', 'gold', 'far', 'plain']
        used = found(Stores(theirs), f'rbd://{FSID}/volumes/v')
        assert (used.rbd_store_pool, used.rbd_store_user) == (
            'volumes',
            'cinder',
        )


class TestWhereGlanceIs:
    @pytest.mark.parametrize(
        ('text', 'endpoint'),
        [
            ('[glance]\nendpoint_override = https://g', 'https://g'),
            (
                '[glance]\napi_servers = http://a:9292,http://b',
                'http://a:9292',
            ),
            ('[DEFAULT]\nglance_api_servers = a:9292', 'http://a:9292'),
            (
                '[DEFAULT]\nglance_api_servers = a\n'
                '[glance]\nendpoint_override = https://g\n'
                '[glance_store]\nglance_endpoint = https://ours',
                'https://ours',
            ),
        ],
    )
    def test_the_endpoint(self, conf, text, endpoint):
        used = found(Stores(conf(text)), 'glance://x')
        assert used.glance_endpoint == endpoint

    def test_who_asks(self, conf):
        used = found(
            Stores(
                conf(
                    '[glance]\nauth_url = https://k/v3\nusername = cinder\n'
                    'password = c4n4ry\nproject_name = service\n'
                    'valid_interfaces = internal,public\n'
                    'region_name = here\ncafile = /ca.pem\n'
                )
            ),
            'glance://x',
        )
        assert used.glance_auth_url == 'https://k/v3'
        assert (used.glance_username, used.glance_password) == (
            'cinder',
            'c4n4ry',
        )
        assert (used.glance_interface, used.glance_region_name) == (
            'internal',
            'here',
        )
        assert used.glance_ca_certificates_file == '/ca.pem'
        assert not used.glance_insecure


class TestGlancesOwnFile:
    """By which it runs: it says where it is, and who may ask."""

    SERVED = (
        '[DEFAULT]\nenabled_backends = a:file\n{more}\n'
        '[glance_store]\ndefault_backend = a\n{ours}\n'
        '[paste_deploy]\nflavor = {flavor}\n'
        '[keystone_authtoken]\nauth_url = http://k\nusername = glance\n'
        'password = p\nproject_name = service\nregion_name = one\n'
    )

    def made(self, conf, more='', ours='', flavor='keystone'):
        text = self.SERVED.format(more=more, ours=ours, flavor=flavor)
        found = Stores(conf(text), options.list_opts()).conf
        return found.oslo_image.catalog, found.glance_store

    @pytest.mark.parametrize(
        ('more', 'endpoint'),
        [
            ('public_endpoint = https://g/', 'https://g/'),
            ('bind_port = 9292', 'http://127.0.0.1:9292'),
            ('bind_host = ::\nbind_port = 1', 'http://[::1]:1'),
            ('bind_host = 10.0.0.9\nbind_port = 1', 'http://10.0.0.9:1'),
            ('', None),
        ],
    )
    def test_where_it_is(self, conf, more, endpoint):
        catalog, found = self.made(conf, more)
        assert catalog == 'glance'
        assert found.glance_endpoint == endpoint
        assert found.glance_username == 'glance'
        assert found.glance_auth_url == 'http://k'
        assert found.glance_region_name == 'one'

    def test_without_keystone(self, conf):
        catalog, found = self.made(conf, 'bind_port = 9292', flavor='')
        assert catalog == 'glance'
        assert found.glance_auth_url is None

    def test_nobody_says_where_it_is(self, conf):
        catalog, _ = self.made(conf, flavor='')
        assert catalog == 'sqlite'

    @pytest.mark.parametrize(
        'ours', ['glance_token = t', 'glance_username = me']
    )
    def test_credentials_are_not_mixed(self, conf, ours):
        _, found = self.made(conf, 'bind_port = 9292', ours)
        assert found.glance_auth_url is None
        assert found.glance_project_name is None
        assert found.glance_endpoint == 'http://127.0.0.1:9292'

    def test_who_says_another_catalogue_has_it(self, conf):
        more = 'bind_port = 1\n[oslo_image]\ncatalog = memory'
        catalog, _ = self.made(conf, more)
        assert catalog == 'memory'

    @pytest.mark.parametrize(
        'text',
        [
            # Ours.
            '[DEFAULT]\nenabled_backends = a:file\nbind_port = 1\n',
            # Cinder's.
            '[DEFAULT]\nenabled_backends = a\npublic_endpoint = http://c\n'
            '[keystone_authtoken]\nauth_url = http://k\n',
            # Nova's, with stores of Glance's beside.
            '[DEFAULT]\nenabled_backends = a:file\n[glance]\n'
            '[keystone_authtoken]\nauth_url = http://k\n',
        ],
    )
    def test_others_are_not_taken_for_it(self, conf, text):
        found = Stores(conf(text), options.list_opts()).conf
        assert found.oslo_image.catalog == 'sqlite'
        assert found.glance_store.glance_auth_url is None
        assert found.glance_store.glance_endpoint is None
