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

"""Two writers of one object in Swift, at one moment."""

import pytest

from oslo_image import exception, stores
from tests.functional import images
from tests.functional.images import MiB

DATA = images.noise(2 * MiB + 7)


@pytest.fixture
def box(faulty_box):
    return faulty_box


@pytest.fixture
def between(box):
    return box.proxy


def begun(box, size, how='fail'):
    writer = stores.open_writer(
        box.uri('image'), box.config, size=size, if_exists=how
    )
    writer.write(DATA[:size])
    return writer


@pytest.mark.parametrize('size', [7, len(DATA)], ids=['PUT', 'segments'])
class TestLater:
    def test_the_other_is_stored_when_ours_was(self, box, between, size):
        """The server has let both pass."""
        with begun(box, size) as writer:
            last = between.asked('HEAD', '/image$') + 2
            between.on(
                'HEAD',
                '/image$',
                first=2,
                before=lambda: box.put('image', b'theirs'),
            )
            with pytest.raises(exception.DestinationExists):
                writer.commit()
            assert between.asked('HEAD', '/image$') == last

        assert box.get('image') == b'theirs'
        assert box.names() == ['image']
        assert writer.leftovers == []

    def test_ours_stays(self, box, between, size):
        """And so it does when that cannot be told."""
        with begun(box, size) as writer:
            between.on('HEAD', '/image$', first=2, answer=(403, {}))
            writer.commit()
        assert box.get('image') == DATA[:size]

    @pytest.mark.parametrize('how', ['fail', 'replace'])
    def test_the_server_says_that_its_own_is_newer(
        self, box, between, size, how
    ):
        """By the clock of another proxy; it has stored nothing then."""
        with begun(box, size, how) as writer:
            between.on(
                'PUT',
                '/image($|.multipart)',
                before=lambda: box.put('image', b'theirs'),
                answer=(202, {}),
            )
            with pytest.raises(exception.DestinationExists):
                writer.commit()

        assert box.get('image') == b'theirs'
        assert box.names() == ['image']
