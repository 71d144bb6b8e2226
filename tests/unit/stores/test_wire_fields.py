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

import datetime
import email.utils
import http.client
import math
import string

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image import exception
from oslo_image.stores.wire import fields
from tests.unit.stores.wire_help import CANARY

NOW = 1_800_000_000.0


class TestContentRange:
    @hypothesis.given(
        st.integers(0, 10**17),
        st.integers(1, 10**17),
        st.none() | st.integers(0, 10**17),
    )
    def test_reads_what_a_server_writes(
        self, start: int, length: int, beyond: int | None
    ) -> None:
        end = start + length - 1
        total = None if beyond is None else end + 1 + beyond
        text = f'bytes {start}-{end}/{"*" if total is None else total}'
        assert fields.parse_content_range(text) == (start, end, total)

    @pytest.mark.parametrize(
        'text',
        [
            '',
            'bytes',
            'bytes */10',
            'bytes 0-4',
            'bytes 0-4/',
            'bytes 0-4/4',
            'bytes 5-4/10',
            'bytes -1-4/10',
            'bytes +0-4/10',
            'bytes 0-4/1_0',
            'bytes 0-4/0x10',
            'bytes 0-4/10, bytes 5-6/10',
            'bytes 0 - 4/10',
            'items 0-4/10',
            'bytes 0-4/\N{ARABIC-INDIC DIGIT NINE}',
            f'bytes 0-4/{"9" * 400}',
        ],
    )
    def test_refuses_everything_else(self, text: str) -> None:
        with pytest.raises(exception.ProtocolViolation, match='Content-Range'):
            fields.parse_content_range(text)

    @hypothesis.given(
        st.text()
        | st.from_regex(r'bytes [-+0-9_ *]{0,9}/[-0-9_*]{0,9}', fullmatch=True)
    )
    def test_never_lies(self, text: str) -> None:
        try:
            start, end, total = fields.parse_content_range(text)
        except exception.ProtocolViolation:
            return
        assert 0 <= start <= end
        assert total is None or end < total
        numbers = text.strip(' \t').removeprefix('bytes').strip(' ')
        first, last = numbers.partition('/')[0].split('-')
        assert (int(first), int(last)) == (start, end)
        whole = numbers.partition('/')[2]
        assert (None if whole == '*' else int(whole)) == total

    @hypothesis.given(st.text() | st.none())
    def test_unsatisfied_never_raises(self, text: str | None) -> None:
        total = fields.parse_unsatisfied(text)
        assert total is None or total >= 0

    def test_unsatisfied(self) -> None:
        assert fields.parse_unsatisfied('bytes */0') == 0
        assert fields.parse_unsatisfied('bytes */10') == 10
        assert fields.parse_unsatisfied('bytes 0-1/10') is None


class TestRetryAfter:
    @hypothesis.given(st.integers(0, 10**30))
    def test_seconds_are_clamped(self, seconds: int) -> None:
        expected = min(seconds, fields.LONGEST_WAIT)
        assert fields.parse_retry_after(f' {seconds} ', NOW) == expected

    @hypothesis.given(
        st.datetimes(
            datetime.datetime(2027, 1, 1), datetime.datetime(2060, 1, 1)
        )
    )
    def test_dates_in_the_three_forms_of_http(
        self, moment: datetime.datetime
    ) -> None:
        moment = moment.replace(microsecond=0, tzinfo=datetime.UTC)
        wait = moment.timestamp() - NOW
        expected = min(max(wait, 0), fields.LONGEST_WAIT)
        for form in (
            '%a, %d %b %Y %H:%M:%S GMT',
            '%A, %d-%b-%y %H:%M:%S GMT',
            '%a %b %e %H:%M:%S %Y',
        ):
            text = moment.strftime(form)
            assert fields.parse_retry_after(text, NOW) == expected, text

    def test_a_date_a_minute_ahead(self) -> None:
        text = email.utils.formatdate(NOW + 60, usegmt=True)
        assert fields.parse_retry_after(text, NOW) == 60

    @pytest.mark.parametrize(
        'text',
        [
            None,
            '',
            '-1',
            '1.5',
            '1e3',
            '0x10',
            'soon',
            'inf',
            '\N{ARABIC-INDIC DIGIT NINE}',
            'Fri, 31 Feb 2028 10:00:00 GMT',
            'Fri, 14 Jan 2028 25:00:00 GMT',
            'Fri, 14 Jan 2028 10:00:00 +0500',
            '14 Jan 2028 10:00:00',
        ],
    )
    def test_nonsense_is_none(self, text: str | None) -> None:
        assert fields.parse_retry_after(text, NOW) is None

    @hypothesis.given(
        st.text() | st.text(string.digits + string.ascii_letters + ' ,:-+'),
        st.floats(0, 2**33),
    )
    def test_never_raises_nor_exceeds(self, text: str, now: float) -> None:
        wait = fields.parse_retry_after(text, now)
        assert wait is None or 0 <= wait <= fields.LONGEST_WAIT
        assert wait is None or not math.isnan(wait)


def message(*headers: tuple[str, str]) -> http.client.HTTPMessage:
    made = http.client.HTTPMessage()
    for name, value in headers:
        made.add_header(name, value)
    return made


class TestFraming:
    @pytest.mark.parametrize(
        ('headers', 'length'),
        [
            ([], None),
            ([('Content-Length', '0')], 0),
            ([('Content-Length', ' 12 ')], 12),
            ([('Content-Length', '12'), ('Content-Length', '12')], 12),
            ([('Transfer-Encoding', 'Chunked')], None),
            (
                [('Transfer-Encoding', 'chunked'), ('Content-Length', '5')],
                None,
            ),
            ([('Content-Encoding', 'identity'), ('Content-Length', '5')], 5),
        ],
    )
    def test_length(
        self, headers: list[tuple[str, str]], length: int | None
    ) -> None:
        assert fields.check_framing(message(*headers)) == length

    @pytest.mark.parametrize(
        'headers',
        [
            [('Content-Length', '-1')],
            [('Content-Length', '+1')],
            [('Content-Length', '1_0')],
            [('Content-Length', 'many')],
            [('Content-Length', '')],
            [('Content-Length', '1, 2')],
            [('Content-Length', '9' * 30)],
            [('Content-Length', '1'), ('Content-Length', '2')],
            [('Transfer-Encoding', 'gzip, chunked')],
            [('Transfer-Encoding', 'gzip')],
            [('Transfer-Encoding', 'chunked'), ('Transfer-Encoding', 'x')],
            [('Content-Encoding', 'gzip')],
            [('Content-Encoding', 'identity'), ('Content-Encoding', 'br')],
        ],
    )
    def test_refuses_what_is_not_plain(
        self, headers: list[tuple[str, str]]
    ) -> None:
        with pytest.raises(exception.ProtocolViolation):
            fields.check_framing(message(*headers))

    def test_fields_to_send_hold_no_line_break(self) -> None:
        for value in (f'{CANARY}\r\nX: y', f'{CANARY}\n', f'{CANARY}\0'):
            with pytest.raises(exception.InvalidOption, match='X-T') as info:
                fields.clean({'X-T': value})
            assert CANARY not in str(info.value)
