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

"""An image in several stores of a real Glance, of which some are damaged."""

import io
import time

import pytest

from oslo_image import exception, move, stores
from tests.functional import clients, glances
from tests.functional.glances import Glances, MiB, pattern

DATA = pattern(3 * MiB + 5)


@pytest.fixture(scope='module')
def images(glance_tasks, keystone):
    """Glance, as an administrator sees it: others may not copy there."""
    user = keystone.user('administrator', 'images', 'admin', 'member')
    return Glances(glance_tasks.url, {'X-Auth-Token': keystone.token(user)})


@pytest.fixture
def image_id(images):
    """An image in four stores at once; copied there by Glance."""
    image_id = images.stored(DATA)
    images.ask(
        'POST',
        f'/images/{image_id}/import',
        {
            'method': {'name': 'copy-image'},
            'stores': ['ceph', 'objects', 'spare'],
            'all_stores_must_succeed': True,
        },
    )
    deadline = time.monotonic() + 60
    while len(images.show(image_id)['locations']) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return image_id


@pytest.fixture
def operator(glance_tasks, images, tmp_path):
    def conf(**others):
        return glances.operator(
            glance_tasks,
            tmp_path / 'mover.conf',
            f'glance_token = {images.headers["X-Auth-Token"]}\n'
            + ''.join(f'[{k}]\n{v}\n' for k, v in others.items()),
        )

    return conf


@pytest.fixture
def damaged(glance_tasks, image_id, rgw, rgw_user):
    """What damages an image in one of its stores."""
    directories = {'fast': glance_tasks.images, 'spare': glance_tasks.spare}

    def damage(store, how):
        if store in directories:
            path = directories[store] / image_id
            if how == 'gone':
                path.unlink()
            else:
                path.write_bytes(pattern(len(DATA), 1))
            return
        keys = rgw_user.access_key, rgw_user.secret_key
        with clients.s3(rgw, *keys) as client:
            where = {'Bucket': glance_tasks.bucket, 'Key': image_id}
            if how == 'gone':
                client.delete_object(**where)
            else:
                client.put_object(**where, Body=pattern(len(DATA), 2))

    return damage


def schemes(refusals):
    return {
        one.source.scheme.partition('+')[0] for one in refusals if one.source
    }


def copied(image_id, conf, path):
    with stores.open_writer(f'file://{path}') as writer:
        result = move.Mover(image_id, conf).copy(writer, verify='always')
    assert path.read_bytes() == DATA
    assert result.verified
    return result


def test_all_are_negotiated(images, image_id, operator, tmp_path):
    plan = move.Mover(image_id, operator()).plan(io.BytesIO())
    found = [one.source.scheme.partition('+')[0] for one in plan.offers]
    assert found == ['file', 'rbd', 's3', 'file', 'glance']
    result = copied(image_id, operator(), tmp_path / 'copy')
    assert result.source.scheme == 'file'


def test_what_is_gone_hands_over(image_id, operator, damaged, tmp_path):
    damaged('fast', 'gone')
    damaged('objects', 'gone')
    result = copied(image_id, operator(), tmp_path / 'copy')
    assert result.source.scheme == 'rbd'
    assert {'file', 's3'} <= schemes(result.refusals)


def test_other_bytes_hand_over_and_are_no_success(
    image_id, operator, damaged, tmp_path
):
    damaged('fast', 'changed')
    result = copied(image_id, operator(), tmp_path / 'copy')
    assert result.source.scheme == 'rbd'
    assert isinstance(result.error, exception.DigestMismatch)


def test_other_bytes_in_one_store_after_another(
    image_id, operator, damaged, tmp_path
):
    """Nothing but S3 and one directory is left, and S3 has others."""
    damaged('fast', 'gone')
    damaged('objects', 'changed')
    conf = operator(ceph='rbd_store_ceph_conf = /nowhere')
    result = copied(image_id, conf, tmp_path / 'copy')
    assert str(result.source).endswith(f'spare/{image_id}')
    assert isinstance(result.error, exception.DigestMismatch)


def test_other_bytes_are_no_success_where_nothing_can_be_taken_back(
    image_id, operator, damaged
):
    damaged('fast', 'changed')

    class Pipe:
        def write(self, data):
            return len(data)

    mover = move.Mover(image_id, operator())
    with pytest.raises(exception.DigestMismatch) as caught:
        mover.copy(Pipe())
    assert caught.value.destination_state == 'modified'


def test_a_cluster_out_of_reach_hands_over(
    image_id, operator, damaged, tmp_path
):
    ceph_conf = tmp_path / 'ceph.conf'
    ceph_conf.write_text('[global]\nmon host = v2:127.0.0.1:1\n')
    damaged('fast', 'gone')
    conf = operator(
        ceph=f'rbd_store_ceph_conf = {ceph_conf}\nrados_connect_timeout = 1'
    )
    result = copied(image_id, conf, tmp_path / 'copy')
    assert result.source.scheme == 's3'
    assert {'file', 'rbd'} <= schemes(result.refusals)


def test_the_api_is_left(image_id, operator, damaged):
    damaged('fast', 'gone')
    damaged('objects', 'gone')
    damaged('spare', 'gone')
    conf = operator(ceph='rbd_store_ceph_conf = /nowhere')
    # Glance itself still reads it from Ceph.
    buffer = io.BytesIO()
    result = move.Mover(image_id, conf).copy(buffer)
    assert buffer.getvalue() == DATA
    assert result.source.scheme == 'glance+http'
