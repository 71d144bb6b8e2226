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

"""What becomes of an image when its upload to a real Glance fails."""

import hashlib
import threading
import time
import uuid

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.glance import leftovers, upload, writer
from oslo_image.stores.registry import Stores
from tests.functional import proxy
from tests.functional.glances import Glances, MiB, pattern
from tests.servers import glance as glance_server
from tests.servers import policy

DATA = pattern(3 * MiB + 5)
OTHER = pattern(3 * MiB + 5, 1)


@pytest.fixture
def images(glance):
    return Glances(glance.url)


@pytest.fixture
def image_id():
    return str(uuid.uuid4())


@pytest.fixture(scope='module')
def between(glance):
    with proxy.Proxy(glance.api.port) as running:
        yield running


@pytest.fixture
def on_the_way(between):
    """A proxy in front of Glance, without faults yet."""
    yield between
    between.clear()


@pytest.fixture(params=['made', 'waiting'])
def target(request, images, image_id):
    """An image that the writer makes, or one that waits for its bits."""
    return image_id if request.param == 'made' else images.queued()


@pytest.fixture(params=['stated', 'unknown'])
def size(request):
    return {'stated': len(DATA), 'unknown': None}[request.param]


@pytest.fixture
def before(images, target, image_id):
    """Return whether the image is as it was before the upload."""

    def tell():
        """Glance sees to a connection that broke in its own time."""
        was = '' if target == image_id else 'queued'
        until = time.monotonic() + 10
        while (now := images.status(target)) != was:
            if now != 'saving' or time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    assert tell()
    return tell


def open_writer(url, image_id, **options):
    uri = f'glance://{image_id}'
    return stores.open_writer(uri, {'glance_endpoint': url}, **options)


class TestEveryByteCame:
    """Glance has all of them, and no commit follows."""

    @pytest.fixture
    def file(self, tmp_path):
        (tmp_path / 'image').write_bytes(DATA)
        return f'file://{tmp_path}/image'

    def test_other_bytes_than_declared(self, images, target, before, file):
        declared = {'os_hash_algo': 'sha512', 'os_hash_value': '0' * 128}
        mover = move.Mover(file, image=declared)
        with open_writer(images.url, target) as writer:
            with pytest.raises(exception.DigestMismatch) as caught:
                mover.copy(writer)
        assert caught.value.destination_state == 'untouched'
        assert before()

    def test_cancelled(self, images, target, before, file):
        cancel = threading.Event()

        def progress(done, total):
            if done == total:
                cancel.set()

        with open_writer(images.url, target) as writer:
            with pytest.raises(exception.Cancelled) as caught:
                move.Mover(file).copy(writer, progress=progress, cancel=cancel)
        assert caught.value.destination_state == 'untouched'
        assert before()

    def test_the_next_location_takes_over(
        self, images, target, file, tmp_path
    ):
        """By its digest, the first one is another image."""
        (tmp_path / 'other').write_bytes(OTHER)
        image = {
            'id': 'x',
            'size': len(DATA),
            'os_hash_algo': 'sha256',
            'os_hash_value': hashlib.sha256(DATA).hexdigest(),
            'locations': [{'url': f'file://{tmp_path}/other'}, {'url': file}],
        }
        config = {'filesystem_store_datadirs': [f'{tmp_path}:1']}
        mover = move.Mover('x', config, image=image)
        with open_writer(images.url, target) as writer:
            result = mover.copy(writer)
        assert result.verified
        assert str(result.source) == file
        assert images.ask('GET', f'/images/{target}/file') == DATA


@pytest.mark.parametrize('size', [MiB, 24 * MiB], ids=['answer', 'room'])
def test_a_cancellation_does_not_wait_for_glance(
    on_the_way, target, before, tmp_path, size
):
    """Which neither answers, nor takes what fills the buffers on the way."""
    cancel = threading.Event()
    (tmp_path / 'image').write_bytes(pattern(size))
    later = threading.Timer(1, cancel.set)
    on_the_way.on('PUT', 'file', before=later.start, pause=60)
    started = time.monotonic()
    with open_writer(on_the_way.url, target) as writer:
        with pytest.raises(exception.Cancelled):
            move.Mover(f'file://{tmp_path}/image').copy(writer, cancel=cancel)
    assert time.monotonic() - started < 15
    on_the_way.clear()
    assert before()


class TestOnTheServersSide:
    """Whatever Glance does, or what lies before it."""

    def test_the_connection_breaks(self, on_the_way, target, before, size):
        on_the_way.on('PUT', 'file', cut_request=2 * MiB)
        with open_writer(on_the_way.url, target, size=size) as writer:
            with pytest.raises(exception.DestinationError):
                writer.write(DATA)
                writer.commit()
            assert writer.rollback() == 'untouched'
        assert writer.leftovers == []
        assert before()

    @pytest.mark.parametrize('status', [413, 500, 503, 507])
    def test_it_takes_no_more(self, on_the_way, target, before, size, status):
        on_the_way.on('PUT', 'file', answer=(status, {}))
        with open_writer(on_the_way.url, target, size=size) as writer:
            with pytest.raises(exception.ImageError) as caught:
                writer.write(DATA)
                writer.commit()
            assert f'HTTP {status}' in str(caught.value)
            assert writer.rollback() == 'untouched'
        assert writer.leftovers == []
        assert before()

    def test_an_image_beyond_its_cap(self, image_id):
        capped = glance_server.Glance(options={'image_size_cap': str(MiB)})
        with policy.provided(capped) as glance:
            images = Glances(glance.url)
            waiting = images.queued()
            for target in (image_id, waiting):
                with open_writer(glance.url, target) as writer:
                    with pytest.raises(exception.NoSpace, match='413'):
                        writer.write(DATA)
                        writer.commit()
            assert images.status(image_id) == ''
            assert images.status(waiting) == 'queued'
            assert list(glance.images.iterdir()) == []

    def test_it_is_gone(self, image_id, monkeypatch):
        """Nobody knows what it has kept; what may be left is named."""
        monkeypatch.setattr(upload, 'NOTICED', 1)
        monkeypatch.setattr(writer, 'NOTICED', 1)
        with policy.provided(glance_server.Glance()) as glance:
            images = Glances(glance.url)
            waiting = images.queued()
            for target in (image_id, waiting):
                with open_writer(glance.url, target) as one:
                    one.write(DATA[:MiB])
                    glance.api.stop()
                    with pytest.raises(exception.DestinationError):
                        one.write(DATA[MiB:])
                        one.commit()
                    assert one.rollback() == 'modified'
                assert target in ''.join(one.leftovers)
                glance.api.start()
                assert images.status(target) != 'active'


class TestLostAnswer:
    """Glance has stored the bits, and its word of it does not arrive."""

    def test_it_is_looked_for(self, images, on_the_way, image_id, size):
        on_the_way.on('PUT', 'file', lose_answer=True)
        with open_writer(on_the_way.url, image_id, size=size) as writer:
            writer.write(DATA)
            writer.commit()
        assert images.ask('GET', f'/images/{image_id}/file') == DATA
        assert leftovers.MARK not in images.show(image_id)['tags']

    def test_what_waited_may_have_others_bits(self, images, on_the_way, size):
        """Another upload may have been first, so nobody calls it done."""
        waiting = images.queued()
        on_the_way.on('PUT', 'file', lose_answer=True)
        with open_writer(on_the_way.url, waiting, size=size) as writer:
            writer.write(DATA)
            with pytest.raises(exception.DestinationError):
                writer.commit()
            assert writer.rollback() == 'modified'
        assert writer.leftovers == [
            f'image {waiting} in Glance, which is active'
        ]
        assert images.ask('GET', f'/images/{waiting}/file') == DATA


class TestProtected:
    """An image that is to be protected is deleted no less."""

    def test_when_its_upload_fails(self, images, image_id):
        options = {'protected': True}
        with open_writer(images.url, image_id, **options) as writer:
            writer.write(DATA)
        assert writer.leftovers == []
        assert images.status(image_id) == ''

    def test_when_it_was_left(self, images, image_id):
        images.queued(id=image_id, protected=True, tags=[leftovers.MARK])
        found = Stores({'glance_endpoint': images.url})
        place = found.location(f'glance://{image_id}')
        store = found.find(place)
        (left,) = store.leftovers(place, older_than=0)
        assert store.remove_leftover(left)
        assert images.status(image_id) == ''

    def test_when_it_has_its_bits_it_is(self, images, image_id):
        options = {'protected': True}
        with open_writer(images.url, image_id, **options) as writer:
            writer.write(DATA)
            writer.commit()
        assert images.show(image_id)['protected']
