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

"""Names of files: links, devices, directories, and what policy denies."""

import contextlib
import errno
import os
import socket
import threading
import time

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores import file as file_store
from tests.functional import images
from tests.functional.faulty import (
    once,
)
from tests.functional.images import SIZE, MiB

pytestmark = pytest.mark.usefixtures('nothing_stays_open')


class TestDestinationName:
    """A name that is a link, a directory or nothing that can be one."""

    @staticmethod
    def copy(source, target, if_exists):
        return images.mover(source).copy(
            stores.open_writer(images.uri(target), if_exists=if_exists)
        )

    @pytest.fixture(params=['file', 'nothing', 'itself'])
    def link(self, request, place):
        """A symbolic link to a file, to nothing or to itself."""
        link = place / 'link'
        pointed = {'itself': link, 'file': place / 'pointed'}
        if request.param == 'file':
            (place / 'pointed').write_bytes(b'pointed at')
        link.symlink_to(pointed.get(request.param, place / 'nothing'))
        yield link
        if request.param == 'file':
            assert (place / 'pointed').read_bytes() == b'pointed at'
        assert not (place / 'nothing').exists()

    def test_a_link_exists_whatever_it_points_at(self, source, link):
        with pytest.raises(exception.DestinationExists):
            self.copy(source, link, 'fail')
        assert link.is_symlink()

    def test_a_link_is_replaced_not_followed(self, source, link):
        result = self.copy(source, link, 'replace')

        assert result.success
        assert not link.is_symlink()
        assert link.read_bytes() == source.read_bytes()

    def test_a_link_is_not_followed_in_place(self, source, link):
        with pytest.raises(exception.ImageError) as caught:
            self.copy(source, link, 'in_place')

        assert caught.value.side == 'destination'
        assert caught.value.destination_state == 'untouched'
        assert link.is_symlink()

    def test_a_link_to_a_device_is(self, place, source, block_device):
        link = place / 'link'
        link.symlink_to(block_device)

        result = self.copy(source, link, 'in_place')

        assert result.success
        with block_device.open('rb') as device:
            assert device.read(SIZE) == source.read_bytes()

    @pytest.mark.parametrize(
        ('if_exists', 'kind'),
        [
            ('fail', exception.DestinationExists),
            ('replace', exception.InvalidWriter),
            ('in_place', exception.InvalidWriter),
        ],
    )
    def test_a_directory(self, place, source, if_exists, kind):
        target = place / 'target'
        target.mkdir()
        with pytest.raises(kind) as caught:
            self.copy(source, target, if_exists)
        assert caught.value.side == 'destination'
        assert os.listdir(target) == []

    @pytest.mark.parametrize('if_exists', ['fail', 'in_place'])
    def test_a_fifo_that_nobody_reads(self, place, source, if_exists):
        """An error at once, and no waiting for a reader."""
        target = place / 'target'
        os.mkfifo(target)
        with pytest.raises(exception.ImageError):
            self.copy(source, target, if_exists)

    def test_a_character_device_in_place(self, source):
        with pytest.raises(exception.InvalidWriter):
            images.mover(source).copy(
                stores.open_writer('file:///dev/null', if_exists='in_place')
            )

    def test_nothing_in_place(self, place, source):
        with pytest.raises(exception.DestinationError) as caught:
            self.copy(source, place / 'target', 'in_place')
        assert caught.value.errno == errno.ENOENT
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('if_exists', ['fail', 'replace', 'in_place'])
    @pytest.mark.parametrize('parent', ['missing', 'source'])
    def test_no_directory(self, place, source, parent, if_exists):
        with pytest.raises(exception.DestinationError):
            self.copy(source, place / parent / 'target', if_exists)
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('if_exists', ['fail', 'replace', 'in_place'])
    def test_a_name_too_long_is_known_before_a_byte_is_read(
        self, place, source, monkeypatch, if_exists
    ):
        monkeypatch.setattr(
            file_store.FileSource, 'facet', lambda *args: pytest.fail('read')
        )
        with pytest.raises(exception.InvalidLocation):
            self.copy(source, place / ('x' * 256), if_exists)
        assert os.listdir(place) == ['source']

    def test_the_longest_name(self, place, source):
        for if_exists in ('fail', 'replace'):
            target = place / ('x' * 255)
            assert self.copy(source, target, if_exists).success
        assert sorted(os.listdir(place)) == ['source', 'x' * 255]

    def test_it_appears_in_the_middle(self, place, source, strategy):
        """Who was first stays; the copy does not overwrite it."""
        target = place / 'target'

        with pytest.raises(exception.DestinationExists) as caught:
            images.mover(source).copy(
                stores.open_writer(images.uri(target)),
                progress=once(lambda: target.write_bytes(b'first')),
                disabled=images.all_but(strategy),
            )

        assert caught.value.destination_state == 'untouched'
        assert target.read_bytes() == b'first'
        assert sorted(os.listdir(place)) == ['source', 'target']

    def test_the_directory_is_moved_in_the_middle(
        self, place, source, strategy
    ):
        """The image lands in the directory that was named at the start."""
        old, new = place / 'old', place / 'new'
        old.mkdir()

        def swap():
            old.rename(new)
            old.mkdir()

        result = images.mover(source).copy(
            stores.open_writer(images.uri(old / 'target')),
            progress=once(swap),
            disabled=images.all_but(strategy),
        )

        assert result.success
        assert os.listdir(old) == []
        assert (new / 'target').read_bytes() == source.read_bytes()


class TestSourceName:
    @staticmethod
    def copy(place, uri, image=None, config=None):
        return move.Mover(uri, config, image=image).copy(
            stores.open_writer(images.uri(place / 'target'))
        )

    def test_a_fifo_does_not_hang(self, place):
        os.mkfifo(place / 'fifo')
        with pytest.raises(exception.InvalidSource, match='FIFO'):
            self.copy(place, images.uri(place / 'fifo'))
        assert os.listdir(place) == ['fifo']

    def test_a_directory(self, place):
        (place / 'directory').mkdir()
        with pytest.raises(exception.InvalidSource, match='directory'):
            self.copy(place, images.uri(place / 'directory'))

    @pytest.mark.parametrize('device', ['/dev/zero', '/dev/null', '/dev/tty'])
    def test_a_character_device(self, place, device):
        with pytest.raises(exception.InvalidSource):
            self.copy(place, f'file://{device}')

    def test_a_socket(self, place):
        with socket.socket(socket.AF_UNIX) as listening:
            with contextlib.chdir(place):
                listening.bind('socket')
            with pytest.raises(exception.InvalidSource, match='socket'):
                self.copy(place, images.uri(place / 'socket'))

    @pytest.mark.parametrize(
        'path',
        ['/proc/cpuinfo', '/proc/self/status', '/sys/kernel/uevent_seqnum'],
    )
    def test_what_has_content_but_no_size(self, place, path):
        """Never an empty image, and a success at that."""
        with pytest.raises(exception.ImageError):
            self.copy(place, f'file://{path}')
        assert os.listdir(place) == []

    def test_nothing(self, place):
        with pytest.raises(exception.ImageNotFound) as caught:
            self.copy(place, images.uri(place / 'source'))
        assert caught.value.errno == errno.ENOENT

    def test_a_link_to_nothing(self, place):
        (place / 'link').symlink_to('nothing')
        with pytest.raises(exception.ImageNotFound):
            self.copy(place, images.uri(place / 'link'))

    def test_the_callers_own_link(self, place, source):
        (place / 'link').symlink_to(source)
        result = self.copy(place, images.uri(place / 'link'))
        assert result.success
        assert (place / 'target').read_bytes() == source.read_bytes()

    @pytest.mark.parametrize(
        'name',
        [
            b'a b',
            b'a%20b',
            b'100%',
            b'a?b#c',
            b'new\nline',
            '\u00fc\u2026\U0001f4be'.encode(),
            'u\u0308'.encode(),
            b'not \xff utf-8 \xfe',
        ],
    )
    def test_any_name_goes_round(self, place, name):
        content = images.noise(100)
        path = os.path.join(os.fsencode(place), name)
        with open(path, 'wb') as file:
            file.write(content)
        there = os.fsdecode(path) + 'copy'

        result = move.Mover(file_store.uri_for(os.fsdecode(path))).copy(
            stores.open_writer(file_store.uri_for(there))
        )

        assert result.success
        with open(there, 'rb') as file:
            assert file.read() == content
        assert os.fsencode(there) in [
            os.path.join(os.fsencode(place), one)
            for one in os.listdir(os.fsencode(place))
        ]


class TestUntrusted:
    """A location that the image's record names, not the caller."""

    @pytest.fixture
    def inside(self, place):
        """The directory that the operator configured."""
        directory = place / 'images'
        directory.mkdir()
        return directory

    @pytest.fixture
    def outside(self, place):
        """Directories beside it, of which one's name begins alike."""
        for name in ('images-of-others', 'secrets'):
            (place / name).mkdir()
            (place / name / 'secret').write_bytes(b'secret')
        return place / 'secrets' / 'secret'

    @staticmethod
    def copy(place, uri, config):
        return move.Mover(
            'some-id', config, image={'locations': [{'url': uri}]}
        ).copy(stores.open_writer(images.uri(place / 'target')))

    def denied(self, place, uri, config):
        with pytest.raises(exception.LocationDenied) as caught:
            self.copy(place, uri, config)
        assert caught.value.side == 'source'
        assert not (place / 'target').exists()

    def test_inside_is_read(self, place, inside):
        (inside / 'image').write_bytes(b'image')
        result = self.copy(
            place,
            images.uri(inside / 'image'),
            {'filesystem_store_datadir': str(inside)},
        )
        assert result.success
        assert (place / 'target').read_bytes() == b'image'

    def test_inside_of_several(self, place, inside):
        (inside / 'image').write_bytes(b'image')
        result = self.copy(
            place,
            images.uri(inside / 'image'),
            {
                'filesystem_store_datadirs': [
                    f'{place / "elsewhere"}:100',
                    f'{inside}:200',
                ]
            },
        )
        assert result.success

    def test_a_configured_link_counts_for_its_end(self, place, inside):
        (inside / 'image').write_bytes(b'image')
        link = place / 'link'
        link.symlink_to(inside)
        result = self.copy(
            place,
            images.uri(inside / 'image'),
            {'filesystem_store_datadir': str(link)},
        )
        assert result.success

    @pytest.mark.parametrize(
        'uri',
        [
            'file://{place}/secrets/secret',
            'filesystem://{place}/secrets/secret',
            'FILE://{place}/secrets/secret',
            'file://{place}/images/../secrets/secret',
            'file://{place}/images/%2e%2e/secrets/secret',
            'file://{place}/images/%2E%2E%2Fsecrets%2Fsecret',
            'file://{place}/images/..%2f/secrets/secret',
            'file://{place}/images-of-others/secret',
            'file://{place}/images/link',
            'file://{place}/images/chain',
            'file://{place}/images/directory/secret',
            'file:///etc/passwd',
            'file:///proc/self/environ',
        ],
    )
    def test_outside_is_not(self, place, inside, outside, uri):
        (inside / 'link').symlink_to(outside)
        (inside / 'chain').symlink_to('link')
        (inside / 'directory').symlink_to(outside.parent)
        self.denied(
            place,
            uri.format(place=place),
            {'filesystem_store_datadir': str(inside)},
        )

    def test_without_a_directory_nothing_is(self, place, outside):
        self.denied(place, images.uri(outside), None)

    @pytest.mark.parametrize('name', ['fifo', 'directory'])
    def test_outside_is_denied_before_it_is_called_wrong(
        self, place, inside, name
    ):
        os.mkfifo(place / 'fifo')
        (place / 'directory').mkdir()
        self.denied(
            place,
            images.uri(place / name),
            {'filesystem_store_datadir': str(inside)},
        )

    def test_outside_is_not_even_opened(self, place, inside):
        """To open a device or a FIFO may do something already."""
        fifo = place / 'fifo'
        os.mkfifo(fifo)
        (inside / 'link').symlink_to(fifo)
        met = threading.Event()

        def meet():
            with fifo.open('wb'):  # waits for a reader
                met.set()

        writer = threading.Thread(target=meet)
        writer.start()
        config = {'filesystem_store_datadir': str(inside)}
        try:
            time.sleep(0.05)  # until it waits
            self.denied(place, images.uri(fifo), config)
            self.denied(place, images.uri(inside / 'link'), config)
            assert not met.wait(0.2)
        finally:
            reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            writer.join()
            os.close(reader)

    def test_it_does_not_spoil_the_callers_own(
        self, place, inside, source, outside
    ):
        result = move.Mover(
            images.uri(source),
            {'filesystem_store_datadir': str(inside)},
            image={'locations': [{'url': images.uri(outside)}]},
        ).copy(stores.open_writer(images.uri(place / 'target')))

        assert result.success
        assert (place / 'target').read_bytes() == source.read_bytes()
        assert any(
            'filesystem_store_datadir' in str(refusal)
            for refusal in result.refusals
        )


class TestSameFile:
    """Whichever way it is named, an image is not copied onto itself."""

    @pytest.fixture(params=['itself', 'hard link', 'symbolic link'])
    def other(self, request, source):
        if request.param == 'itself':
            return source
        other = source.with_name('other')
        if request.param == 'hard link':
            other.hardlink_to(source)
        else:
            other.symlink_to(source)
        return other

    @pytest.mark.parametrize('at', [0, 4096, MiB, SIZE])
    def test_into_an_open_file(self, source, other, at):
        before = source.read_bytes()

        with other.open('r+b') as writer:
            writer.seek(at)
            result = images.mover(source).copy(writer)
            assert writer.tell() == at

        assert tuple(result) == (False, 0)
        assert all(
            'same file' in reason for reason in images.reasons(result).values()
        )
        assert source.read_bytes() == before

    def test_the_other_way_round(self, source, other):
        before = source.read_bytes()
        with source.open('r+b') as writer:
            result = images.mover(other).copy(writer)
        assert tuple(result) == (False, 0)
        assert source.read_bytes() == before

    def test_appended(self, source, other):
        with other.open('ab') as writer:
            result = images.mover(source).copy(writer)
        assert tuple(result) == (False, 0)
        assert source.stat().st_size == SIZE

    def test_in_place(self, source):
        before = source.read_bytes()
        result = images.mover(source).copy(
            stores.open_writer(images.uri(source), if_exists='in_place')
        )
        assert tuple(result) == (False, 0)
        assert source.read_bytes() == before

    def test_replaced_by_itself(self, source, other, strategy):
        """Not the same file any more, but the same bytes."""
        before = source.read_bytes()
        result = images.mover(source).copy(
            stores.open_writer(images.uri(other), if_exists='replace'),
            disabled=images.all_but(strategy),
        )
        assert result.success
        assert other.read_bytes() == before

    def test_a_device(self, block_device):
        with block_device.open('r+b') as writer:
            result = images.mover(block_device).copy(writer)
        assert tuple(result) == (False, 0)

    def test_truncated_by_the_caller_it_is_an_empty_image(self, source):
        """open('wb') has emptied it before we hear of it."""
        with source.open('wb') as writer:
            result = images.mover(source).copy(writer)
        assert tuple(result) == (False, 0)
