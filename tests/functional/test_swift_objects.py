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

"""Objects in Swift: what is written, and how it lies there."""

import io
import json
import os
import threading
from urllib.parse import urlsplit

import pytest

from oslo_image import exception, move, stores
from tests.functional import boxes, clients, images, proxy
from tests.functional.images import MiB
from tests.servers import policy
from tests.servers import swift as swift_server

DATA = images.noise(3 * MiB + 7)


def write(box, name, data, *, size=None, how='fail'):
    with stores.open_writer(
        box.uri(name), box.config, size=size, if_exists=how
    ) as writer:
        writer.write(data)
        return writer.commit()


class TestForms:
    """One PUT or segments, whichever server."""

    @pytest.mark.parametrize(
        'size', [0, 1, MiB - 1, MiB, MiB + 1, 2 * MiB, 3 * MiB + 7]
    )
    @pytest.mark.parametrize('known', [True, False])
    def test_around_a_segment(self, box, size, known):
        data = images.noise(size, size)

        location = write(box, 'image', data, size=size if known else None)

        assert box.get('image') == data
        assert location.reveal() == box.uri('image')
        parts = -(-size // MiB)
        whole = parts < 2 if known else not parts
        assert box.static('image') is not whole
        segments = [f'image:{one:08}' for one in range(1, parts + 1)]
        assert box.names() == sorted(['image', *([] if whole else segments)])

    def test_a_segment_of_zeros_is_stored_once(self, box, tmp_path):
        path = images.make(
            tmp_path / 'image', 9 * MiB + 5, {0: b'first', 4 * MiB: b'x' * MiB}
        )

        result = box.copy(f'file://{path}', 'image')

        assert result.success
        assert result.bytes_moved == 2 * MiB
        assert box.get('image') == path.read_bytes()
        assert box.names() == [
            'image',
            'image:00000001',
            'image:00000005',
            'image:zeros-1048576',
            'image:zeros-5',
        ]

    def test_zeros_that_were_read_are_found_too(self, box):
        data = bytes(3 * MiB) + b'end'

        write(box, 'image', data)

        assert box.get('image') == data
        assert 'image:zeros-1048576' in box.names()

    def test_of_no_name_that_means_something(self, box):
        """A name that a server might decode, or list as another's."""
        name = 'a b%2541+ü?#&'
        uri = box.uri('a%20b%252541%2B%C3%BC%3F%23%26')
        with stores.open_writer(uri, box.config) as writer:
            writer.write(DATA)
            assert writer.commit().reveal() == uri

        assert box.get(name) == DATA
        stores.delete(uri, box.config)
        assert box.names() == []


class TestTakenBack:
    @pytest.mark.parametrize('how', ['fail', 'replace'])
    def test_nothing_stays(self, box, how):
        if how == 'replace':
            box.put('image', b'old')
        with stores.open_writer(
            box.uri('image'), box.config, if_exists=how
        ) as writer:
            writer.write(DATA)
            assert len(box.names()) > 2
            assert writer.abort() == []

        assert box.names() == (['image'] if how == 'replace' else [])

    @pytest.mark.parametrize('old', [b'old', DATA[:-1]])
    @pytest.mark.parametrize('new', [b'new', DATA])
    def test_what_was_replaced_is_gone(self, box, old, new):
        write(box, 'image', old, size=len(old))
        write(box, 'image', new, size=len(new), how='replace')

        assert box.get('image') == new
        whole = len(new) < MiB
        assert len(box.names()) == (1 if whole else 5)


class TestDeleting:
    def test_a_static_object_of_somebody_else(self, box):
        entries = [box.put(f'parts/{n}', b'x' * 100) for n in range(3)]
        box.client.put_object(
            box.name,
            'image',
            json.dumps(entries),
            query_string='multipart-manifest=put',
        )
        assert box.get('image') == b'x' * 300

        stores.delete(box.uri('image'), box.config)

        assert box.names() == []

    def test_a_dynamic_object_and_no_other_image(self, box):
        """As glance_store makes them; another id begins as this one does."""
        for number in range(1, 4):
            box.put(f'image-{number:05}', b'x')
        box.put('image', X_Object_Manifest=f'{box.name}/image-')
        others = ['image-1', 'image-2-x', 'image-clone', 'image2', 'ima']
        for name in others:
            box.put(name, b'other')

        stores.delete(box.uri('image'), box.config)

        assert box.names() == sorted(others)

    def test_a_dynamic_object_in_another_container(self, box):
        other = f'{box.name}-parts'
        box.client.put_container(other)
        for number in range(3):
            box.client.put_object(other, f'image/1/{number}', b'x')
        box.client.put_object(other, 'image/2', b'y')
        box.put('image', X_Object_Manifest=f'{other}/image/1/')

        stores.delete(box.uri('image'), box.config)

        left = box.client.get_container(other)[1]
        assert [one['name'] for one in left] == ['image/2']

    def test_an_object_in_an_object(self, swift_box):
        box = swift_box
        inner = [box.put(f'inner/{n}', b'i' * 10) for n in range(2)]
        etag = box.client.put_object(
            box.name,
            'middle',
            json.dumps(inner),
            query_string='multipart-manifest=put',
        )
        outer = [{'path': f'/{box.name}/middle', 'etag': etag.strip('"')}]
        box.client.put_object(
            box.name,
            'image',
            json.dumps(outer),
            query_string='multipart-manifest=put',
        )

        stores.delete(box.uri('image'), box.config)

        assert box.names() == []

    def test_what_is_not_there(self, box):
        with pytest.raises(exception.ImageNotFound):
            stores.delete(box.uri('image'), box.config)


@pytest.fixture(scope='module')
def small():
    limits = {'max_file_size': 2 * MiB, 'container_listing_limit': 12}
    with policy.provided(
        swift_server.Swift(max_segments=8, constraints=limits)
    ) as server:
        yield server


@pytest.fixture
def small_box(small, tmp_path):
    user = small.users[0]
    login = small.auth_url, user.login, user.key
    with clients.swift(*login) as client:
        yield boxes.Box(client, boxes.options(*login), tmp_path.name)


def dynamic(box, count):
    for number in range(1, count + 1):
        box.put(f'image-{number:05}', b'x')
    box.put('image', X_Object_Manifest=f'{box.name}/image-')


class TestLimits:
    """A cluster with small ones."""

    def test_segments_suffice_for_a_known_size(self, small_box):
        data = images.noise(11 * MiB)

        write(small_box, 'image', data, size=len(data))

        # Two MiB each, instead of the one that is wanted.
        assert len(small_box.names()) == 7
        assert small_box.get('image') == data

    def test_segments_grow_where_nobody_knows(self, small_box):
        data = images.noise(9 * MiB)

        write(small_box, 'image', data)

        assert len(small_box.names()) <= 9
        assert small_box.get('image') == data

    @pytest.mark.parametrize(
        'size', [8 * MiB + 1, 9 * MiB, 10 * MiB - 1, 10 * MiB + 1, 15 * MiB]
    )
    @pytest.mark.parametrize('how', ['by hand', 'stream', 'hashed', 'sent'])
    @pytest.mark.parametrize('kind', ['dense', 'sparse', 'zeros'])
    def test_segments_in_pieces(self, small_box, tmp_path, size, how, kind):
        """Two pieces each, of which both, one or none is of zeros."""
        box = small_box
        dense = {0: images.noise(size)}
        holes = {MiB: images.noise(MiB), 4 * MiB: images.noise(2 * MiB + 9)}
        pieces = {'dense': dense, 'sparse': holes, 'zeros': {}}[kind]
        path = images.make(tmp_path / 'image', size, pieces)
        data = path.read_bytes()

        if how == 'by hand':
            write(box, 'image', data)
        elif how == 'stream':
            mover = move.Mover('data', data=lambda: io.BytesIO(data))
            with stores.open_writer(box.uri('image'), box.config) as writer:
                assert mover.copy(writer).strategy == 'stream'
        else:
            verify = 'always' if how == 'hashed' else 'never'
            with stores.open_writer(box.uri('image'), box.config) as writer:
                move.Mover(f'file://{path}').copy(writer, verify=verify)

        assert box.get('image') == data
        segments = [name for name in box.names() if ':' in name]
        assert len(segments) <= 8
        if kind == 'zeros':
            assert all('zeros' in name for name in segments)

    def test_a_segment_in_pieces_that_breaks(self, small_box):
        """What was in memory cannot be sent again."""
        with proxy.Proxy(urlsplit(small_box.client.get_auth()[0]).port) as one:
            box = small_box.via(one)
            one.on('PUT', '00000003$', cut_request=MiB + 9)
            with stores.open_writer(box.uri('image'), box.config) as writer:
                with pytest.raises(exception.DestinationError) as caught:
                    move.Mover(
                        'data', data=lambda: io.BytesIO(images.noise(9 * MiB))
                    ).copy(writer)
            assert caught.value.temporary
            assert caught.value.destination_state == 'untouched'
            assert box.names() == []

    @pytest.mark.parametrize('rest', [DATA, bytes(len(DATA))])
    def test_a_token_that_ends_before_a_segment_in_pieces(
        self, small, small_box, rest
    ):
        with stores.open_writer(
            small_box.uri('image'), small_box.config
        ) as writer:
            writer.write(DATA)
            small.forget_tokens()
            writer.write(rest)
            writer.commit()
        assert small_box.get('image') == DATA + rest

    def test_too_large(self, small_box):
        with stores.open_writer(
            small_box.uri('image'), small_box.config
        ) as writer:
            with pytest.raises(exception.TooLarge, match='8 segments'):
                writer.begin(17 * MiB)

    def test_more_segments_than_a_page_lists(self, small_box):
        """The same loop goes over 10 000 of them."""
        dynamic(small_box, 30)
        assert small_box.get('image') == b'x' * 30

        stores.delete(small_box.uri('image'), small_box.config)

        assert small_box.names() == []

    def test_no_size_is_told_of_more_segments(self, small_box):
        """Swift says 0, which is no size."""
        dynamic(small_box, 12)
        assert small_box.head('image')['content-length'] == '0'

        with pytest.raises(exception.InvalidSource, match='so many segm'):
            stores.open_source(small_box.uri('image'), small_box.config)

    def test_a_manifest_cannot_name_so_many(self, small_box):
        """More segments than those of a static object can be."""
        dynamic(small_box, 9)

        result = small_box.copy(small_box.uri('image'), 'copy')

        assert result.strategy == 'parallel'
        assert 'names 8' in images.reasons(result)['swift_copy']
        assert small_box.get('copy') == b'x' * 9

    def test_nothing_in_no_segments(self, small_box):
        dynamic(small_box, 0)
        result = small_box.copy(small_box.uri('image'), 'copy')
        assert (result.success, result.size) == (True, 0)


class TestFromAFile:
    def test_segments_go_by_sendfile(self, box, tmp_path, monkeypatch):
        """The bytes do not enter this process."""
        sent = []
        sendfile = os.sendfile

        def counted(*arguments):
            count = sendfile(*arguments)
            sent.append(count)
            return count

        monkeypatch.setattr(os, 'sendfile', counted)
        path = tmp_path / 'image'
        path.write_bytes(DATA)

        result = box.copy(f'file://{path}', 'image')

        assert result.strategy == 'parallel'
        assert sum(sent) == len(DATA)
        assert box.get('image') == DATA

    @pytest.mark.parametrize('at', [None, 5000, MiB - 1])
    def test_zeros_that_are_no_hole(self, box, tmp_path, at):
        """A segment of them is sent once, unless a byte is none."""
        data = bytearray(4 * MiB)
        if at is not None:
            data[MiB + at] = 1
        path = tmp_path / 'image'
        path.write_bytes(data)

        box.copy(f'file://{path}', 'image')

        assert box.get('image') == data
        segments = {name for name in box.names() if ':0' in name}
        assert segments == ({'image:00000002'} if at else set())


def test_readers_share_an_object(box):
    """Ranges of one version, by several threads."""
    write(box, 'image', DATA, size=len(DATA))
    found = {}
    with stores.open_source(box.uri('image'), box.config) as source:

        def read(at):
            buffer = bytearray(1000)
            source.read_into(at, memoryview(buffer))
            found[at] = bytes(buffer)

        threads = [
            threading.Thread(target=read, args=(at,))
            for at in range(0, 3 * MiB, 500_000)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert found == {at: DATA[at : at + 1000] for at in found}
    assert len(found) == 7


def test_a_missing_container_is_said(box):
    uri = box.uri('image').replace(box.name, f'{box.name}-none')
    with stores.open_writer(uri, box.config) as writer:
        writer.write(b'data')
        with pytest.raises(exception.DestinationError, match='no such cont'):
            writer.commit()


def test_a_container_is_made(box):
    uri = box.uri('image').replace(box.name, f'{box.name}-made')
    config = {**box.config, 'swift_store_create_container_on_put': True}
    with stores.open_writer(uri, config) as writer:
        writer.write(DATA)
        writer.commit()
    assert box.client.get_object(f'{box.name}-made', 'image')[1] == DATA
