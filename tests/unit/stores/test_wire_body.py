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

"""A server that misbehaves gives the right bytes or a precise error."""

import errno
import logging
import time

import pytest

from oslo_image import exception
from oslo_image.testing import scripted
from oslo_image.testing.scripted import ScriptedServer
from tests.unit.stores.wire_help import (
    CANARY,
    chain,
    everything_said,
    make_store,
    read_all,
    trusted,
)

HEAD = 1 << 16
CHUNK = 8192
DATA = bytes(range(251)) * 1000
SIZE = len(DATA)


def after_probe(answer: scripted.Answer) -> scripted.Script:
    """Answer the probe well, and then so."""
    return [scripted.Good(), answer]


def failing(
    script: scripted.Script, *, etag: str = '"v1"', **options: object
) -> exception.ImageError:
    """Read all of a source and return the error that this must end in.

    What is delivered before is compared with the truth.
    """
    with (
        ScriptedServer(DATA, script, etag=etag) as server,
        make_store(**options) as store,
    ):
        got = bytearray()
        buffer = memoryview(bytearray(CHUNK))
        with pytest.raises(exception.ImageError) as info:
            location = trusted(f'{server.url}?sig={CANARY}')
            with store.open_source(location) as source:
                reader = source.open_stream()
                while count := reader.readinto(buffer):
                    got += buffer[:count]
        error = info.value
        assert bytes(got) == DATA[: len(got)]
        assert error.offset in (None, len(got))
        assert error.side == 'source'
        assert error.source is location
        assert chain(error) == [error]
        assert CANARY not in everything_said(error)
        return error


@pytest.mark.parametrize('at', [0, 1, CHUNK - 1, CHUNK, SIZE - 1])
class TestBreaksOffAt:
    def test_short_of_its_length(self, at: int) -> None:
        error = failing(after_probe(scripted.Short(at)))
        assert type(error) is exception.Truncated
        assert error.temporary
        assert error.offset == at

    def test_reset(self, at: int) -> None:
        error = failing(after_probe(scripted.Reset(at)))
        assert type(error) is exception.SourceUnavailable
        assert error.errno == errno.ECONNRESET
        assert error.offset == at

    def test_chunked_without_an_end(self, at: int) -> None:
        answer = scripted.Chunked(at=at, final=False)
        error = failing(after_probe(answer))
        assert type(error) is exception.Truncated
        assert error.temporary

    def test_no_length_but_the_range_tells(self, at: int) -> None:
        error = failing(after_probe(scripted.UntilClose(at)))
        assert type(error) is exception.Truncated
        assert error.offset == at

    def test_short_without_ranges(self, at: int) -> None:
        error = failing([scripted.Whole(scripted.Short(at))])
        assert type(error) is exception.Truncated
        assert error.offset == at

    def test_reset_without_ranges(self, at: int) -> None:
        error = failing([scripted.Whole(scripted.Reset(at))])
        assert type(error) is exception.SourceUnavailable
        assert error.offset == at

    def test_reset_in_the_probe(self, at: int) -> None:
        error = failing([scripted.Reset(min(at, HEAD - 1))])
        assert type(error) is exception.SourceUnavailable
        assert error.errno == errno.ECONNRESET


class TestRightInTheEnd:
    @pytest.mark.parametrize(
        'answer',
        [
            scripted.Good(),
            scripted.Chunked(),
            scripted.Chunked(size=SIZE),
            scripted.UntilClose(),
            scripted.Whole(),
            scripted.Good({'Accept-Ranges': None}),
        ],
    )
    @pytest.mark.parametrize('step', [1000, CHUNK, SIZE, 2 * SIZE])
    def test_bytes(self, answer: scripted.Answer, step: int) -> None:
        for script in ([answer], after_probe(answer)):
            with (
                ScriptedServer(DATA, script) as server,
                make_store() as store,
                store.open_source(trusted(server.url)) as source,
            ):
                assert read_all(source.open_stream(), step) == DATA

    @pytest.mark.parametrize('at', [None, 1000])
    def test_without_any_length_the_end_is_where_it_ends(
        self, at: int | None
    ) -> None:
        """Nobody can tell; a size or a digest from elsewhere has to."""
        answer = scripted.Whole(scripted.UntilClose(at))
        with (
            ScriptedServer(DATA, [answer]) as server,
            make_store() as store,
            store.open_source(trusted(server.url)) as source,
        ):
            assert source.size is None
            assert not source.ranged
            assert read_all(source.open_stream()) == DATA[:at]


class TestContradictions:
    def test_more_than_stated(self) -> None:
        error = failing(after_probe(scripted.Surplus()))
        assert type(error) is exception.SizeMismatch
        assert not error.temporary

    def test_more_chunks_than_asked_for(self) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            exchange.body += b'+'
            scripted.Chunked()(exchange)

        error = failing(after_probe(answer))
        assert type(error) is exception.SizeMismatch

    def test_fewer_chunks_than_asked_for(self) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            exchange.body = exchange.body[:-1]
            scripted.Chunked()(exchange)

        error = failing(after_probe(answer))
        assert type(error) is exception.Truncated
        assert error.offset == SIZE - 1

    @pytest.mark.parametrize(
        'stated',
        [
            None,
            '',
            'nonsense',
            f'bytes 1-{SIZE - 1}/{SIZE}',
            f'bytes 0-{SIZE - 2}/{SIZE}',
            f'bytes 0-{SIZE}/{SIZE + 1}',
            f'bytes 0-{SIZE - 1}/{SIZE - 1}',
        ],
    )
    def test_content_range(self, stated: str | None) -> None:
        answer = scripted.Good({'Content-Range': stated})
        for script in ([answer], after_probe(answer)):
            error = failing(script)
            assert type(error) is exception.ProtocolViolation
            assert not error.temporary

    def test_another_total(self) -> None:
        answer = scripted.Good(
            {'Content-Range': f'bytes 0-{SIZE - 1}/{SIZE + 1}'}
        )
        error = failing(after_probe(answer))
        assert type(error) is exception.SourceChanged

    def test_length_of_another_range(self) -> None:
        answer = scripted.Good({'Content-Length': str(SIZE + 1)})
        error = failing(after_probe(answer))
        assert type(error) is exception.ProtocolViolation

    def test_several_ranges(self) -> None:
        answer = scripted.Good(
            {
                'Content-Type': 'multipart/byteranges; boundary=x',
                'Content-Range': None,
            }
        )
        error = failing(after_probe(answer))
        assert type(error) is exception.ProtocolViolation
        assert 'several ranges' in error.message

    def test_gzip_is_never_decoded(self) -> None:
        for script in ([scripted.gzipped], after_probe(scripted.gzipped)):
            error = failing(script)
            assert type(error) is exception.ProtocolViolation
            assert 'gzip' in error.message

    @pytest.mark.parametrize('length', ['-1', 'x', '9' * 30, '1, 2', '+5'])
    def test_length_that_is_none(self, length: str) -> None:
        answer = scripted.Good({'Content-Length': length})
        error = failing(after_probe(answer))
        assert type(error) is exception.ProtocolViolation

    def test_not_http(self) -> None:
        error = failing([lambda exchange: exchange.send(b'SSH-2.0-x\r\n\r\n')])
        assert type(error) is exception.ProtocolViolation

    def test_malformed_fields(self) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            exchange.send(
                b'HTTP/1.1 200 OK\r\nno colon\r\n'
                b'Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'
            )
            exchange.keep = False

        error = failing([answer])
        assert type(error) is exception.ProtocolViolation

    @pytest.mark.parametrize(
        'endless',
        [
            b'HTTP/1.1 100 Continue\r\n\r\n',
            b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 200,
            b'HTTP/1.1 200 OK\r\nX: ' + b'y' * 100_000,
        ],
    )
    def test_a_head_without_end(self, endless: bytes) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            exchange.keep = False
            while True:
                exchange.send(endless)

        error = failing([answer])
        assert type(error) is exception.ProtocolViolation

    def test_a_trailer_without_end(self) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            exchange.keep = False
            chunked = {'Content-Length': None, 'Transfer-Encoding': 'chunked'}
            exchange.send_head(headers=chunked)
            exchange.send(b'%x\r\n%b\r\n0\r\n' % (SIZE, DATA))
            while True:
                exchange.send(b'X: y\r\n' * 1000)

        error = failing(after_probe(answer))
        assert type(error) is exception.ProtocolViolation
        assert 'no end' in error.message

    def test_hangs_up_without_an_answer(self) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            exchange.keep = False

        error = failing([answer])
        assert type(error) is exception.SourceUnavailable
        assert 'hung up' in error.message

    def test_reset_instead_of_an_answer(self) -> None:
        error = failing([scripted.Reset(None)])
        assert type(error) is exception.SourceUnavailable
        assert error.errno == errno.ECONNRESET


class TestDeadlines:
    def test_never_answers(self) -> None:
        start = time.monotonic()
        error = failing([scripted.silent], http_read_timeout=0.3)
        assert type(error) is exception.SourceUnavailable
        assert 'timed out' in error.message
        assert time.monotonic() - start < 3

    def test_stops_in_the_middle(self) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            exchange.send_head()
            exchange.send(DATA[:1000])
            exchange.server.stopping.wait()

        error = failing(after_probe(answer), http_read_timeout=0.3)
        assert type(error) is exception.SourceUnavailable
        assert error.offset == 1000

    def test_drips(self) -> None:
        error = failing(
            after_probe(scripted.Drip(0.02)), http_stall_timeout=0.3
        )
        assert type(error) is exception.SourceUnavailable
        assert 'stalled' in error.message
        assert error.offset

    def test_drips_in_chunks(self) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            chunked = {'Content-Length': None, 'Transfer-Encoding': 'chunked'}
            exchange.send_head(headers=chunked)
            while not exchange.wait(0.02):
                exchange.send(b'1\r\n\0\r\n')

        error = failing(after_probe(answer), http_stall_timeout=0.3)
        assert type(error) is exception.SourceUnavailable
        assert 'stalled' in error.message

    def test_drips_its_head(self) -> None:
        def answer(exchange: scripted.Exchange) -> None:
            exchange.send(b'HTTP/1.1 200 OK\r\nX: ')
            while not exchange.wait(0.02):
                exchange.send(b'y')

        error = failing([answer], http_read_timeout=0.3)
        assert type(error) is exception.SourceUnavailable
        assert 'timed out' in error.message

    def test_a_slow_consumer_is_not_the_servers_fault(self) -> None:
        with (
            ScriptedServer(DATA) as server,
            make_store(http_stall_timeout=0.1, http_read_timeout=0.1) as store,
            store.open_source(trusted(server.url)) as source,
        ):
            reader = source.open_stream()
            buffer = memoryview(bytearray(SIZE))
            count = reader.readinto(buffer[:1000])
            time.sleep(0.3)
            while count < SIZE:
                count += reader.readinto(buffer[count:])
            assert buffer == DATA

    def test_rate_zero_lets_it_drip(self) -> None:
        with (
            ScriptedServer(b'slow', after_probe(scripted.Drip(0.1))) as server,
            make_store(http_stall_timeout=0.1, http_minimum_rate=0) as store,
        ):
            server._script = iter([scripted.Drip(0.1)])
            with store.open_source(trusted(server.url)) as source:
                assert read_all(source.open_stream()) == b'slow'


class TestStatus:
    @pytest.mark.parametrize(
        ('code', 'kind'),
        [
            (401, exception.PermissionDenied),
            (403, exception.PermissionDenied),
            (404, exception.ImageNotFound),
            (410, exception.ImageNotFound),
            (429, exception.SourceUnavailable),
            (500, exception.SourceUnavailable),
            (503, exception.SourceUnavailable),
            (501, exception.SourceError),
            (418, exception.SourceError),
            (204, exception.SourceError),
            (300, exception.SourceError),
        ],
    )
    def test_is_told(self, code: int, kind: type) -> None:
        error = failing(lambda number, request: scripted.status(code))
        assert type(error) is kind
        error = failing(after_probe(scripted.status(code)))
        assert type(error) is kind
        assert str(code) in str(error)

    def test_retry_after(self) -> None:
        wait = {'Retry-After': '17'}
        error = failing([scripted.status(503, wait)])
        assert error.retry_after == 17
        error = failing([scripted.status(503, {'Retry-After': 'soon'})])
        assert error.retry_after is None


def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    script = [
        scripted.redirect(f'/image?X-Amz-Signature={CANARY}'),
        scripted.status(500),
    ]
    with ScriptedServer(DATA, script) as server, make_store() as store:
        secret = server.url.replace('://', f'://user:{CANARY}@')
        with pytest.raises(exception.SourceUnavailable) as info:
            store.open_source(trusted(f'{secret}?sig={CANARY}'))
    assert 'redirects to' in caplog.text
    assert CANARY not in caplog.text
    assert CANARY not in everything_said(info.value)
