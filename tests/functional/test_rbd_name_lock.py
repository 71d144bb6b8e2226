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

"""Of copies to one name in Ceph, one at a time takes it, however long."""

import threading

import pytest

from oslo_image import exception, stores
from oslo_image.stores.rbd import cloning, naming
from tests.functional import images
from tests.functional.images import MiB

DATA = images.noise(MiB)


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """A lock that counts for two seconds."""
    monkeypatch.setattr(naming, '_SECONDS', 2)


def test_librbd_takes_longer_than_the_lock(pools, monkeypatch):
    """The second copy waits for the first, which still renames."""
    rename = naming._rename
    renaming, others = threading.Event(), threading.Event()
    order = []

    def slow(pool, name, wanted):
        if not renaming.is_set():
            renaming.set()
            assert not others.wait(4)
        order.append(name)
        rename(pool, name, wanted)

    monkeypatch.setattr(naming, '_rename', slow)
    uri = pools.vms.uri('disk')
    first = stores.open_writer(uri, pools.config)
    first.write(DATA)

    def second():
        renaming.wait()
        with stores.open_writer(uri, pools.config) as writer:
            writer.write(b'other')
            try:
                writer.commit()
            except exception.DestinationExists as error:
                order.append(error)
        others.set()

    thread = threading.Thread(target=second)
    thread.start()
    with first:
        first.commit()
    thread.join()

    assert len(order) == 2
    assert isinstance(order[1], exception.DestinationExists)
    assert pools.vms.read('disk') == DATA
    assert pools.vms.state() == ['disk']


def test_clone_takes_longer_than_the_lock(pools, monkeypatch):
    source = pools.images.make('i', MiB, {0: DATA}, 'snap')
    clone = cloning.clone
    waited = []

    def slow(*arguments):
        waited.append(threading.Event().wait(4))
        with stores.open_writer(pools.vms.uri('disk'), pools.config) as writer:
            writer.write(b'other')
            with pytest.raises(exception.InUse, match='another copy takes'):
                writer.commit()
        clone(*arguments)

    monkeypatch.setattr(cloning, 'clone', slow)

    result = pools.copy(source, pools.vms.uri('disk'))

    assert waited == [False]
    assert result.strategy == 'rbd_clone'
    assert pools.vms.read('disk') == DATA
    assert pools.vms.state() == ['disk']
