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

"""Locations of Glance's that name credentials by a reference.

Behind Keystone, Glance's store of objects in Swift makes nothing else.
"""

import io

import pytest

from oslo_image import exception, move
from tests.functional import glances
from tests.functional.glances import Glances, MiB, pattern

DATA = pattern(3 * MiB + 3)


@pytest.fixture
def images(glance_keystone, keystone, keystone_user):
    token = keystone.token(keystone_user)
    return Glances(glance_keystone.url, {'X-Auth-Token': token})


@pytest.fixture
def image_id(images):
    return images.stored(DATA, 'archive')


@pytest.fixture
def operator(glance_keystone, images, tmp_path):
    """The operator's own file; Glance's API is not asked for bits."""

    def conf(more=''):
        token = images.headers['X-Auth-Token']
        return glances.operator(
            glance_keystone,
            tmp_path / 'mover.conf',
            f'glance_token = {token}\nglance_api_download = false\n{more}',
        )

    return conf


def test_what_the_operators_file_holds_is_followed(image_id, operator):
    buffer = io.BytesIO()
    result = move.Mover(image_id, operator()).copy(buffer)
    assert result.source.scheme == 'swift+config'
    assert result.verified
    assert buffer.getvalue() == DATA


@pytest.mark.parametrize('name', ['ref1', 'other'])
def test_another_is_denied(images, image_id, operator, name):
    record = images.show(image_id)
    del record['direct_url']
    (location,) = record['locations']
    _, _, rest = location['url'].partition('://images/')
    location['url'] = f'swift+config://{name}/{rest}'
    mover = move.Mover(image_id, operator(), image=record)
    with pytest.raises(exception.LocationDenied, match=name):
        mover.copy(io.BytesIO())


def test_without_the_file_it_is_denied(image_id, operator):
    """No other credentials stand in for those that it names."""
    conf = operator('[archive]\nswift_store_config_file =\n')
    with pytest.raises(exception.ImageError) as caught:
        move.Mover(image_id, conf).copy(io.BytesIO())
    told = [str(caught.value), *getattr(caught.value, '__notes__', ())]
    assert any('no credentials' in one for one in told)
