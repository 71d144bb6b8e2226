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

"""What befalls a copy to or from Swift, through a proxy in front of it.

After each fault: the right bytes or a precise error, and nothing left, or it
is named in the error and found again by name.
"""

import io
import json
import logging
import subprocess
import sys
import threading
import time

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.registry import Stores
from oslo_image.stores.swift import SwiftAuth, account
from oslo_image.stores.wire import again
from tests.functional import images
from tests.functional.images import MiB

#: Five segments, of which the last one is short.
SIZE = 4 * MiB + 11
DATA = images.noise(SIZE)
SEGMENT = 'oslo-image.segment'
COPY = """
import json, sys
from oslo_image import move, stores
config, source, target = json.loads(sys.argv[1]), *sys.argv[2:]
with stores.open_writer(target, config) as writer:
    move.Mover(source, config).copy(writer)
"""
#: The server has had enough.
BUSY = (500, 502, 503, 429, 498)


@pytest.fixture
def box(faulty_box):
    """A container behind a proxy: in each server."""
    return faulty_box


@pytest.fixture
def between(box):
    return box.proxy


@pytest.fixture(autouse=True)
def canary(caplog, swift, box):
    """No key and no token in anything that is said."""
    caplog.set_level(logging.DEBUG)
    yield
    said = [
        one.getMessage()
        for one in caplog.records
        # that of the plain client beside shows the beginning of its token
        if not one.name.startswith('swiftclient')
    ]
    for secret in (swift.users[0].key, 'AUTH_tk'):
        assert not any(secret in one for one in said)


@pytest.fixture
def quick(monkeypatch):
    """New tries come at once."""
    monkeypatch.setattr(again, 'PAUSE', 0.01)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'image'
    path.write_bytes(DATA)
    return f'file://{path}'


def past(box):
    """Return the options without the proxy."""
    config = {**box.config}
    del config['swift_store_endpoint']
    return config


def put(box, name='image', *, replaced=False):
    """Store an image, past the proxy."""
    how = 'replace' if replaced else 'fail'
    with stores.open_writer(box.uri(name), past(box), if_exists=how) as writer:
        writer.write(DATA[::-1] if replaced else DATA)
        writer.commit()


class TestWriting:
    @pytest.mark.parametrize('number', range(1, 6))
    def test_cut_in_a_segment(self, box, between, image, number):
        """It is sent again, whichever it is."""
        between.on('PUT', f'{SEGMENT}.*{number:08}$', cut_request=1000)

        assert box.copy(image, 'image').success

        assert box.get('image') == DATA
        assert len(box.names()) == 6

    @pytest.mark.parametrize('number', range(1, 6))
    def test_the_answer_for_a_segment_is_lost(
        self, box, between, image, number
    ):
        between.on('PUT', f'{SEGMENT}.*{number:08}$', lose_answer=True)
        assert box.copy(image, 'image').success
        assert box.get('image') == DATA
        assert len(box.names()) == 6

    @pytest.mark.parametrize('status', BUSY)
    @pytest.mark.parametrize('what', [SEGMENT, 'multipart-manifest'])
    def test_busy_for_a_moment(self, box, between, image, status, what):
        between.on('PUT', what, answer=(status, {'Retry-After': '0'}))
        assert box.copy(image, 'image').success
        assert box.get('image') == DATA

    def test_it_waits_as_long_as_it_is_asked_to(self, box, between, image):
        between.on('PUT', '00000003$', answer=(503, {'Retry-After': '2'}))
        began = time.monotonic()
        assert box.copy(image, 'image').success
        assert 2 <= time.monotonic() - began < 8
        assert box.get('image') == DATA

    @pytest.mark.parametrize('status', [503, 507, 403, 413])
    def test_a_segment_that_is_never_taken(
        self, box, between, image, status, quick
    ):
        answer = (status, {'Retry-After': '0'})
        between.on('PUT', '00000003$', answer=answer, times=None)
        kind = {
            503: exception.DestinationError,
            507: exception.NoSpace,
            403: exception.PermissionDenied,
            413: exception.NoSpace,
        }[status]

        with pytest.raises(kind, match=f'HTTP {status}') as caught:
            box.copy(image, 'image')

        assert caught.value.side == 'destination'
        assert caught.value.destination_state == 'untouched'
        assert box.names() == []

    def test_the_answer_for_the_manifest_is_lost(self, box, between, image):
        """It is there all the same, and what it was sent again for is ours."""
        between.on('PUT', 'multipart-manifest', lose_answer=True)
        assert box.copy(image, 'image').success
        assert box.get('image') == DATA
        assert len(box.names()) == 6

    @pytest.mark.parametrize('times', [1, None])
    def test_the_answer_for_a_small_image_is_lost(
        self, box, between, times, quick
    ):
        between.on('PUT', '/image$', lose_answer=True, times=times)
        with stores.open_writer(
            box.uri('image'), box.config, size=5
        ) as writer:
            writer.write(b'small')
            writer.commit()
        assert box.get('image') == b'small'

    def test_somebody_was_faster(self, swift_faulty_box, image):
        """As far as a server looks; RGW does not."""
        box = swift_faulty_box
        box.proxy.on(
            'PUT', 'multipart-man', before=lambda: box.put('image', b'theirs')
        )
        with pytest.raises(exception.DestinationExists):
            box.copy(image, 'image')
        assert box.get('image') == b'theirs'
        assert box.names() == ['image']

    def test_a_segment_that_vanished(self, box, between, image):
        def vanish():
            found = box.client.get_container(box.name, prefix=SEGMENT)[1]
            box.client.delete_object(box.name, found[0]['name'])

        between.on('PUT', 'multipart-manifest', before=vanish)
        with pytest.raises(exception.DestinationError):
            box.copy(image, 'image')
        assert box.names() == []

    def test_what_cannot_be_taken_back_is_named(self, box, between, image):
        """And found again by name, when the server is itself again."""
        between.on('PUT', '00000005$', answer=(403, {}), times=None)
        between.on('DELETE', SEGMENT, answer=(403, {}), times=None)
        writer = stores.open_writer(box.uri('image'), box.config)

        with pytest.raises(exception.PermissionDenied):
            move.Mover(image, box.config).copy(writer)

        left = writer.leftovers
        assert 1 <= len(left) <= 5
        listed = box.client.get_container(box.name)[1]
        there = {f'{box.name}/{one["name"]}' for one in listed}
        assert there <= set(left)
        between.clear()
        box.clean()
        assert box.names() == []

    def test_the_server_is_away_for_a_while(
        self, swift, swift_faulty_box, image
    ):
        """All of the object servers, from the second segment on."""
        box = swift_faulty_box
        began = threading.Event()

        def copy():
            with stores.open_writer(box.uri('image'), box.config) as writer:
                move.Mover(image, box.config).copy(
                    writer, progress=lambda *done: began.set()
                )

        thread = threading.Thread(target=copy)
        thread.start()
        assert began.wait(10)
        swift.object.stop()
        time.sleep(1.5)
        swift.object.start()
        thread.join()
        assert box.get('image') == DATA

    def test_a_full_container(self, swift_faulty_box, image):
        box = swift_faulty_box
        quota = {'X-Container-Meta-Quota-Bytes': str(2 * MiB)}
        box.client.post_container(box.name, quota)
        with stores.open_writer(
            box.uri('image'), box.config, size=SIZE
        ) as writer:
            # What is counted is what the container's server has heard of.
            writer.write(DATA[: 3 * MiB])
            wait_for(lambda: int(_used(box)) >= 2 * MiB)
            with pytest.raises(exception.NoSpace):
                writer.write(DATA[3 * MiB :])
                writer.commit()
        assert writer.leftovers == []
        assert box.names() == []


class TestReading:
    @pytest.mark.parametrize('number', range(2, 5))
    def test_cut_in_a_range(self, box, between, tmp_path, number):
        put(box)
        between.on('GET', '/image$', first=number, cut_answer=MiB + 1)
        between.on('GET', '/image$', first=2, times=number, cut_answer=MiB)

        result = box.fetch('image', tmp_path / 'target')

        assert result.success
        assert (tmp_path / 'target').read_bytes() == DATA

    @pytest.mark.parametrize('status', BUSY)
    def test_busy_for_a_moment(self, box, between, tmp_path, status):
        put(box)
        answer = (status, {'Retry-After': '0'})
        between.on('GET', '/image$', first=2, answer=answer)
        assert box.fetch('image', tmp_path / 'target').success
        assert (tmp_path / 'target').read_bytes() == DATA

    @pytest.mark.parametrize('new', [b'x' * SIZE, b'small'])
    def test_replaced_in_between(self, box, between, tmp_path, new):
        put(box)
        between.on(
            'GET',
            '/image$',
            first=2,
            before=lambda: box.put('image', new),
        )
        with pytest.raises(exception.SourceChanged):
            box.fetch('image', tmp_path / 'target')
        assert not (tmp_path / 'target').exists()

    def test_deleted_in_between(self, box, between, tmp_path):
        put(box)
        between.on(
            'GET',
            '/image$',
            first=2,
            before=lambda: box.client.delete_object(box.name, 'image'),
        )
        with pytest.raises(exception.ImageError) as caught:
            box.fetch('image', tmp_path / 'target')
        assert caught.value.side == 'source'
        assert not (tmp_path / 'target').exists()

    def test_a_segment_is_gone(self, box, tmp_path):
        put(box)
        found = box.client.get_container(box.name, prefix=SEGMENT)[1]
        box.client.delete_object(box.name, found[2]['name'])
        writer = io.BytesIO()
        with pytest.raises(exception.ImageError) as caught:
            move.Mover(box.uri('image'), past(box)).copy(writer)
        assert caught.value.side == 'source'


class TestCopying:
    @pytest.mark.parametrize('status', [500, 503, 429])
    def test_busy_for_a_moment(self, box, between, status):
        put(box)
        answer = (status, {'Retry-After': '0'})
        between.on('PUT', f'{SEGMENT}/copy', first=2, answer=answer)
        assert box.copy(box.uri('image'), 'copy').strategy == 'swift_copy'
        assert box.get('copy') == DATA

    def test_a_token_that_ends(self, swift, swift_faulty_box):
        box = swift_faulty_box
        put(box)
        box.proxy.on('PUT', f'{SEGMENT}/copy', before=swift.forget_tokens)
        assert box.copy(box.uri('image'), 'copy').strategy == 'swift_copy'
        assert box.get('copy') == DATA

    @pytest.mark.parametrize('segmented', [True, False])
    def test_replaced_in_between(self, box, between, segmented):
        if segmented:
            put(box)
            name = box.client.get_container(box.name, prefix=SEGMENT)[1][3]
            name = name['name']
        else:
            name = 'image'
            box.put(name, DATA)
        pattern = f'{SEGMENT}/copy.*0004$' if segmented else '/copy$'
        between.on('PUT', pattern, before=lambda: box.put(name, b'x' * 9))
        before = box.names()

        with pytest.raises(exception.SourceChanged):
            box.copy(box.uri('image'), 'copy')

        assert box.names() == before

    def test_the_object_is_replaced_by_another_of_segments(self, box, between):
        """Its segments are copied whole, but it is not theirs any more."""
        put(box)
        between.on(
            'PUT',
            f'{SEGMENT}/copy',
            before=lambda: box.put('image', b'other'),
        )
        before = box.names()
        with pytest.raises(exception.SourceChanged):
            box.copy(box.uri('image'), 'copy')
        assert box.names() == before

    @pytest.mark.parametrize('image', [{}, {'disk_format': 'raw'}])
    def test_replaced_before_its_manifest_is_read(self, box, between, image):
        """After somebody has looked into it, too."""
        put(box)
        between.on(
            'GET',
            'multipart-manifest=get',
            before=lambda: put(box, replaced=True),
        )
        with pytest.raises(exception.SourceChanged):
            box.copy(box.uri('image'), 'copy', image=image)
        assert 'copy' not in box.names()
        assert not any(name.startswith('copy:') for name in box.names())

    def test_deleted_in_between(self, box, between):
        """It is the source that is gone."""
        box.put('image', DATA)
        between.on(
            'PUT',
            '/copy$',
            before=lambda: box.client.delete_object(box.name, 'image'),
        )
        with pytest.raises(exception.ImageError) as caught:
            box.copy(box.uri('image'), 'copy')
        assert caught.value.side == 'source'
        assert box.names() == []

    def test_refused_by_rights(self, box, between):
        """Then it goes through here."""
        box.put('image', DATA)
        between.on('PUT', '/copy$', answer=(403, {}))
        result = box.copy(box.uri('image'), 'copy')
        assert result.strategy == 'parallel'
        assert 'does not allow it' in images.reasons(result)['swift_copy']
        assert box.get('copy') == DATA

    def test_cancelled_between_two_segments(self, box, between):
        put(box)
        cancel = threading.Event()
        between.on('PUT', f'{SEGMENT}/copy', before=cancel.set)
        before = box.names()
        with stores.open_writer(box.uri('copy'), box.config) as writer:
            with pytest.raises(exception.Cancelled):
                move.Mover(box.uri('image'), box.config).copy(
                    writer, cancel=cancel
                )
        assert box.names() == before


class TestSecrets:
    def test_are_in_nothing_that_is_said(
        self, swift, swift_faulty_box, image, caplog
    ):
        """Not in events, results, errors and the log of all libraries."""
        box = swift_faulty_box
        told = []

        def copy(source, to, **config):
            with stores.open_writer(
                box.uri(to), {**box.config, **config}
            ) as writer:
                told.append(writer)
                told.append(
                    move.Mover(source, {**box.config, **config}).copy(
                        writer, notify=told.append
                    )
                )

        copy(image, 'image')
        copy(box.uri('image'), 'copy')
        address = swift.auth_url.partition('://')[2]
        user = swift.users[0]
        named = f'swift+http://{user.login}:%s@{address}/{box.name}/image'
        copy(named % user.key, 'other')
        for key in ('c4n4ry', f'{user.key}x'):
            with pytest.raises(exception.PermissionDenied) as caught:
                stores.open_source(named % key, box.config)
            told.append(caught.value)
        _, token = box.client.get_auth()
        auth = SwiftAuth(token)
        url = box.client.get_auth()[0].partition('://')[2]
        where = f'swift+http://{url}/{box.name}/image'
        with stores.open_source(where, auth=auth) as source:
            told += [auth, source, source.location]
        account.kept.cache_clear()

        mine = [
            one.getMessage()
            for one in caplog.records
            if not one.name.startswith('swiftclient')
        ]
        said = ' '.join([*mine, *(f'{one!r} {one}' for one in told)])
        assert '/auth/v1.0' in said
        for secret in (user.key, token, 'c4n4ry', 'AUTH_tk'):
            assert secret not in said


class TestKilled:
    @pytest.mark.parametrize('what', ['file', 'copy'])
    def test_its_segments_are_found(self, box, between, image, what):
        """And those of whoever lives on are not."""
        put(box)
        source = image if what == 'file' else box.uri('image')
        reached = threading.Event()

        def stop():
            reached.set()
            time.sleep(1)

        between.on('PUT', 'other.*0000000[45]$', times=None, before=stop)
        arguments = json.dumps(box.config), source, box.uri('other')
        with subprocess.Popen([sys.executable, '-c', COPY, *arguments]) as one:
            assert reached.wait(20)
            one.kill()
        wait_for(lambda: len(box.names()) >= 9)
        assert 'other' not in box.names()

        young, old = find(box, 'other', 3600), find(box, 'other', 0)

        assert young == []
        assert [one.size >= 3 * MiB for one in old] == [True]
        assert f'{SEGMENT}/other/' in old[0].name
        assert find(box, 'image', 0) == []
        time.sleep(1.2)  # what the proxy still held has arrived
        box.clean('other')
        assert len(box.names()) == 6
        assert box.get('image') == DATA

    def test_what_became_an_object_meanwhile_stays(self, box, image):
        writer = stores.open_writer(box.uri('image'), box.config)
        writer.write(DATA)
        found = find(box, 'image', 0)
        assert len(found) == 1
        writer.commit()

        where = Stores(box.config)
        location = where.location(box.uri('image'))
        assert where.find(location).remove_leftover(found[0]) is False
        where.close()

        assert box.get('image') == DATA


def _used(box):
    return box.client.head_container(box.name)['x-container-bytes-used']


def wait_for(condition):
    deadline = time.monotonic() + 8
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def find(box, name, older_than):
    found = Stores(box.config)
    location = found.location(box.uri(name))
    left = list(
        found.find(location).leftovers(location, older_than=older_than)
    )
    found.close()
    return left
