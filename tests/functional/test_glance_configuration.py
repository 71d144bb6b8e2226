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

"""The files that operators have: Glance's, Nova's and Cinder's own."""

import concurrent.futures
import hashlib
import io

import pytest
from oslo_config import cfg

from oslo_image import exception, move, stores
from oslo_image.cli import main
from tests.functional.glances import Glances, MiB, pattern
from tests.servers import glance as glance_server
from tests.servers import policy

DATA = pattern(2 * MiB + 17)


@pytest.fixture
def read(tmp_path):
    """Return the ConfigOpts of a service's file, and of one for the mover."""

    def conf(name, *paths, text='', glance='', register=()):
        if text:
            path = tmp_path / f'{name}.conf'
            path.write_text(text)
            paths = [*paths, path]
        more = tmp_path / f'{name}-mover.conf'
        more.write_text(
            '[oslo_image]\ncatalog = glance\nretry_pause = 0.01\n'
            + (f'[glance_store]\nglance_endpoint = {glance}\n' * bool(glance))
        )
        found = cfg.ConfigOpts()
        for group, option in register:
            found.register_opt(option, group)
        found(
            [f'--config-file={one}' for one in (*paths, more)],
            project=name,
            default_config_files=[],
        )
        return found

    return conf


@pytest.fixture(scope='module')
def single(ceph, xfs):
    """A Glance with one store of a kind and no backends."""
    with policy.provided(
        glance_server.SingleStore(cluster=ceph, images=xfs / 'single')
    ) as server:
        yield server


class TestOneStoreOfAKind:
    """No location says which store it is of."""

    @pytest.fixture
    def images(self, single):
        return Glances(single.url)

    @pytest.fixture
    def conf(self, read, single):
        return read('glance', single.conf, glance=single.url)

    def test_a_file_in_the_first_directory(self, single, images, conf, place):
        image_id = images.stored(DATA)
        assert (single.images / image_id).exists()
        path = place / 'copy'
        with path.open('wb') as file:
            result = move.Mover(image_id, conf).copy(file)
        assert result.strategy == 'reflink'
        assert path.read_bytes() == DATA

    def test_a_file_in_another_directory(self, single, images, conf):
        """Where Glance has put it before, or its operator."""
        image_id = images.stored(DATA)
        there = single.images / image_id
        (single.spare / image_id).write_bytes(DATA)
        there.unlink()
        record = images.show(image_id)
        record['locations'] = [{'url': f'file://{single.spare / image_id}'}]
        buffer = io.BytesIO()
        result = move.Mover(image_id, conf, image=record).copy(buffer)
        assert result.verified
        assert buffer.getvalue() == DATA

    def test_a_directory_that_is_none_of_them_is_denied(
        self, images, conf, tmp_path
    ):
        path = tmp_path / 'image'
        path.write_bytes(DATA)
        record = {'locations': [{'url': f'file://{path}'}]}
        with pytest.raises(exception.LocationDenied):
            move.Mover('x', conf, image=record).copy(io.BytesIO())

    def test_an_image_in_ceph(self, images, conf, pools):
        """By the pool's own user, who may see no other pool."""
        uri = pools.images.make('disk', 8 * MiB, {0: DATA}, 'snap')
        image_id = images.queued()
        step = {'url': uri, 'metadata': {}}
        images.patch(
            image_id, {'op': 'add', 'path': '/locations/-', 'value': step}
        )
        target = pools.volumes.uri('copy')
        with stores.open_writer(target, pools.config) as writer:
            result = move.Mover(image_id, conf).copy(writer)
        assert result.strategy == 'rbd_clone'
        assert result.zero_copy


class TestSeveralOfAKind:
    """Locations without metadata find who may read them."""

    def test_two_users_of_one_cluster(self, ceph, pools, read):
        for pool in ('images', 'vms'):
            ceph.user(
                f'only-{pool}',
                mon='profile rbd',
                osd=f'profile rbd pool={pool}',
            )
        text = '[DEFAULT]\nenabled_backends = vms:rbd, images:rbd\n' + (
            ''.join(
                f'[{pool}]\nrbd_store_pool = {pool}\n'
                f'rbd_store_user = only-{pool}\n'
                for pool in ('vms', 'images')
            )
            + '[backend_defaults]\n'
            f'rbd_store_ceph_conf = {ceph.conf}\n'
        )
        conf = read('glance', text=text)
        for pool in (pools.images, pools.vms):
            uri = pool.make('own', 4 * MiB, {MiB: DATA}, 'snap')
            record = {'locations': [{'url': uri, 'metadata': {}}]}
            buffer = io.BytesIO()
            assert move.Mover('x', conf, image=record).copy(buffer)
            assert buffer.getvalue()[MiB : MiB + len(DATA)] == DATA

    def test_two_servers_of_s3(
        self, bucket, rclone_s3, rgw_user, read, tmp_path
    ):
        other = (rclone_s3.access_key, rclone_s3.secret_key)
        ours = bucket.put('image', DATA)
        assert ours
        (rclone_s3.root / tmp_path.name).mkdir()
        (rclone_s3.root / tmp_path.name / 'image').write_bytes(DATA)
        ends = {
            'far': (rclone_s3.url, other, tmp_path.name),
            'near': (bucket.url, bucket.keys, bucket.name),
        }
        text = '[DEFAULT]\nenabled_backends = far:s3, near:s3\n' + ''.join(
            f'[{name}]\ns3_store_host = {url}\ns3_store_bucket = {own}\n'
            f's3_store_access_key = {keys[0]}\n'
            f's3_store_secret_key = {keys[1]}\n'
            's3_store_bucket_url_format = path\n'
            for name, (url, keys, own) in ends.items()
        )
        conf = read('glance', text=text)
        for url, _, own in ends.values():
            host = url.partition('://')[2]
            record = {'locations': [{'url': f's3://{host}/{own}/image'}]}
            buffer = io.BytesIO()
            assert move.Mover('x', conf, image=record).copy(buffer)
            assert buffer.getvalue() == DATA


class TestNovaAndCinder:
    """What is in their files leads to Glance and to two clusters."""

    @pytest.fixture
    def image_id(self, glance, pools, other_pools):
        return Glances(glance.url).stored(DATA, 'ceph')

    @pytest.fixture
    def nova(self, read, glance, ceph):
        ceph.user(
            'nova',
            mon='profile rbd',
            osd='profile rbd pool=vms, profile rbd-read-only pool=images',
        )
        ceph.user(
            'reader',
            mon='profile rbd',
            osd='profile rbd-read-only pool=images',
        )
        return read(
            'nova',
            text=f"""\
[DEFAULT]
instances_path = /nowhere
[glance]
endpoint_override = {glance.url}
rbd_user = reader
rbd_pool = images
rbd_ceph_conf = {ceph.conf}
rbd_connect_timeout = 30
[libvirt]
images_type = rbd
images_rbd_pool = vms
images_rbd_ceph_conf = {ceph.conf}
rbd_user = nova
""",
            # As Nova has them.
            register=[
                ('glance', cfg.StrOpt('rbd_user', default='')),
                ('glance', cfg.IntOpt('rbd_connect_timeout', default=5)),
                ('libvirt', cfg.StrOpt('images_rbd_pool', default='rbd')),
                ('libvirt', cfg.StrOpt('rbd_user')),
            ],
        )

    @pytest.fixture
    def cinder(self, read, glance, ceph, other_ceph):
        ceph.user(
            'cinder',
            mon='profile rbd',
            osd='profile rbd pool=volumes, profile rbd-read-only pool=images',
        )
        other_ceph.user(
            'far', mon='profile rbd', osd='profile rbd pool=volumes'
        )
        return read(
            'cinder',
            text=f"""\
[DEFAULT]
enabled_backends = lvm, near, far
glance_api_servers = {glance.url}
[backend_defaults]
rados_connect_timeout = -1
[lvm]
volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver
[near]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_cluster_name = ceph
rbd_ceph_conf = {ceph.conf}
rbd_pool = volumes
rbd_user = cinder
[far]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_ceph_conf = {other_ceph.conf}
rbd_pool = volumes
rbd_user = far
""",
            # As Cinder has it: a list, in Glance a dict.
            register=[(None, cfg.ListOpt('enabled_backends'))],
        )

    def copy(self, image_id, conf, target):
        with stores.open_writer(target, conf) as writer:
            return move.Mover(image_id, conf).copy(writer)

    def test_nova_clones_a_disk(self, image_id, nova, pools):
        result = self.copy(image_id, nova, pools.vms.uri('disk'))
        assert (result.strategy, result.zero_copy) == ('rbd_clone', True)
        assert pools.vms.parent('disk') == ('images', image_id, 'snap')

    def test_nova_reads_by_the_user_for_images(self, image_id, nova):
        """As its download does, past Glance's API."""
        buffer = io.BytesIO()
        result = move.Mover(image_id, nova).copy(buffer)
        assert result.source.scheme == 'rbd'
        assert buffer.getvalue() == DATA

    def test_cinder_clones_in_one_cluster(self, image_id, cinder, pools):
        result = self.copy(image_id, cinder, pools.volumes.uri('volume'))
        assert (result.strategy, result.zero_copy) == ('rbd_clone', True)

    def test_cinder_copies_to_the_other(self, image_id, cinder, other_pools):
        result = self.copy(image_id, cinder, other_pools.volumes.uri('volume'))
        assert result.source.scheme == 'rbd'
        assert result.digests['sha512'] == hashlib.sha512(DATA).hexdigest()
        data = other_pools.volumes.read('volume')
        assert data[: len(DATA)] == DATA

    def test_both_in_one_process(
        self, image_id, nova, cinder, pools, other_pools
    ):
        """At once; neither knows what the other is configured by."""
        work = [
            (nova, pools.vms.uri('both')),
            (cinder, pools.volumes.uri('both')),
            (cinder, other_pools.volumes.uri('both')),
        ]
        with concurrent.futures.ThreadPoolExecutor(3) as threads:
            done = [threads.submit(self.copy, image_id, *one) for one in work]
            found = [one.result() for one in done]
        assert [one.zero_copy for one in found] == [True, True, False]
        assert nova.glance.rbd_user == 'reader'
        assert 'rbd_store_user' not in nova.libvirt
        assert cinder.enabled_backends == ['lvm', 'near', 'far']

    def test_one_may_not_what_the_other_may(self, image_id, cinder, pools):
        with pytest.raises(exception.PermissionDenied):
            self.copy(image_id, cinder, pools.vms.uri('not-mine'))


class TestAsItIs:
    """The very file that runs Glance, and nothing beside it."""

    @pytest.mark.parametrize('server', ['glance', 'single', 'glance_keystone'])
    def test_an_id_resolves(self, request, server, keystone, keystone_user):
        glance = request.getfixturevalue(server)
        headers = (
            {'X-Auth-Token': keystone.token(keystone_user)}
            if server == 'glance_keystone'
            else {}
        )
        images = Glances(glance.url, headers)
        fields = {'visibility': 'community'} if headers else {}
        store = 'file' if server == 'single' else 'fast'
        image_id = images.stored(DATA, store, **fields)
        conf = cfg.ConfigOpts()
        conf(
            [f'--config-file={glance.conf}'],
            project='glance',
            default_config_files=[],
        )
        buffer = io.BytesIO()
        result = move.Mover(image_id, conf).copy(buffer)
        assert buffer.getvalue() == DATA
        assert result.source.scheme == 'file'

    def test_by_the_command(self, glance, tmp_path):
        image_id = Glances(glance.url).stored(DATA)
        path = tmp_path / 'copy'
        files = ['--config-file', str(glance.conf)]
        assert main.main(['copy', *files, image_id, str(path)]) == 0
        assert path.read_bytes() == DATA
