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

"""Images in Swift that are one object, because the options say so."""

import threading
import time

import pytest

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.images import MiB

#: Three pieces of the one request.
SIZE = 17 * MiB + 3
DATA = images.noise(SIZE)


@pytest.fixture
def box(faulty_box):
    faulty_box.config['swift_store_large_object_size'] = 18
    return faulty_box


@pytest.fixture
def between(box):
    return box.proxy


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'image'
    path.write_bytes(DATA)
    return f'file://{path}'


@pytest.mark.parametrize('needs', [{}, {'verify': 'always'}], ids=['', 'hash'])
def test_one_request(box, between, image, needs):
    """By sendfile, and from memory."""
    between.clear()
    with stores.open_writer(box.uri('image'), box.config) as writer:
        result = move.Mover(image, box.config).copy(writer, **needs)

    assert result.strategy == 'parallel'
    assert box.names() == ['image']
    assert not box.static('image')
    assert box.get('image') == DATA
    assert between.asked('PUT') == 1


@pytest.mark.parametrize('over', [0, 1])
def test_up_to_the_size(box, over):
    data = DATA + bytes(18 * MiB - SIZE + over)
    with stores.open_writer(
        box.uri('image'), box.config, size=len(data)
    ) as writer:
        writer.write(data)
        writer.commit()
    assert box.static('image') is bool(over)
    assert box.get('image') == data


def test_it_is_not_there_before_the_commit(box):
    """Though all of it was sent but a byte, however long that is ago."""
    data = DATA[: 16 * MiB]
    with stores.open_writer(
        box.uri('image'), box.config, size=len(data)
    ) as writer:
        writer.write(data)
        for _ in range(10):
            time.sleep(0.05)
            assert box.names() == []
        writer.commit()
    assert box.get('image') == data


def test_another_digest(box, image):
    mover = move.Mover(image, box.config, image={'checksum': '0' * 32})
    with stores.open_writer(box.uri('image'), box.config) as writer:
        with pytest.raises(exception.DigestMismatch):
            mover.copy(writer, verify='always')
    assert box.names() == []


def test_replaced(box, image):
    box.put('image', b'old')
    assert box.copy(image, 'image', if_exists='replace').success
    assert box.get('image') == DATA
    assert box.names() == ['image']


def test_somebody_was_faster(box, image):
    with stores.open_writer(box.uri('image'), box.config, size=SIZE) as writer:
        writer.write(DATA)
        box.put('image', b'theirs')
        with pytest.raises(exception.DestinationExists):
            writer.commit()
    assert box.get('image') == b'theirs'


class TestFaults:
    def test_cut_in_the_body(self, box, between, image):
        """It cannot be sent again: who asks for it can."""
        between.on('PUT', '/image$', cut_request=9 * MiB)
        with pytest.raises(exception.DestinationError) as caught:
            box.copy(image, 'image')
        assert caught.value.destination_state == 'untouched'
        assert box.names() == []
        assert box.copy(image, 'image').success

    @pytest.mark.parametrize('status', [413, 403, 503])
    def test_not_taken(self, box, between, image, status):
        between.on('PUT', '/image$', answer=(status, {}))
        kind = {
            413: exception.NoSpace,
            403: exception.PermissionDenied,
            503: exception.DestinationError,
        }[status]
        with pytest.raises(kind, match=f'HTTP {status}'):
            box.copy(image, 'image')
        assert box.names() == []

    def test_the_answer_is_lost(self, box, between, image):
        between.on('PUT', '/image$', lose_answer=True)
        assert box.copy(image, 'image').success
        assert box.get('image') == DATA

    def test_cancelled(self, box, image):
        """With pieces that wait for their turn."""
        calls = []

        class Cancel:
            def is_set(self):
                calls.append(self)
                return len(calls) > 3

            def wait(self, timeout=None):
                return self.is_set()

        with stores.open_writer(box.uri('image'), box.config) as writer:
            with pytest.raises(exception.Cancelled):
                move.Mover(image, box.config).copy(writer, cancel=Cancel())
        assert box.names() == []

    @pytest.mark.parametrize('needs', [{}, {'verify': 'always'}])
    def test_cancelled_while_the_server_takes_nothing(
        self, box, between, image, needs
    ):
        cancel = threading.Event()
        between.on('PUT', '/image$', before=cancel.set, pause=20)
        began = time.monotonic()
        with stores.open_writer(box.uri('image'), box.config) as writer:
            with pytest.raises(exception.Cancelled):
                move.Mover(image, box.config).copy(
                    writer, cancel=cancel, **needs
                )
        between.clear()
        assert time.monotonic() - began < 10
        assert writer.leftovers == []
        assert box.names() == []
