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

"""Run one offer: inspect, begin, move, verify, commit."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence

from oslo_image.image import Image
from oslo_image.move.alarm import Alarm
from oslo_image.move.digest import Digest
from oslo_image.move.inspection import Inspection
from oslo_image.move.needs import Needs
from oslo_image.move.pacer import Pacer
from oslo_image.move.pipe import Pipe, Progress
from oslo_image.move.plan import Notify, Offer, Plan, Refusal
from oslo_image.move.relay import Relay
from oslo_image.move.result import CopyResult
from oslo_image.stores.base import Source, Writer


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all attempts of one copy have in common.

    :param max_size: the most bytes allowed; None is no limit.
    :param workers: the requests that a parallel engine keeps in flight.
    """

    image: Image
    needs: Needs
    max_size: int | None
    workers: int
    retries: int
    retry_pause: float
    progress: Progress | None
    cancel: threading.Event | None
    notify: Notify | None = None

    def tell(self, notice: Plan | Offer | Refusal) -> None:
        """Tell the caller how the copy goes on."""
        if self.notify is not None:
            self.notify(notice)

    def attempt(
        self, offer: Offer, writer: Writer, others: Sequence[Source]
    ) -> CopyResult:
        """Move the image as offered, and commit it.

        :param others: sources that may take over in the middle.
        :raises Refused: when the strategy cannot after all.
        :raises ImageError: when it failed; nothing is rolled back here.
        """
        strategy = offer.runner
        offer.opened.pin()
        pacer = Pacer(self.needs.rate_limit, self.cancel)
        digest = Digest(
            self.image, self.needs.verify if strategy.sees_bytes else 'never'
        )
        source = Relay(
            [offer.opened, *(others if digest.strong else ())],
            pacer,
            retries=self.retries,
            pause=self.retry_pause,
        )
        inspection = self._inspect(source)
        size = offer.size
        pipe = Pipe(
            self.needs,
            pacer,
            digest=digest,
            inspection=None if source.ranged else inspection,
            looked=inspection if source.ranged else None,
            size=size,
            max_size=self.max_size,
            workers=self.workers,
            progress=self.progress,
        )
        with Alarm(self.cancel, source, writer):
            writer.begin(size)
            moved = strategy.run(source, writer, pipe)
            source.check_unchanged()
            verified = pipe.finish(moved.size)
            # Not all that moves bits looks in between: a server does not.
            pipe.check()
            destination = writer.commit(moved.size)
        return CopyResult(
            success=True,
            bytes_written=0 if strategy.zero_copy else moved.size,
            zero_copy=strategy.zero_copy,
            size=moved.size,
            bytes_moved=moved.payload,
            strategy=strategy.name,
            source=source.current.location,
            destination=destination,
            digests=digest.values(),
            digest_state=digest.state(),
            verified=verified,
            format=inspection.format if inspection else None,
            refusals=tuple(source.given_up),
            parent=moved.parent,
            error=source.error,
        )

    def _inspect(self, source: Source) -> Inspection | None:
        """Look at the head by positioned reads where there are any."""
        if not Inspection.wanted(self.image, self.needs.inspect):
            return None
        inspection = Inspection(self.image, self.max_size)
        if source.ranged:
            inspection.look(source)
        return inspection
