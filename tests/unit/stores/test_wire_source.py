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

"""Versions, ranges, and what is asked of the server."""

import concurrent.futures
import random

import pytest

from oslo_image import exception
from oslo_image.stores import base
from oslo_image.testing import scripted
from oslo_image.testing.scripted import ScriptedServer
from tests.unit.stores.wire_help import make_store, read_all, trusted

HEAD = 1 << 16
DATA = random.Random(1).randbytes(3 * HEAD + 7)
SIZE = len(DATA)


def opened(server: ScriptedServer, store: base.Store) -> base.Source:
    return store.open_source(trusted(server.url))


class TestRanged:
    def test_one_probe_says_it_all(self) -> None:
        with (
            ScriptedServer(DATA) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            assert source.size == SIZE
            assert source.version == 'ETag "v1"'
            assert source.ranged
            assert source.restartable
            assert source.realm is None
        (request,) = server.requests
        assert request.method == 'GET'
        assert request.range == (0, HEAD - 1)
        assert request.headers['accept-encoding'] == 'identity'

    def test_the_head_costs_nothing_more(self) -> None:
        with (
            ScriptedServer(DATA) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            buffer = memoryview(bytearray(HEAD))
            assert source.read_into(0, buffer) == HEAD
            assert buffer == DATA[:HEAD]
            assert source.read_into(100, buffer[:50]) == 50
            assert buffer[:50] == DATA[100:150]
            assert read_all(source.open_stream(5, 6)) == DATA[5:11]
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ('offset', 'length'),
        [
            (0, None),
            (0, SIZE),
            (0, HEAD + 1),
            (1, None),
            (HEAD, 1),
            (HEAD - 1, 2),
            (SIZE - 1, 1),
            (SIZE - 1, 100),
            (SIZE, 1),
            (SIZE, None),
            (SIZE + 5, 5),
            (100, 0),
            (0, 10 * SIZE),
        ],
    )
    def test_any_range(self, offset: int, length: int | None) -> None:
        with (
            ScriptedServer(DATA) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            end = SIZE if length is None else offset + length
            expected = DATA[offset:end]
            assert read_all(source.open_stream(offset, length)) == expected
            buffer = memoryview(bytearray(len(expected) + 3))
            count = source.read_into(offset, buffer[: end - offset])
            assert buffer[:count] == expected
        assert server.connections == 1

    def test_in_parallel(self) -> None:
        with (
            ScriptedServer(DATA * 20) as server,
            make_store() as store,
            opened(server, store) as source,
            concurrent.futures.ThreadPoolExecutor(8) as pool,
        ):

            def read(offset: int) -> bytes:
                buffer = memoryview(bytearray(10_007))
                count = source.read_into(offset, buffer)
                return bytes(buffer[:count])

            parts = pool.map(read, range(0, SIZE * 20, 10_007))
            assert b''.join(parts) == DATA * 20
        assert server.connections <= 9

    def test_an_unread_rest_is_not_taken_for_the_next_answer(self) -> None:
        with (
            ScriptedServer(DATA) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            reader = source.open_stream()
            reader.readinto(memoryview(bytearray(10)))
            reader.close()
            reader.close()
            assert read_all(source.open_stream(7)) == DATA[7:]
        assert server.connections == 2

    @pytest.mark.parametrize('size', [1, 2, HEAD - 1, HEAD, HEAD + 1])
    def test_small_ones(self, size: int) -> None:
        with (
            ScriptedServer(DATA[:size]) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            assert source.size == size
            assert read_all(source.open_stream()) == DATA[:size]

    def test_empty(self) -> None:
        with (
            ScriptedServer(b'') as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            assert source.size == 0
            assert read_all(source.open_stream()) == b''
            assert list(source.extents(0, 0)) == []
            assert source.version == 'ETag "v1"'
        assert len(server.requests) == 1


class TestPinned:
    def test_by_a_strong_etag(self) -> None:
        with (
            ScriptedServer(DATA) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            read_all(source.open_stream())
            source.check_unchanged()
        assert server.requests[1].headers['if-match'] == '"v1"'

    def test_by_last_modified(self) -> None:
        date = 'Tue, 01 Jan 2030 00:00:00 GMT'
        later = 'Tue, 01 Jan 2030 00:00:01 GMT'
        for etag in (None, 'W/"weak"'):
            answer = scripted.Good(
                {'ETag': etag, 'Last-Modified': date, 'Date': later}
            )
            with (
                ScriptedServer(DATA, lambda *_, a=answer: a) as server,
                make_store() as store,
                opened(server, store) as source,
            ):
                assert source.version == f'Last-Modified {date}'
                assert read_all(source.open_stream()) == DATA
            headers = server.requests[1].headers
            assert headers['if-unmodified-since'] == date
            assert 'if-match' not in headers

    @pytest.mark.parametrize('date', [None, 'no date', 'the same'])
    def test_by_no_last_modified_that_may_be_of_this_second(
        self, date: str | None
    ) -> None:
        """A change later in that second would not show in it."""
        modified = 'Tue, 01 Jan 2030 00:00:00 GMT'
        fields = {
            'ETag': None,
            'Last-Modified': modified,
            'Date': modified if date == 'the same' else date,
        }
        with (
            ScriptedServer(DATA, lambda *_: scripted.Good(fields)) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            assert source.version is None
            assert not source.ranged

    @pytest.mark.parametrize('etag', [None, 'W/"weak"'])
    def test_without_a_strong_mark_it_is_one_stream(
        self, etag: str | None
    ) -> None:
        """Ranges might be of two versions, and nobody would know."""
        answer = scripted.Good({'ETag': etag})
        with (
            ScriptedServer(DATA, lambda *_: answer) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            assert source.version is None
            assert not source.ranged
            assert read_all(source.open_stream()) == DATA

    @pytest.mark.parametrize(
        ('headers', 'kind'),
        [
            ({'ETag': '"v2"'}, exception.SourceChanged),
            ({'ETag': 'W/"v1"'}, exception.SourceChanged),
            ({'Last-Modified': 'now'}, exception.SourceChanged),
            ({'ETag': None}, exception.ProtocolViolation),
        ],
    )
    def test_another_version_is_never_read(
        self, headers: dict[str, str | None], kind: type
    ) -> None:
        first = {'Last-Modified': 'then'}
        with (
            ScriptedServer(
                DATA, [scripted.Good(first), scripted.Good(first | headers)]
            ) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            with pytest.raises(kind):
                source.open_stream(HEAD)

    @pytest.mark.parametrize('code', [412, 416])
    def test_the_server_says_that_it_changed(self, code: int) -> None:
        script = [scripted.Good(), scripted.status(code)]
        with (
            ScriptedServer(DATA, script) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            with pytest.raises(exception.SourceChanged, match=str(code)):
                source.open_stream(HEAD)

    def test_it_grew(self) -> None:
        with (
            ScriptedServer(DATA) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            server.content += b'+'
            with pytest.raises(exception.SourceChanged, match='size'):
                source.open_stream(HEAD)

    def test_an_etag_that_appears(self) -> None:
        date = {
            'Last-Modified': 'Sun, 22 Nov 2026 00:00:00 GMT',
            'Date': 'Sun, 22 Nov 2026 00:00:01 GMT',
        }
        script = [scripted.Good({'ETag': None, **date}), scripted.Good(date)]
        with (
            ScriptedServer(DATA, script) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            with pytest.raises(exception.SourceChanged):
                source.open_stream(HEAD)

    def test_a_last_modified_that_disappears(self) -> None:
        date = {
            'Last-Modified': 'Sun, 22 Nov 2026 00:00:00 GMT',
            'Date': 'Sun, 22 Nov 2026 00:00:01 GMT',
        }
        none = {'ETag': None}
        script = [scripted.Good({**none, **date}), scripted.Good(none)]
        with (
            ScriptedServer(DATA, script) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            with pytest.raises(exception.ProtocolViolation):
                source.open_stream(HEAD)

    def test_ranges_that_are_suddenly_ignored(self) -> None:
        script = [scripted.Good(), scripted.Whole(), scripted.Whole()]
        with (
            ScriptedServer(DATA, script) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            with pytest.raises(exception.ProtocolViolation, match='whole'):
                source.open_stream(HEAD)
            assert read_all(source.open_stream()) == DATA


class TestWithoutRanges:
    @pytest.mark.parametrize(
        'refusal',
        [
            scripted.Whole(),
            scripted.status(400),
            scripted.status(416),
            scripted.status(501),
            scripted.Good({'Content-Range': f'bytes 0-{HEAD - 1}/*'}),
        ],
    )
    def test_read_in_one_stream_and_again(
        self, refusal: scripted.Answer
    ) -> None:
        def script(number: int, request: scripted.Request) -> scripted.Answer:
            return refusal if number == 0 else scripted.Whole()

        with (
            ScriptedServer(DATA, script) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            assert source.size == SIZE
            assert source.version == 'ETag "v1"'
            assert not source.ranged
            assert source.restartable
            probed = len(server.requests)
            assert read_all(source.open_stream()) == DATA
            assert len(server.requests) == probed  # the answer was kept
            assert read_all(source.open_stream(0, 10)) == DATA[:10]
            assert read_all(source.open_stream()) == DATA
        assert server.requests[-1].range is None

    def test_the_head_can_be_looked_at_before(self) -> None:
        for length in (HEAD, 10):
            with (
                ScriptedServer(DATA, [scripted.Whole()]) as server,
                make_store() as store,
                opened(server, store) as source,
            ):
                buffer = memoryview(bytearray(length))
                assert source.read_into(0, buffer) == length
                assert buffer == DATA[:length]
                assert source.read_into(3, buffer[:4]) == 4
                assert buffer[:4] == DATA[3:7]
                assert read_all(source.open_stream()) == DATA
                assert source.read_into(0, buffer) == length
                assert buffer == DATA[:length]
            assert len(server.requests) == 1

    def test_a_small_one_ends_within_its_head(self) -> None:
        with (
            ScriptedServer(b'small', [scripted.Whole()]) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            buffer = memoryview(bytearray(100))
            assert source.read_into(0, buffer) == 5
            assert source.read_into(3, buffer) == 2
            assert source.read_into(50, buffer) == 0
            assert read_all(source.open_stream()) == b'small'

    def test_only_from_the_start(self) -> None:
        with (
            ScriptedServer(DATA, [scripted.Whole()]) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            with pytest.raises(exception.SourceError, match='byte 0'):
                source.open_stream(5)

    @pytest.mark.parametrize(
        'second',
        [
            scripted.Whole(scripted.Good({'ETag': '"v2"'})),
            scripted.Whole(scripted.Good(body=DATA + b'+')),
        ],
    )
    def test_a_second_pass_sees_the_same_version(
        self, second: scripted.Answer
    ) -> None:
        with (
            ScriptedServer(DATA, [scripted.Whole(), second]) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            read_all(source.open_stream())
            with pytest.raises(exception.SourceChanged):
                source.open_stream()

    def test_a_second_pass_counts_against_the_first(self) -> None:
        short = scripted.Whole(scripted.UntilClose(SIZE - 1))
        with (
            ScriptedServer(DATA, [scripted.Whole(), short]) as server,
            make_store() as store,
            opened(server, store) as source,
        ):
            read_all(source.open_stream())
            with pytest.raises(exception.Truncated):
                read_all(source.open_stream())


class TestRoutes:
    def test_ranges_go_straight_to_where_the_probe_was_led(self) -> None:
        with ScriptedServer(DATA) as mirror:
            away = scripted.redirect(mirror.url)
            with (
                ScriptedServer(b'', lambda *_: away) as server,
                make_store(http_allow_local_addresses=True) as store,
                opened(server, store) as source,
            ):
                assert read_all(source.open_stream(3)) == DATA[3:]
                assert read_all(source.open_stream(4)) == DATA[4:]
            assert len(server.requests) == 1
            assert len(mirror.requests) == 3

    def test_and_come_back_when_that_place_is_gone(self) -> None:
        script = [scripted.Good(), scripted.status(403)]
        with ScriptedServer(DATA, script) as mirror:
            away = scripted.redirect(mirror.url)
            with (
                ScriptedServer(b'', lambda *_: away) as server,
                make_store(http_allow_local_addresses=True) as store,
                opened(server, store) as source,
            ):
                assert read_all(source.open_stream(3)) == DATA[3:]
            assert len(server.requests) == 2
            assert len(mirror.requests) == 3

    def test_a_route_is_not_more_trusted_later(self) -> None:
        """The second request checks what the redirect led to once more."""
        with (
            ScriptedServer(DATA) as mirror,
            make_store(http_allow_local_addresses=True) as store,
        ):
            away = scripted.redirect(mirror.url)
            with (
                ScriptedServer(b'', lambda *_: away) as server,
                opened(server, store) as source,
            ):
                store._client.settings.policy.allow_local = False
                with pytest.raises(exception.LocationDenied):
                    source.open_stream(3)
        assert len(mirror.requests) == 1
