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


"""Images in Ceph, shared with glance_store: each takes what the other made."""

import hashlib
import io
import os

import pytest
from glance_store import backend, location
from glance_store import exceptions as theirs
from oslo_config import cfg

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.images import MiB

NAME = '71c675ab-d94f-49cd-a114-e12490b328d9'
SIZE = 9 * MiB + 5
DATA = images.noise(SIZE)


@pytest.fixture
def glance(pools):
    """glance_store's rbd driver, as Glance sets it up."""
    conf = cfg.ConfigOpts()
    backend.register_opts(conf)
    conf(args=[], default_config_files=[])
    group = 'glance_store'
    conf.set_override('stores', ['rbd'], group)
    conf.set_override('default_store', 'rbd', group)
    conf.set_override('rbd_store_user', 'admin', group)
    conf.set_override(
        'rbd_store_ceph_conf', os.fspath(pools.cluster.conf), group
    )
    backend.create_stores(conf)
    return Glance(conf)


class Glance:
    def __init__(self, conf):
        self.conf = conf
        self.store = backend.get_store_from_scheme('rbd')

    def add(self, size=SIZE):
        """Store the image, of a size that need not be known."""
        uri, count, _, digest, _ = self.store.add(
            NAME, io.BytesIO(DATA), size, 'sha512'
        )
        assert count == SIZE
        assert digest == hashlib.sha512(DATA).hexdigest()
        return uri

    def get(self, uri):
        chunks, size = self.store.get(self._location(uri))
        data = b''.join(chunks)
        assert len(data) == size
        return data

    def delete(self, uri):
        self.store.delete(self._location(uri))

    def _location(self, uri):
        return location.get_location_from_uri(uri, conf=self.conf)


@pytest.fixture
def add(pools, glance):
    """Store the image, by one or by the other; return its URI."""

    def by(who):
        if who == 'theirs':
            return glance.add()
        with stores.open_writer(
            pools.images.uri(NAME, 'snap'), pools.config
        ) as writer:
            writer.write(DATA)
            return writer.commit().reveal()

    return by


class TestTheirs:
    """What glance_store has written."""

    @pytest.mark.parametrize('size', [SIZE, 0])
    def test_is_read(self, pools, glance, size):
        uri = glance.add(size)
        writer = io.BytesIO()

        result = move.Mover(uri, pools.config).copy(writer)

        assert tuple(result) == (True, SIZE)
        assert writer.getvalue() == DATA
        assert stores.stat(uri, pools.config).size == SIZE

    def test_is_cloned(self, pools, glance):
        result = pools.copy(glance.add(), pools.vms.uri('disk'))

        assert result.strategy == 'rbd_clone'
        assert pools.vms.parent('disk') == ('images', NAME, 'snap')
        assert pools.vms.read('disk') == DATA

    def test_is_deleted(self, pools, glance):
        uri = glance.add()

        stores.delete(uri, pools.config)

        assert pools.images.state() == []
        with pytest.raises(theirs.NotFound):
            glance.get(uri)


class TestOurs:
    """What was written here."""

    def test_is_the_same(self, pools, glance, add):
        """Same URI, same objects, same features."""
        uri = glance.add()
        about = pools.images.info(NAME)
        glance.delete(uri)

        assert add('ours') == uri
        own = pools.images.info(NAME)
        for fact in ('size', 'order', 'features', 'format', 'flags'):
            assert own[fact] == about[fact], fact

    def test_is_read(self, glance, add):
        assert glance.get(add('ours')) == DATA

    def test_is_deleted(self, pools, glance, add):
        uri = add('ours')

        glance.delete(uri)

        assert pools.images.state() == []
        with pytest.raises(exception.ImageNotFound):
            stores.stat(uri, pools.config)

    def test_clone_is_read(self, pools, glance, add):
        """A clone that is a Glance image is one to glance_store, too."""
        uri = pools.images.uri('clone', 'snap')
        pools.copy(add('theirs'), uri)

        assert glance.get(uri) == DATA


@pytest.mark.parametrize('made', ['ours', 'theirs'])
@pytest.mark.parametrize('deleted', ['ours', 'theirs'])
class TestDeletingWhatHasClones:
    def delete(self, pools, glance, uri, by):
        if by == 'ours':
            stores.delete(uri, pools.config)
        else:
            glance.delete(uri)

    def test_version_1_keeps_it(self, pools, glance, add, made, deleted):
        """It is in use, and stays as it is: it can be cloned again."""
        uri = add(made)
        pools.copy(uri, pools.vms.uri('disk'))

        with pytest.raises((exception.InUse, theirs.InUseByStore)):
            self.delete(pools, glance, uri, deleted)

        assert pools.images.state() == [NAME, f'{NAME}@snap']
        assert glance.get(uri) == DATA
        assert pools.copy(uri, pools.vms.uri('other')).zero_copy
        for disk in ('disk', 'other'):
            stores.delete(pools.vms.uri(disk), pools.config)
        self.delete(pools, glance, uri, deleted)
        assert pools.images.state() == []

    def test_version_2_outlasts_it(self, pools, glance, add, made, deleted):
        """It goes to the trash, where the clone still reads it."""
        uri = add(made)
        pools.copy(uri, pools.vms.uri('disk'), clone_format=2)

        self.delete(pools, glance, uri, deleted)

        assert pools.images.state() == [f'trash: {NAME}']
        with pytest.raises(exception.ImageNotFound):
            stores.stat(uri, pools.config)
        assert pools.vms.read('disk') == DATA


def test_snapshot_that_is_gone_already(pools, glance, add):
    """Either deletes an image whose snapshot somebody has removed."""
    for delete in (
        glance.delete,
        lambda uri: stores.delete(uri, pools.config),
    ):
        uri = add('ours')
        with pools.images.open(NAME) as image:
            image.unprotect_snap('snap')
            image.remove_snap('snap')

        delete(uri)

        assert pools.images.state() == []


def test_other_snapshots(pools, add):
    """What the location does not name keeps the image, all of it."""
    uri = add('ours')
    with pools.images.open(NAME) as image:
        image.create_snap('other')

    with pytest.raises(exception.InUse, match='other'):
        stores.delete(uri, pools.config)

    assert sorted(pools.images.snapshots(NAME)) == ['other', 'snap']
    with pools.images.open(NAME) as image:
        assert image.is_protected_snap('snap')
