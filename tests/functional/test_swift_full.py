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

"""Containers and accounts of Swift that are full, by either server's quota."""

import pytest
import requests

from oslo_image import exception, stores
from tests.functional import boxes, clients, images
from tests.functional.images import MiB

DATA = images.noise(3 * MiB + 7)


@pytest.fixture
def rgw_container(rgw, rgw_box):
    return rgw_box, lambda size: rgw.set_quota(rgw_box.name, size)


@pytest.fixture
def rgw_account(rgw, rgw_user, rgw_box):
    return rgw_box, lambda size: rgw.set_account_quota(rgw_user, size)


@pytest.fixture
def swift_container(swift_box):
    box = swift_box
    field = 'X-Container-Meta-Quota-Bytes'
    return box, lambda size: box.client.post_container(
        box.name, {field: str(size or '')}
    )


@pytest.fixture
def swift_account(swift, tmp_path):
    """An account that no other test counts on; a reseller sets its quota."""
    user, reseller = (
        (swift.auth_url, one.login, one.key) for one in swift.users[2:]
    )
    with clients.swift(*user) as client, clients.swift(*reseller) as other:
        box = boxes.Box(client, boxes.options(*user), tmp_path.name)
        url, token = client.get_auth()[0], other.get_auth()[1]

        def limit(size):
            field = {'X-Account-Meta-Quota-Bytes': str(size or '')}
            fields = {'X-Auth-Token': token, **field}
            requests.post(url, headers=fields).raise_for_status()

        yield box, limit


@pytest.fixture(
    params=['rgw_container', 'rgw_account', 'swift_container', 'swift_account']
)
def limited(request):
    """A box, and what limits its bytes; 0 is no limit."""
    box, limit = request.getfixturevalue(request.param)
    yield box, limit
    limit(0)


@pytest.mark.parametrize('size', [MiB - 1, len(DATA)], ids=['PUT', 'segments'])
def test_no_room(limited, tmp_path, size):
    """By sendfile, from memory and by the server; then there is room."""
    box, limit = limited
    (tmp_path / 'image').write_bytes(DATA[:size])
    source = f'file://{tmp_path / "image"}'
    box.copy(source, 'old')
    before = box.names()
    limit(1)

    for origin in (source, box.uri('old')):
        with pytest.raises(exception.NoSpace) as caught:
            box.copy(origin, 'image')
        assert caught.value.side == 'destination'
        assert caught.value.destination_state == 'untouched'
        assert box.names() == before
    with stores.open_writer(box.uri('image'), box.config, size=size) as writer:
        with pytest.raises(exception.NoSpace):
            writer.write(DATA[:size])
            writer.commit()
    assert writer.leftovers == []
    assert box.names() == before
    limit(0)

    assert box.copy(source, 'image').success
    assert box.get('image') == DATA[:size]
