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
"""Requests to Swift whose answers are lost for good.

What may be there is taken back when it is ours, or named; and what the error
says of the destination is true.
"""

import threading
import time

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.swift import pool
from oslo_image.stores.wire import again
from tests.functional import images
from tests.functional.images import MiB

DATA = images.noise(2 * MiB + 7)
OLD = images.noise(3 * MiB, 3)
SEGMENT = 'oslo-image.segment'
UNLESS = 'unless the server did not make it'


@pytest.fixture
def box(faulty_box, monkeypatch):
    """A container behind a proxy; new tries come at once."""
    monkeypatch.setattr(again, 'PAUSE', 0.01)
    return faulty_box


def write(box, name, data, **how):
    config = {**box.config}
    del config['swift_store_endpoint']
    with stores.open_writer(box.uri(name), config, **how) as writer:
        writer.write(data)
        writer.commit()


def lose(box, pattern='/copy$', *, looks=True, since='before', **more):
    """Have no PUT answered, and if need be no look afterwards either.

    :param since: when the server lets nobody look any more: "before" it
        hears of the PUT, or "after" it has done what it should.
    """

    def blind():
        if not looks:
            answer = (503, {'Retry-After': '0'})
            box.proxy.on('HEAD', '/copy$', answer=answer, times=None)

    more = more or {'lose_answer': True}
    box.proxy.on('PUT', pattern, times=None, **{since: blind}, **more)


def failed(box, kind, source, **how):
    """Have a copy to ``copy`` fail; return the error and what is left."""
    config = {**box.config}
    writer = stores.open_writer(box.uri('copy'), config, **how)
    with pytest.raises(kind) as caught:
        move.Mover(source, config).copy(writer)
    return caught.value, writer.leftovers


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'image'
    path.write_bytes(DATA)
    return f'file://{path}'


class TestTheServerHasCopied:
    @pytest.mark.parametrize('how', ['fail', 'replace'])
    def test_as_a_look_shows(self, box, how):
        box.put('image', DATA)
        if how == 'replace':
            write(box, 'copy', OLD)
        lose(box)

        result = box.copy(box.uri('image'), 'copy', if_exists=how)

        assert result.strategy == 'swift_copy'
        assert box.get('copy') == DATA
        assert box.names() == ['copy', 'image']

    @pytest.mark.parametrize('how', ['fail', 'replace'])
    def test_but_nobody_can_look(self, box, how):
        box.put('image', DATA)
        if how == 'replace':
            write(box, 'copy', OLD)
        lose(box, looks=False)

        error, left = failed(
            box,
            exception.DestinationError,
            box.uri('image'),
            if_exists=how,
        )

        assert error.destination_state == 'modified'
        assert left[0] == f'{box.name}/copy, {UNLESS}'
        assert left[0] in error.__notes__[0]
        assert box.get('copy') == DATA
        old = [name for name in box.names() if ':' in name]
        assert len(old) == (3 if how == 'replace' else 0)
        assert left[1:] == [one for one in left if '3 segments' in one]
        assert len(left) == 1 + bool(old)

    @pytest.mark.parametrize('looks', [True, False])
    def test_and_a_gateway_gave_up(self, box, looks):
        """It may be there later."""
        box.put('image', DATA)
        lose(box, looks=looks, answer=(504, {'Retry-After': '0'}))

        error, left = failed(box, exception.DestinationError, box.uri('image'))

        assert error.destination_state == 'modified'
        assert left == [f'{box.name}/copy, {UNLESS}']

    def test_nothing_as_a_look_shows(self, box):
        box.put('image', DATA)
        write(box, 'copy', OLD)
        lose(box, answer=(503, {'Retry-After': '0'}))

        error, left = failed(
            box,
            exception.DestinationError,
            box.uri('image'),
            if_exists='replace',
        )

        assert (error.destination_state, left) == ('untouched', [])
        assert box.get('copy') == OLD

    def test_a_segment_and_a_gateway_gave_up(self, box):
        write(box, 'image', DATA, size=len(DATA))
        lose(box, f'{SEGMENT}/copy.*0002$', answer=(504, {'Retry-After': '0'}))

        error, left = failed(box, exception.DestinationError, box.uri('image'))

        assert error.destination_state == 'untouched'
        assert [one.partition('/000')[2] for one in left] == [
            f'00002, {UNLESS}'
        ]
        assert len(box.names()) == 4


class TestTheServerHasStored:
    @pytest.mark.parametrize('how', ['fail', 'replace'])
    @pytest.mark.parametrize('looks', [True, False])
    def test_segments(self, box, image, how, looks):
        """They stay as long as an object may be made of them."""
        if how == 'replace':
            box.put('copy', OLD)
        lose(box, 'multipart-manifest', looks=looks)

        if looks:
            assert box.copy(image, 'copy', if_exists=how).success
        else:
            error, left = failed(
                box, exception.DestinationError, image, if_exists=how
            )
            assert error.destination_state == 'modified'
            assert left[0] == f'{box.name}/copy, {UNLESS}'
            assert left[1].startswith(f'{box.name}/{SEGMENT}/copy/')
            box.proxy.clear()
            box.clean('copy')

        assert box.get('copy') == DATA
        assert len(box.names()) == 4

    @pytest.mark.parametrize('looks', [True, False])
    def test_one_body(self, box, looks):
        lose(box, looks=looks)
        with stores.open_writer(box.uri('copy'), box.config, size=5) as writer:
            writer.write(b'small')
            if looks:
                writer.commit()
            else:
                with pytest.raises(exception.DestinationError):
                    writer.commit()
        assert writer.leftovers == (
            [] if looks else [f'{box.name}/copy, {UNLESS}']
        )
        assert box.get('copy') == b'small'

    @pytest.mark.parametrize('looks', [True, False])
    def test_one_body_of_pieces(self, box, image, looks):
        box.config['swift_store_large_object_size'] = 9
        lose(box, looks=looks, since='after')
        if looks:
            assert box.copy(image, 'copy').success
        else:
            error, left = failed(box, exception.DestinationError, image)
            assert error.destination_state == 'modified'
            assert left == [f'{box.name}/copy, {UNLESS}']
        assert box.get('copy') == DATA

    def test_and_refuses_what_is_sent_again(self, box, image):
        """The first answer was lost, and the token is no longer good."""
        box.proxy.on('PUT', 'multipart-manifest', lose_answer=True)
        box.proxy.on(
            'PUT', 'multipart-manifest', first=2, times=None, answer=(403, {})
        )
        assert box.copy(image, 'copy').success
        assert box.get('copy') == DATA


class TestAnotherVersionWasCopied:
    """RGW looks at no condition on the source."""

    @pytest.fixture
    def box(self, rgw_faulty_box):
        box = rgw_faulty_box
        box.put('image', DATA)
        box.proxy.on(
            'PUT', '/copy$', before=lambda: box.put('image', b'another')
        )
        return box

    @pytest.mark.parametrize('how', ['fail', 'replace'])
    def test_it_is_taken_back(self, box, how):
        if how == 'replace':
            write(box, 'copy', OLD)
        error, left = failed(
            box, exception.SourceChanged, box.uri('image'), if_exists=how
        )
        state = 'modified' if how == 'replace' else 'untouched'
        assert (error.destination_state, left) == (state, [])
        assert box.names() == ['image']

    def test_nothing_was_there_to_be_replaced(self, box):
        error, _ = failed(
            box, exception.SourceChanged, box.uri('image'), if_exists='replace'
        )
        assert error.destination_state == 'untouched'
        assert box.names() == ['image']

    def test_it_is_named(self, box):
        box.proxy.on('DELETE', '/copy$', answer=(403, {}), times=None)
        error, left = failed(box, exception.SourceChanged, box.uri('image'))
        assert error.destination_state == 'modified'
        assert left == [f'{box.name}/copy, {UNLESS}']
        assert box.get('copy') == b'another'


@pytest.mark.parametrize('how', ['fail', 'replace'])
def test_what_another_has_put_there_since_stays(box, how):
    box.put('image', DATA)
    if how == 'replace':
        box.put('copy', OLD)

    def late(*done):
        box.put('copy', b'theirs')
        raise exception.TooLarge('too late')

    with stores.open_writer(
        box.uri('copy'), box.config, if_exists=how
    ) as writer:
        with pytest.raises(exception.TooLarge) as caught:
            move.Mover(box.uri('image'), box.config).copy(
                writer, progress=late
            )
    state = 'modified'
    assert caught.value.destination_state == state
    assert box.get('copy') == b'theirs'


@pytest.mark.parametrize('how', ['fail', 'replace'])
def test_a_copy_that_is_not_wanted_any_more(box, how):
    """Its old segments go with what they were replaced by."""
    box.put('image', DATA)
    if how == 'replace':
        write(box, 'copy', OLD)

    def late(*done):
        assert box.get('copy') == DATA
        raise exception.TooLarge('too late')

    with stores.open_writer(
        box.uri('copy'), box.config, if_exists=how
    ) as writer:
        with pytest.raises(exception.TooLarge) as caught:
            move.Mover(box.uri('image'), box.config).copy(
                writer, progress=late
            )
    state = 'modified' if how == 'replace' else 'untouched'
    assert caught.value.destination_state == state
    assert box.names() == ['image']


class TestCancelled:
    """While the cluster copies segments, of which a window is under way."""

    SIZE = 24

    @pytest.fixture
    def cancel(self, box):
        write(box, 'image', images.noise(self.SIZE * MiB))
        return threading.Event()

    def copy(self, box, cancel):
        writer = stores.open_writer(box.uri('copy'), box.config)
        with pytest.raises(exception.Cancelled) as caught:
            move.Mover(box.uri('image'), box.config).copy(
                writer, cancel=cancel
            )
        assert caught.value.destination_state == 'untouched'
        return writer.leftovers

    def test_no_more_are_copied(self, box, cancel):
        pattern = f'{SEGMENT}/copy'
        box.proxy.on('PUT', pattern, first=3, before=cancel.set)

        assert self.copy(box, cancel) == []

        assert box.proxy.asked('PUT', pattern) < 9
        assert len(box.names()) == self.SIZE + 1

    def test_one_takes_a_while(self, box, cancel):
        """It is waited for, as the server would make it all the same."""
        box.proxy.on(
            'PUT', f'{SEGMENT}/copy', first=3, before=cancel.set, pause=1
        )
        assert self.copy(box, cancel) == []
        time.sleep(1)
        assert len(box.names()) == self.SIZE + 1

    def test_one_takes_too_long(self, box, cancel, monkeypatch):
        """The server may make it later: it is named, and found by name."""
        monkeypatch.setattr(pool, '_GRACE', 0.1)
        box.proxy.on(
            'PUT', f'{SEGMENT}/copy', first=3, before=cancel.set, pause=2
        )

        (left,) = self.copy(box, cancel)

        name = left.removesuffix(f', {UNLESS}').partition('/')[2]
        deadline = time.monotonic() + 10
        while not box.client.get_container(box.name, prefix=name)[1]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        box.clean('copy')
        assert len(box.names()) == self.SIZE + 1

    @pytest.mark.parametrize('what', ['image', 'file', 'manifest'])
    def test_nothing_is_answered(self, box, cancel, what, tmp_path):
        """Neither the only request nor a look at what it has done."""
        box.put('small', DATA)
        path = tmp_path / 'image'
        path.write_bytes(DATA[: 9 if what == 'file' else None])
        source = f'file://{path}'
        if what == 'image':
            source = box.uri('small')
        pattern = 'manifest=put' if what == 'manifest' else '/copy$'

        def silent():
            cancel.set()
            box.proxy.on('HEAD', '/copy$', pause=60, times=None)

        box.proxy.on('PUT', pattern, before=silent, pause=60, times=None)
        writer = stores.open_writer(box.uri('copy'), box.config)
        began = time.monotonic()
        with pytest.raises(exception.Cancelled) as caught:
            move.Mover(source, box.config).copy(writer, cancel=cancel)
        took = time.monotonic() - began
        box.proxy.clear()

        assert took < 15
        assert caught.value.destination_state == 'modified'
        assert writer.leftovers[0] == f'{box.name}/copy, {UNLESS}'
        assert len(writer.leftovers) == 1 + (what == 'manifest')
