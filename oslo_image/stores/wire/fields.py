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

"""Header fields, parsed strictly; nothing is guessed."""

from __future__ import annotations

import calendar
import email.message
import re
import urllib.parse
from typing import NamedTuple

from urllib3 import exceptions as urllib3_errors
from urllib3.util import response as urllib3_response

from oslo_image import exception

#: Seconds; no server makes us wait longer than this.
LONGEST_WAIT = 3600.0
#: No file is larger; it keeps every count within 63 bits.
_NUMBER = re.compile(r'[0-9]{1,18}')
_RANGE = re.compile(r'bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)')
_UNSATISFIED = re.compile(r'bytes +\*/([0-9]{1,18})')
_DAYS = 'Mon|Tue|Wed|Thu|Fri|Sat|Sun'
_LONG_DAYS = 'Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday'
_MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'
_MONTH = '|'.join(_MONTHS[i : i + 3] for i in range(0, 36, 3))
_TIME = r'(?P<h>[0-9]{2}):(?P<m>[0-9]{2}):(?P<s>[0-9]{2})'
#: The three forms of RFC 9110, 5.6.7.
_DATES = tuple(
    re.compile(form)
    for form in (
        rf'(?:{_DAYS}), (?P<day>[0-9]{{2}}) (?P<month>{_MONTH}) '
        rf'(?P<year>[0-9]{{4}}) {_TIME} GMT',
        rf'(?:{_LONG_DAYS}), (?P<day>[0-9]{{2}})-(?P<month>{_MONTH})-'
        rf'(?P<year>[0-9]{{2}}) {_TIME} GMT',
        rf'(?:{_DAYS}) (?P<month>{_MONTH}) (?P<day>[ 0-9][0-9]) {_TIME} '
        r'(?P<year>[0-9]{4})',
    )
)


class ContentRange(NamedTuple):
    """A Content-Range: first and last byte, and the size, None for ``*``."""

    start: int
    end: int
    total: int | None


def parse_content_range(text: str) -> ContentRange:
    """Parse ``bytes 0-4/10``.

    :returns: positions in bytes; ``end`` is the last byte, inclusive.
    :raises ProtocolViolation: for anything else, and for a range that does
        not lie within its own total.
    """
    match = _RANGE.fullmatch(text.strip(' \t'))
    if match:
        start, end = int(match[1]), int(match[2])
        total = None if match[3] == '*' else int(match[3])
        if start <= end and (total is None or end < total):
            return ContentRange(start, end, total)
    raise exception.ProtocolViolation(
        f'the Content-Range {text[:80]!r} makes no sense'
    )


def parse_unsatisfied(text: str | None) -> int | None:
    """Return the size in ``bytes */10``, as a 416 says it; else None."""
    match = _UNSATISFIED.fullmatch((text or '').strip(' \t'))
    return int(match[1]) if match else None


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds to wait that a Retry-After asks for.

    :param text: seconds, or one of the three date forms of HTTP.
    :param now: the time, in seconds since the epoch.
    :returns: 0 to :data:`LONGEST_WAIT`; None when it says nothing sensible.
        Never raises.
    """
    text = (text or '').strip(' \t')
    if re.fullmatch(r'[0-9]{1,400}', text):
        wait = float(text) if len(text) < 18 else LONGEST_WAIT
    elif (moment := _parse_date(text, now)) is not None:
        wait = moment - now
    else:
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)


def _parse_date(text: str, now: float) -> float | None:
    match = next(filter(None, (form.fullmatch(text) for form in _DATES)), None)
    if match is None:
        return None
    year, day = int(match['year']), int(match['day'])
    if len(match['year']) == 2:
        # Two digits: the year that is at most fifty years ahead.
        this = 1970 + int(now / 31556952)
        year += this - this % 100
        year -= 100 if year > this + 50 else 0
    month = _MONTHS.index(match['month']) // 3 + 1
    h, m, s = int(match['h']), int(match['m']), int(match['s'])
    if not 1970 <= year or h > 23 or m > 59 or s > 60:
        return None
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return float(calendar.timegm((year, month, day, h, m, s)))


def check_framing(message: email.message.Message) -> int | None:
    """Return the Content-Length of an answer in bytes; None: it says none.

    :raises ProtocolViolation: when header fields are malformed, the length is
        ambiguous or no number, or the body is coded in a way that we did not
        ask for. Nothing is ever decoded.
    """
    try:
        urllib3_response.assert_header_parsing(message)  # type: ignore[arg-type]
        malformed = False
    except urllib3_errors.HeaderParsingError:
        malformed = True
    if malformed:
        raise exception.ProtocolViolation('the header fields are malformed')
    for coding in message.get_all('Content-Encoding', ()):
        if coding.strip().lower() not in ('', 'identity'):
            raise exception.ProtocolViolation(
                f'the server sent Content-Encoding {coding[:40]!r} '
                'although identity was asked for'
            )
    codings = message.get_all('Transfer-Encoding', ())
    if codings and [c.strip().lower() for c in codings] != ['chunked']:
        raise exception.ProtocolViolation(
            f'the Transfer-Encoding {", ".join(codings)[:40]!r} is not spoken'
        )
    lengths = set(message.get_all('Content-Length', ()))
    if not lengths or codings:
        return None
    text = lengths.pop().strip(' \t')
    if lengths or not _NUMBER.fullmatch(text):
        raise exception.ProtocolViolation(
            'the Content-Length is ambiguous or not a number of bytes'
        )
    return int(text)


def clean(headers: dict[str, str]) -> dict[str, str]:
    """Return the fields, checked to hold no line break.

    :raises InvalidOption: naming the field but never its value.
    """
    for name, value in headers.items():
        if re.search(r'[\r\n\0]', name + value) or not name:
            raise exception.InvalidOption(
                f'the header field {urllib.parse.quote(name)} is malformed'
            )
    return headers
