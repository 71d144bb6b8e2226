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

"""An image of a real Glance whose first location answers HTTP 503."""

import hashlib
import io

import pytest

from oslo_image import exception, move, stores
from oslo_image.testing import scripted
from tests.functional.glances import Glances, MiB, operator, pattern

DATA = pattern(12 * MiB + 3)
#: Longer than the whole test may take.
ASKED = 25


class Web(scripted.ScriptedServer):
    """Serves what begins before an offset; None: everything."""

    def __init__(self):
        self.until = None
        super().__init__(DATA, self._answer)

    def _answer(self, number, request):
        start = request.range[0] if request.range else 0
        if self.until is None or start < self.until:
            return None
        return scripted.Good({'Retry-After': str(ASKED)}, 503, b'later')


@pytest.fixture
def web():
    with Web() as server:
        yield server


@pytest.fixture
def images(glance):
    return Glances(glance.url)


@pytest.fixture
def conf(glance, tmp_path):
    """The operator's file, and that its web servers are on this machine."""
    return operator(
        glance,
        tmp_path / 'mover.conf',
        'glance_api_download = false\n'
        '[web]\nhttp_allow_local_addresses = true\n',
    )


@pytest.fixture
def image_id(images, web, nginx, tmp_path):
    """An image at two web servers; Glance has its digests."""
    (nginx.root / tmp_path.name).write_bytes(DATA)
    image_id = images.queued()
    validation = {
        'checksum': hashlib.md5(DATA, usedforsecurity=False).hexdigest(),
        'os_hash_algo': 'sha512',
        'os_hash_value': hashlib.sha512(DATA).hexdigest(),
    }
    for url in (web.url, nginx.url(tmp_path.name)):
        value = {'url': url, 'metadata': {}}
        if url == web.url:
            value['validation_data'] = validation
        images.patch(
            image_id, {'op': 'add', 'path': '/locations/-', 'value': value}
        )
    return image_id


def copied(image_id, conf, path, **more):
    with stores.open_writer(f'file://{path}') as writer:
        result = move.Mover(image_id, conf).copy(writer, **more)
    assert path.read_bytes() == DATA
    assert result.verified
    return result


def test_before_it_begins(image_id, conf, web, nginx, tmp_path):
    """It is not waited for while another one has the bits."""
    web.until = 0
    web.requests.clear()
    result = copied(image_id, conf, tmp_path / 'copy')
    assert str(result.source).startswith(nginx.url(''))
    assert [one.reason for one in result.refusals if '503' in one.reason]
    assert len(web.requests) == 1
    assert result.seconds < ASKED


def test_in_its_midst(image_id, conf, web, nginx, tmp_path):
    """The other one goes on at the byte that was delivered."""
    web.until = MiB
    seen = []
    result = copied(
        image_id,
        conf,
        tmp_path / 'copy',
        progress=lambda done, total: seen.append(done),
    )
    assert str(result.source).startswith(nginx.url(''))
    assert isinstance(result.error, exception.SourceUnavailable)
    assert result.error.retry_after == ASKED
    assert seen == sorted(seen)
    assert result.seconds < ASKED


def test_all_of_them(images, image_id, conf, web, nginx, tmp_path):
    """Not "not found": they may come back, and one says when."""
    (nginx.root / tmp_path.name).unlink()
    web.until = 0
    record = images.show(image_id)
    with pytest.raises(exception.SourceUnavailable, match='503') as caught:
        move.Mover(image_id, conf, image=record).copy(io.BytesIO())
    assert caught.value.retry_after == ASKED
