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

"""What a copy tells on stdout under ``--json``: one JSON object a line.

``doc/source/user/cli.rst`` documents every field. Fields are added, never
taken away or given another meaning without another ``version``.
"""

from __future__ import annotations

import datetime
import json
import sys
import time
from typing import Any

from oslo_image import exception
from oslo_image.cli.command import mask
from oslo_image.cli.display import Quiet
from oslo_image.move import CopyResult, Offer, Plan, Refusal

VERSION = 1


class Events(Quiet):
    """Prints events.

    :param interval: seconds between two of progress.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last = time.monotonic()
        self._then = 0

    def start(self, source: str, destination: str) -> None:
        _print(
            'start', version=VERSION, source=source, destination=destination
        )

    def notice(self, notice: Plan | Offer | Refusal) -> None:
        if isinstance(notice, Plan):
            _print('plan', **notice.as_dict())
        elif isinstance(notice, Offer):
            _print('attempt', **_offer(notice))
        else:
            _print('refusal', **_refusal(notice))

    def progress(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        elapsed = now - self._last
        if elapsed < self._interval:
            return
        speed = max(done - self._then, 0) / elapsed
        self._last, self._then = now, done
        _print('progress', bytes=done, total=total, rate=round(speed))

    def done(self, result: CopyResult) -> None:
        _print(
            'done',
            exit_code=0,
            strategy=result.strategy,
            source=_text(result.source),
            destination=_text(result.destination),
            size=result.size,
            bytes_written=result.bytes_written,
            bytes_moved=result.bytes_moved,
            zero_copy=result.zero_copy,
            seconds=round(result.seconds, 6),
            digests=dict(result.digests),
            digest_state=result.digest_state,
            verified=result.verified,
            format=result.format,
        )

    def refused(self, result: CopyResult, code: int) -> None:
        super().refused(result, code)
        _print(
            'refused',
            exit_code=code,
            refusals=[_refusal(one) for one in result.refusals],
        )

    def failed(self, error: exception.ImageError, code: int) -> None:
        _print(
            'error',
            exit_code=code,
            error=type(error).__name__,
            message=mask(error.message),
            side=error.side,
            source=_text(error.source),
            destination=_text(error.destination),
            strategy=error.strategy,
            offset=error.offset,
            errno=error.errno,
            destination_state=error.destination_state,
            temporary=error.temporary,
            retry_after=error.retry_after,
            notes=[mask(one) for one in getattr(error, '__notes__', ())],
        )


def _print(event: str, **fields: Any) -> None:
    now = datetime.datetime.now(datetime.UTC)
    when = now.isoformat(timespec='milliseconds').replace('+00:00', 'Z')
    record = {'event': event, 'time': when, **fields}
    sys.stdout.write(json.dumps(record) + '\n')
    sys.stdout.flush()


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        'strategy': offer.strategy,
        'source': str(offer.source),
        'cost': str(offer.cost),
        'size': offer.size,
        'zero_copy': offer.zero_copy,
        'note': offer.note,
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
    return {
        'strategy': refusal.strategy,
        'source': _text(refusal.source),
        'reason': refusal.reason,
        'remedy': refusal.remedy,
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)
