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

"""A misbehaving web server: right bytes, or an error and nothing changed."""

import hashlib
import io
import os
import threading

import pytest

from oslo_image import exception, move, stores
from oslo_image.move.strategies import parallel
from oslo_image.stores.file import uri_for
from oslo_image.stores.wire import WireSource
from oslo_image.testing.scripted import (
    Chunked,
    Drip,
    Good,
    Reset,
    ScriptedServer,
    Short,
    Surplus,
    UntilClose,
    Whole,
    gzipped,
    redirect,
    silent,
    status,
)
from tests.destinations import KINDS, Destination

MiB = 1 << 20
CHUNK = MiB
BITS = hashlib.shake_128(b'http').digest(3 * MiB + 17)
CONFIG = {
    'retries': 2,
    'retry_pause': 0.0,
    'http_read_timeout': 1.0,
    'http_stall_timeout': 0.5,
    'http_minimum_rate': 1000,
}
#: The probe is good, and then the fault, as often as is said.
ONCE = {
    'short': Short(1000),
    'no byte': Short(0),
    'reset before the head': Reset(None),
    'reset at 0': Reset(0),
    'reset at 1': Reset(1),
    'reset at chunk-1': Reset(CHUNK - 1),
    'reset at chunk': Reset(CHUNK),
    'reset at the last byte': Reset(3 * MiB + 16),
    'chunks without an end': Chunked(at=MiB, final=False),
    '503': status(503, {'Retry-After': '0'}),
    '429': status(429),
    'drip': Drip(0.2),
    'silence': silent,
}
#: After the probe there is nothing else any more.
ALWAYS = {
    'no byte': (Short(0), exception.Truncated),
    'reset at 1': (Reset(1), exception.SourceUnavailable),
    'reset at chunk-1': (Reset(CHUNK - 1), exception.SourceUnavailable),
    'reset before the head': (Reset(None), exception.SourceUnavailable),
    'chunks without an end': (
        Chunked(at=0, final=False),
        exception.Truncated,
    ),
    'gzip': (gzipped, exception.ProtocolViolation),
    'surplus': (Surplus(), exception.SizeMismatch),
    'another ETag': (Good({'ETag': '"new"'}), exception.SourceChanged),
    'wrong range': (
        Good({'Content-Range': f'bytes 1-{MiB}/{len(BITS)}'}),
        exception.ProtocolViolation,
    ),
    'no range': (
        Good({'Content-Range': None}),
        exception.ProtocolViolation,
    ),
    'another total': (
        Good({'Content-Range': f'bytes 0-{len(BITS) - 1}/{len(BITS) + 1}'}),
        exception.IntegrityError,
    ),
    'multipart': (
        Good({'Content-Type': 'multipart/byteranges; boundary=x'}),
        exception.ProtocolViolation,
    ),
    'silence': (silent, exception.SourceUnavailable),
    'drip': (Drip(0.2), exception.SourceUnavailable),
    '403': (status(403), exception.PermissionDenied),
    '404': (status(404), exception.ImageNotFound),
    '500': (status(500), exception.SourceUnavailable),
}


@pytest.fixture(params=KINDS)
def destination(request, tmp_path):
    directory = tmp_path / 'destination'
    directory.mkdir()
    return Destination(request.param, directory)


@pytest.fixture
def store(tmp_path):
    """A store's writer, for what is the same for all kinds."""
    directory = tmp_path / 'destination'
    directory.mkdir()
    return Destination('store', directory)


@pytest.fixture
def many_ranges(monkeypatch):
    """The image is more than one request's worth."""
    monkeypatch.setattr(WireSource, 'chunk', CHUNK)
    monkeypatch.setattr(parallel, '_BATCH', CHUNK)


@pytest.fixture(params=[{}, {'verify': 'always'}], ids=['plain', 'hashed'])
def needs(request):
    return request.param


@pytest.mark.parametrize('fault', ONCE)
def test_once_is_mended(fault, destination, needs):
    with ScriptedServer(BITS, [Good(), ONCE[fault]]) as server:
        result = destination.copy(move.Mover(server.url, CONFIG), **needs)
    assert destination.content() == BITS
    assert tuple(result) == (True, len(BITS))


def test_a_little_progress_each_time_is_enough(destination):
    """Tries are counted anew after every MiB."""

    def script(number, request):
        return Reset(CHUNK) if number else None

    config = {**CONFIG, 'retries': 1}
    with ScriptedServer(BITS, script) as server:
        result = destination.copy(move.Mover(server.url, config))
    assert destination.content() == BITS
    assert result.success


@pytest.mark.parametrize('fault', ALWAYS)
def test_for_ever_is_an_error(fault, destination):
    answer, error = ALWAYS[fault]

    def script(number, request):
        return answer if number else None

    with ScriptedServer(BITS, script) as server:
        with pytest.raises(error) as caught:
            destination.copy(move.Mover(server.url, CONFIG))
        assert server.url in str(caught.value)
    assert caught.value.side == 'source'
    assert caught.value.destination_state in ('untouched', 'restored')
    destination.assert_as_before()


@pytest.mark.parametrize('fault', ALWAYS)
def test_another_location_makes_it_good(fault, store):
    answer, _ = ALWAYS[fault]

    def script(number, request):
        return answer if number else None

    with (
        ScriptedServer(BITS, script) as bad,
        ScriptedServer(BITS) as good,
    ):
        mover = move.Mover(
            bad.url,
            {**CONFIG, 'http_allow_local_addresses': True},
            image={
                'os_hash_algo': 'sha256',
                'os_hash_value': hashlib.sha256(BITS).hexdigest(),
                'locations': [{'url': good.url}],
            },
        )
        result = store.copy(mover)
    assert store.content() == BITS
    assert result.verified


class TestRangeIgnored:
    """A server that knew ranges, and sends the whole all at once."""

    @pytest.mark.parametrize('script', [[Good(), Whole()], None])
    def test_the_whole_is_as_good_as_a_range_of_all(
        self, script, destination, needs
    ):
        def always(number, request):
            return Whole() if number else None

        with ScriptedServer(BITS, script or always) as server:
            destination.copy(move.Mover(server.url, CONFIG), **needs)
        assert destination.content() == BITS

    @pytest.mark.parametrize(
        'script',
        [[Good(), Short(MiB), Whole()], [Good(), Reset(1), Whole()]],
        ids=['in the middle', 'after a byte'],
    )
    def test_on_resume_it_is_an_error(self, script, destination):
        with ScriptedServer(BITS, script) as server:
            with pytest.raises(exception.ProtocolViolation, match='whole'):
                destination.copy(move.Mover(server.url, CONFIG))
        destination.assert_as_before()

    @pytest.mark.parametrize('after', [1, 2, 3])
    def test_among_many_ranges_it_is_an_error(
        self, after, destination, needs, many_ranges
    ):
        """A stream is one request: there is no range to be ignored."""

        def script(number, request):
            return Whole() if number >= after else None

        with ScriptedServer(BITS, script) as server:
            mover = move.Mover(server.url, CONFIG)
            if not destination.takes_any_order:
                destination.copy(mover, **needs)
                assert destination.content() == BITS
                return
            with pytest.raises(exception.ProtocolViolation, match='whole'):
                destination.copy(mover, **needs)
        destination.assert_as_before()


class TestWithoutRanges:
    @pytest.mark.parametrize(
        'answer', [Good(), Chunked(), UntilClose()], ids=lambda a: type(a)
    )
    def test_the_stream_is_taken(self, answer, destination, needs):
        with ScriptedServer(BITS, lambda *_: Whole(answer)) as server:
            mover = move.Mover(server.url, CONFIG)
            result = destination.copy(mover, **needs)
        assert destination.content() == BITS
        assert result.strategy == 'stream'

    def test_an_early_end_is_seen_by_the_declared_size(self, destination):
        def script(*_):
            return Whole(UntilClose(at=2 * MiB))

        with ScriptedServer(BITS, script) as server:
            mover = move.Mover(server.url, CONFIG, image={'size': len(BITS)})
            with pytest.raises(exception.Truncated):
                destination.copy(mover)
        destination.assert_as_before()

    def test_an_early_end_is_seen_by_the_digest(self, destination):
        image = {
            'os_hash_algo': 'sha256',
            'os_hash_value': hashlib.sha256(BITS).hexdigest(),
        }
        with ScriptedServer(
            BITS, lambda *_: Whole(UntilClose(at=2 * MiB))
        ) as server:
            mover = move.Mover(server.url, CONFIG, image=image)
            with pytest.raises(exception.DigestMismatch):
                destination.copy(mover)
        destination.assert_as_before()

    def test_without_either_it_is_not_called_verified(self, store):
        with ScriptedServer(BITS, lambda *_: Whole(UntilClose())) as server:
            result = store.copy(move.Mover(server.url))
        assert result.success
        assert not result.verified

    def test_a_pinned_stream_is_resumed(self, destination):
        script = [Whole(Short(MiB)), Whole()]
        with ScriptedServer(BITS, script) as server:
            destination.copy(move.Mover(server.url, CONFIG))
        assert destination.content() == BITS

    def test_a_stream_of_another_version_is_not(self, destination):
        script = [Whole(Short(MiB)), Whole(Good({'ETag': '"new"'}))]
        with ScriptedServer(BITS, script) as server:
            with pytest.raises(exception.SourceChanged):
                destination.copy(move.Mover(server.url, CONFIG))
        destination.assert_as_before()


class TestRedirects:
    @pytest.mark.parametrize(
        ('place', 'error'),
        [
            ('file:///etc/passwd', exception.LocationDenied),
            ('ftp://127.0.0.1/x', exception.LocationDenied),
            ('/loop', exception.ProtocolViolation),
        ],
    )
    @pytest.mark.parametrize('after', [0, 1])
    def test_a_bad_one_is_an_error(self, place, error, after, destination):
        def script(number, request):
            return redirect(place) if number >= after else None

        with ScriptedServer(BITS, script) as server:
            with pytest.raises(error):
                destination.copy(move.Mover(server.url, CONFIG))
        destination.assert_as_before()

    @pytest.mark.parametrize('after', [0, 1])
    def test_one_to_a_denied_address_reaches_nobody(self, after, destination):
        with ScriptedServer(BITS) as inner:

            def script(number, request):
                return redirect(inner.url) if number >= after else None

            with ScriptedServer(BITS, script) as server:
                with pytest.raises(exception.LocationDenied) as caught:
                    destination.copy(move.Mover(server.url))
            assert not inner.requests
        assert caught.value.side == 'source'
        destination.assert_as_before()

    def test_an_images_location_reaches_no_loopback(self, destination):
        with ScriptedServer(BITS) as inner:
            mover = move.Mover('x', image={'locations': [{'url': inner.url}]})
            with pytest.raises(exception.LocationDenied):
                destination.copy(mover)
            assert not inner.requests
        destination.assert_as_before()


def test_auth_goes_to_the_callers_own_uri_alone():
    with ScriptedServer(BITS) as own, ScriptedServer(BITS) as other:
        mover = move.Mover(
            own.url,
            {'http_allow_local_addresses': True},
            image={'locations': [{'url': other.url}]},
            auth={'X-Auth-Token': 'canary'},
        )
        mover.plan(io.BytesIO())
        assert own.requests[0].headers['x-auth-token'] == 'canary'
        assert all('x-auth-token' not in r.headers for r in other.requests)


def test_auth_of_another_kind_is_left_alone():
    with ScriptedServer(BITS) as server:
        plan = move.Mover(server.url, auth=object()).plan(io.BytesIO())
    assert plan.offers


def test_a_cancelled_copy_does_not_wait_for_a_silent_server(tmp_path):
    def script(number, request):
        return silent if number else None

    cancel = threading.Event()
    with ScriptedServer(BITS, script) as server:
        mover = move.Mover(server.url, {'http_read_timeout': 600.0})
        timer = threading.Timer(0.3, cancel.set)
        timer.start()
        with pytest.raises(exception.Cancelled):
            mover.copy(
                stores.open_writer(uri_for(tmp_path / 't')), cancel=cancel
            )
        timer.join()
    assert not os.listdir(tmp_path)


def test_a_cancelled_copy_does_not_wait_for_a_connection_that_will_close(
    tmp_path,
):
    def half(exchange):
        exchange.send_head(headers={'Connection': 'close'})
        exchange.send(exchange.body[:1000])
        exchange.server.stopping.wait()
        exchange.keep = False

    cancel = threading.Event()
    with ScriptedServer(BITS, lambda n, _: half if n else None) as server:
        mover = move.Mover(server.url, {'http_read_timeout': 600.0})
        timer = threading.Timer(0.3, cancel.set)
        timer.start()
        with pytest.raises(exception.Cancelled):
            mover.copy(
                stores.open_writer(uri_for(tmp_path / 't')), cancel=cancel
            )
        timer.join()
    assert not os.listdir(tmp_path)


def test_no_secret_is_told(store, caplog):
    canary = 'CaNaRy0123456789'
    with ScriptedServer(BITS, lambda *_: status(403)) as server:
        url = server.url.replace('http://', f'http://user:{canary}@')
        mover = move.Mover(f'{url}?X-Amz-Signature={canary}')
        with caplog.at_level('DEBUG'):
            with pytest.raises(exception.PermissionDenied) as caught:
                store.copy(mover)
    told = [repr(mover), caplog.text]
    error = caught.value
    while error is not None:
        told += [str(error), repr(error), *getattr(error, '__notes__', ())]
        error = error.__cause__ or error.__context__
    assert canary not in ''.join(told)
