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

"""What the rbd store says without a cluster."""

import pytest

from oslo_image import exception, stores
from oslo_image.image import Location
from oslo_image.stores.registry import Stores

HERE = '3e0b8a3c-0000-4000-8000-000000000001'
THERE = '3e0b8a3c-0000-4000-8000-000000000002'
UNKNOWN = '3e0b8a3c-0000-4000-8000-000000000003'


@pytest.fixture
def config(tmp_path):
    """Three backends: two pools of one cluster, one of another."""
    for name, fsid in (('here', HERE), ('there', THERE)):
        (tmp_path / f'{name}.conf').write_text(
            f'[global]\n  fsid = {fsid}  # the cluster\nmon host = x\n'
        )
    here, there = (str(tmp_path / f'{n}.conf') for n in ('here', 'there'))
    return {
        'enabled_backends': {'a': 'rbd', 'b': 'rbd', 'c': 'rbd'},
        'default_backend': 'a',
        'a': {'rbd_store_ceph_conf': here, 'rbd_store_pool': 'images'},
        'b': {'rbd_store_ceph_conf': here, 'rbd_store_pool': 'fast'},
        'c': {'rbd_store_ceph_conf': there, 'rbd_store_pool': 'images'},
    }


@pytest.mark.parametrize(
    ('uri', 'backend'),
    [
        (f'rbd://{HERE}/images/i/snap', 'a'),
        (f'rbd://{HERE}/fast/i/snap', 'b'),
        (f'rbd://{HERE}/other/i/snap', 'a'),
        (f'rbd://{THERE}/images/i/snap', 'c'),
        (f'rbd://{THERE}/fast/i/snap', 'c'),
        ('rbd:///fast/i', 'b'),
        ('rbd://i', 'a'),
    ],
)
def test_the_backend_of_the_cluster_and_pool_serves(config, uri, backend):
    found = Stores(config).find(Location(uri))
    expected = config[backend]
    assert found.options.rbd_store_ceph_conf == expected['rbd_store_ceph_conf']
    assert found.options.rbd_store_pool == expected['rbd_store_pool']


def test_metadata_goes_before(config):
    location = Location(f'rbd://{HERE}/images/i/snap', {'store': 'c'})
    assert (
        Stores(config).find(location).options.rbd_store_ceph_conf
        == (config['c']['rbd_store_ceph_conf'])
    )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'ordr': 22}, 'knows no ordr; there are order, features'),
        ({'if_exists': 'in_place', 'order': 22}, 'in place knows no order'),
    ],
)
def test_an_unknown_option_of_a_writer(options, message):
    with pytest.raises(exception.InvalidOption, match=message):
        stores.open_writer('rbd:///pool/image', **options)


@pytest.mark.parametrize('uri', ['rbd:///pool', f'rbd://{UNKNOWN}/pool'])
def test_a_pool_is_no_image(uri):
    with pytest.raises(exception.InvalidLocation, match='no image'):
        stores.open_source(uri)
    writer = stores.open_writer(uri)
    with pytest.raises(exception.InvalidLocation, match='no image'):
        writer.check(1)
