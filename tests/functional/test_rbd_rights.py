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


"""Images without a snapshot, and users who may do less than all."""

import concurrent.futures
import io
import uuid

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.rbd import RbdAuth
from tests.functional import images
from tests.functional.images import MiB

NOISE = images.noise(8 * MiB + 1)


class TestUnpinned:
    """An image whose location names no snapshot gets one for the copy."""

    @pytest.fixture
    def source(self, pools):
        return pools.images.make('image', 8 * MiB, {MiB: NOISE[: 5 * MiB]})

    @pytest.fixture
    def reader(self, pools):
        """Credentials that may read images, and no more."""
        name = f'r{uuid.uuid4().hex[:8]}'
        pools.cluster.user(
            name, mon='profile rbd', osd='profile rbd-read-only pool=images'
        )
        return RbdAuth(user=name)

    def test_snapshot_is_gone_afterwards(self, pools, source):
        seen = []

        def progress(done, total):
            seen.append(pools.images.snapshots('image'))

        result = pools.copy(
            source, pools.vms.uri('disk'), {'progress': progress}
        )

        assert result.strategy == 'parallel'
        assert pools.vms.read('disk') == pools.images.read('image')
        assert [len(one) for one in seen] == [1] * len(seen)
        assert seen[0][0].startswith('oslo-image.pin.')
        assert pools.images.state() == ['image']

    def test_so_it_is_after_a_failure(self, pools, source):
        class Boom(Exception):
            pass

        class Writer:
            def write(self, data):
                assert len(pools.images.snapshots('image')) == 1
                raise Boom

        with pytest.raises(Boom):
            move.Mover(source, pools.config).copy(Writer())

        assert pools.images.state() == ['image']

    def test_what_is_written_meanwhile_is_not_copied(self, pools, source):
        before = pools.images.read('image')

        def progress(done, total):
            with pools.images.open('image') as image:
                image.write(b'changed', 7 * MiB)

        writer = io.BytesIO()
        move.Mover(source, pools.config).copy(writer, progress=progress)

        assert writer.getvalue() == before
        assert pools.images.read('image') != before

    def test_several_at_once(self, pools, source):
        """Each has a snapshot of its own, and removes no other's."""

        def copy(_):
            writer = io.BytesIO()
            move.Mover(source, pools.config).copy(writer)
            return writer.getvalue()

        with concurrent.futures.ThreadPoolExecutor(4) as executor:
            found = set(executor.map(copy, range(8)))

        assert found == {pools.images.read('image')}
        assert pools.images.state() == ['image']

    def test_user_who_may_not(self, pools, source, reader):
        with pytest.raises(exception.PermissionDenied) as caught:
            move.Mover(source, pools.config, auth=reader).copy(io.BytesIO())

        said = str(caught.value)
        assert 'may not make the snapshot that would pin the image' in said
        assert 'rbd_read_unpinned' in said
        assert caught.value.side == 'source'

    def test_user_who_need_not(self, pools, source, reader):
        config = {**pools.config, 'rbd_read_unpinned': True}
        writer = io.BytesIO()

        result = move.Mover(source, config, auth=reader).copy(writer)

        assert result.success
        assert writer.getvalue() == pools.images.read('image')

    def test_user_who_may_not_write(self, pools, tmp_path, reader):
        path = images.make(tmp_path / 'source', MiB, {0: b'data'})
        target = pools.images.uri('new')
        with stores.open_writer(target, pools.config, auth=reader) as writer:
            with pytest.raises(exception.PermissionDenied) as caught:
                move.Mover(images.uri(path)).copy(writer)

        assert caught.value.side == 'destination'
        assert pools.images.state() == []

    def test_user_without_caps(self, pools, source):
        name = f'n{uuid.uuid4().hex[:8]}'
        pools.cluster.user(name, mon='allow r')
        auth = RbdAuth(user=name)

        with pytest.raises(exception.PermissionDenied) as caught:
            move.Mover(source, pools.config, auth=auth).copy(io.BytesIO())

        assert caught.value.side == 'source'
