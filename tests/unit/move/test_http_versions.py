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

"""An image that becomes another one on the server, in midst of its copy.

Whatever the server tells of its versions: what arrives is one of them, whole,
or the copy fails and the destination is as it was.
"""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from oslo_image import exception, move
from oslo_image.move.strategies import parallel
from oslo_image.stores.wire import WireSource
from oslo_image.testing.scripted import (
    Answer,
    Exchange,
    Good,
    Request,
    Reset,
    ScriptedServer,
    Short,
)
from tests.destinations import Destination

KiB = 1 << 10
CHUNK = 256 * KiB
SIZE = 4 * CHUNK + 17
OLD = hashlib.shake_128(b'old').digest(SIZE)
NEW = hashlib.shake_128(b'new').digest(SIZE + CHUNK)
CONFIG = {'retries': 2, 'retry_pause': 0.0, 'parallel_requests': 2}

NOTHING: dict[str, str] = {}
DATE = 'Mon, 02 Jan 2023 03:04:05 GMT'
NEXT = 'Mon, 02 Jan 2023 03:04:06 GMT'
LONG_AGO = 'Sun, 01 Jan 2023 00:00:00 GMT'
#: What the probe, later answers and those of the new version say of theirs.
MARKS = {
    'strong ETag': ({'ETag': '"1"'}, {'ETag': '"1"'}, {'ETag': '"2"'}),
    'Last-Modified': (
        {'Last-Modified': LONG_AGO, 'Date': DATE},
        {'Last-Modified': LONG_AGO, 'Date': DATE},
        {'Last-Modified': DATE, 'Date': NEXT},
    ),
    'Last-Modified of this second': (
        {'Last-Modified': DATE, 'Date': DATE},
        {'Last-Modified': DATE, 'Date': DATE},
        {'Last-Modified': DATE, 'Date': DATE},
    ),
    'another weak ETag': (
        {'ETag': 'W/"1"'},
        {'ETag': 'W/"1"'},
        {'ETag': 'W/"2"'},
    ),
    'the same weak ETag': (
        {'ETag': 'W/"1"'},
        {'ETag': 'W/"1"'},
        {'ETag': 'W/"1"'},
    ),
    'the same weak ETag and another Last-Modified': (
        {'ETag': 'W/"1"', 'Last-Modified': LONG_AGO, 'Date': DATE},
        {'ETag': 'W/"1"', 'Last-Modified': LONG_AGO, 'Date': DATE},
        {'ETag': 'W/"1"', 'Last-Modified': DATE, 'Date': NEXT},
    ),
    'nothing': (NOTHING, NOTHING, NOTHING),
    'strong ETag, in the probe only': ({'ETag': '"1"'}, NOTHING, NOTHING),
    'strong ETag, but not of the new': (
        {'ETag': '"1"'},
        {'ETag': '"1"'},
        NOTHING,
    ),
    'Last-Modified, in the probe only': (
        {'Last-Modified': LONG_AGO, 'Date': DATE},
        NOTHING,
        NOTHING,
    ),
    'Last-Modified, but not of the new': (
        {'Last-Modified': LONG_AGO, 'Date': DATE},
        {'Last-Modified': LONG_AGO, 'Date': DATE},
        NOTHING,
    ),
    'weak ETag, in the probe only': ({'ETag': 'W/"1"'}, NOTHING, NOTHING),
    'strong ETag of the new only': (NOTHING, NOTHING, {'ETag': '"2"'}),
}
NEW_SIZES = {
    'same size': SIZE,
    'longer': SIZE + CHUNK,
    'shorter': SIZE - CHUNK,
}
#: By which path to which destination.
WAYS = {
    'store': ('store', ()),
    'store, streamed': ('store', ('parallel',)),
    'open file': ('open file', ()),
    'BytesIO, streamed': ('BytesIO', ('parallel',)),
}


@dataclasses.dataclass(frozen=True)
class Version:
    """Answer with one version of the image.

    :param marks: the fields that tell it from others.
    :param ranges: whether a Range is heeded.
    """

    content: bytes
    marks: dict[str, str]
    ranges: bool
    answer: Answer

    def __call__(self, exchange: Exchange) -> None:
        body, status, fields = self.content, 200, dict(self.marks)
        if self.ranges and exchange.request.range:
            start, last = exchange.request.range
            total = len(self.content)
            end = min(total, total if last is None else last + 1)
            body, status = body[start:end], 206 if start < total else 416
            shown = f'{start}-{end - 1}' if start < total else '*'
            fields['Content-Range'] = f'bytes {shown}/{total}'
        exchange.status, exchange.body = status, body
        exchange.headers.clear()
        exchange.headers.update(fields, **{'Content-Length': str(len(body))})
        self.answer(exchange)


def becomes(marks, new: bytes, after: int, *, ranges=True, fault=None):
    """Return a script: so many answers are of the old version.

    :param fault: what becomes of the last of them.
    """
    first, later, others = MARKS[marks]

    def script(number: int, request: Request) -> Answer:
        answer = Good()
        if fault and number == after - 1 and number:
            answer = fault
        if number >= after:
            return Version(new, others, ranges, answer)
        return Version(OLD, later if number else first, ranges, answer)

    return script


@pytest.fixture(autouse=True)
def many_ranges(monkeypatch):
    """The image is more than one request's worth."""
    monkeypatch.setattr(WireSource, 'chunk', CHUNK)
    monkeypatch.setattr(parallel, '_BATCH', CHUNK)


class Way:
    """One path to one kind of destination, afresh for each copy."""

    def __init__(self, kind, disabled, directory):
        self.kind, self.disabled = kind, disabled
        self._directory = directory
        self._count = 0

    def destination(self):
        self._count += 1
        directory = self._directory / str(self._count)
        directory.mkdir()
        return Destination(self.kind, directory)


@pytest.fixture(params=WAYS)
def way(request, tmp_path):
    return Way(*WAYS[request.param], tmp_path)


def assert_of_one_version(way, script, new):
    """Copy; return the result, or None for a failure that is clean."""
    destination = way.destination()
    with ScriptedServer(OLD, script) as server:
        try:
            result = destination.copy(
                move.Mover(server.url, CONFIG), disabled=way.disabled
            )
        except exception.ImageError as error:
            assert error.side == 'source'
            assert error.destination_state in ('untouched', 'restored', None)
            destination.assert_as_before()
            return None
    content = destination.content()
    assert content in (OLD, new), 'the bytes are of two versions'
    assert tuple(result) == (True, len(content))
    return result


@pytest.mark.parametrize('marks', MARKS)
@pytest.mark.parametrize('size', NEW_SIZES)
def test_between_two_requests(marks, size, way):
    new = NEW[: NEW_SIZES[size]]
    for after in (1, 2, 3, 5):
        assert_of_one_version(way, becomes(marks, new, after), new)


@pytest.mark.parametrize('marks', MARKS)
@pytest.mark.parametrize('size', NEW_SIZES)
@pytest.mark.parametrize(
    'fault', [Short(1000), Reset(1), Reset(None)], ids=str
)
def test_when_a_broken_stream_is_resumed(marks, size, fault, way):
    new = NEW[: NEW_SIZES[size]]
    for after in (2, 3):
        script = becomes(marks, new, after, fault=fault)
        assert_of_one_version(way, script, new)


@pytest.mark.parametrize('marks', MARKS)
@pytest.mark.parametrize('size', NEW_SIZES)
def test_where_there_are_no_ranges(marks, size, way):
    """The probe's own answer breaks off, and the next is another's."""
    new = NEW[: NEW_SIZES[size]]
    whole = becomes(marks, new, 1, ranges=False)
    for fault in (Short(CHUNK + 1), Short(0)):

        def script(number, request, fault=fault):
            version = whole(number, request)
            if number:
                return version
            return dataclasses.replace(version, answer=fault)

        assert_of_one_version(way, script, new)


@pytest.mark.parametrize('marks', MARKS)
def test_while_one_answer_is_sent(marks, way):
    """Nobody tells of it; a digest that the image declares does."""
    mixed = OLD[: SIZE - 1000] + NEW[SIZE - 1000 : SIZE]
    image = {
        'os_hash_algo': 'sha256',
        'os_hash_value': hashlib.sha256(OLD).hexdigest(),
    }
    first, later, _ = MARKS[marks]
    destination = way.destination()

    def script(number, request):
        return Version(mixed, later if number else first, True, Good())

    with ScriptedServer(OLD, script) as server:
        mover = move.Mover(server.url, CONFIG, image=image)
        with pytest.raises(exception.IntegrityError):
            destination.copy(mover, disabled=way.disabled)
    destination.assert_as_before()


@pytest.mark.parametrize('marks', MARKS)
def test_one_that_stays_arrives(marks, way):
    """So that the tests above do not hold by failing always."""
    result = assert_of_one_version(way, becomes(marks, b'', 10**9), OLD)
    first, later, _ = MARKS[marks]
    if first == later:
        assert result.success
        pinned = {'ETag': '"1"'} == first or 'Last-Modified' in first
        pinned = pinned and first.get('Last-Modified') != DATE
        parallel_ran = result.strategy == 'parallel'
        assert parallel_ran is (pinned and not way.disabled)


@pytest.mark.parametrize(
    'marks', ['the same weak ETag', 'another weak ETag', 'nothing']
)
@pytest.mark.parametrize('fault', [Short(CHUNK), Reset(1)], ids=str)
def test_one_that_cannot_be_pinned_is_not_resumed(marks, fault, way):
    """Not even when nothing has changed: nobody could tell."""
    asked = []

    def script(number, request):
        asked.append(request.range)
        answer = Good() if number != 1 else fault
        return Version(OLD, MARKS[marks][0], True, answer)

    assert assert_of_one_version(way, script, OLD) is None
    assert asked == [(0, 65535), None]
