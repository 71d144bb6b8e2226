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

"""What happens to an image in Ceph while it is read is found afterwards."""

import contextlib
import uuid
from collections.abc import Iterator

import pytest

from oslo_image import exception, stores
from tests.servers import ceph as ceph_server
from tests.servers import policy

MiB = 1 << 20


@pytest.fixture(autouse=True, scope='module')
def bindings() -> None:
    policy.imported('rbd')


@contextlib.contextmanager
def source(
    cluster: ceph_server.Cluster, name: str, snapshot: str = 'snap'
) -> Iterator[stores.Source]:
    """Open a snapshot of a new image of a MiB."""
    config = {'rbd_store_ceph_conf': str(cluster.conf)}
    uri = f'rbd://{cluster.fsid}/images/{name}/{snapshot}'
    cluster.rbd('create', '--size', '1', f'images/{name}')
    cluster.rbd('snap', 'create', f'images/{name}@{snapshot}')
    try:
        with stores.open_source(uri, config) as found:
            found.check_unchanged()
            yield found
    finally:
        cluster.rbd('snap', 'purge', f'images/{name}')
        cluster.rbd('remove', f'images/{name}')


@pytest.fixture
def name() -> str:
    return f'unchanged-{uuid.uuid4().hex} ö%+'


def test_what_is_written_to_the_image_is_not_in_the_snapshot(ceph, name):
    with source(ceph, name) as found:
        ceph.rbd('resize', '--size', '2', f'images/{name}')
        ceph.rbd('snap', 'create', f'images/{name}@other')

        found.check_unchanged()


def test_another_snapshot_of_the_same_name(ceph, name):
    with source(ceph, name) as found:
        ceph.rbd('snap', 'remove', f'images/{name}@snap')
        with pytest.raises(exception.SourceChanged):
            found.check_unchanged()
        ceph.rbd('snap', 'create', f'images/{name}@snap')

        with pytest.raises(exception.SourceChanged, match='replaced'):
            found.check_unchanged()


def test_another_image_of_the_same_name(ceph, name):
    with source(ceph, name) as found:
        ceph.rbd('rename', f'images/{name}', f'images/{name}-old')
        try:
            with pytest.raises(exception.SourceChanged, match='removed'):
                found.check_unchanged()
            ceph.rbd('create', '--size', '1', f'images/{name}')
            ceph.rbd('snap', 'create', f'images/{name}@snap')

            with pytest.raises(exception.SourceChanged):
                found.check_unchanged()
        finally:
            ceph.rbd('snap', 'purge', f'images/{name}-old')
            ceph.rbd('remove', f'images/{name}-old')
