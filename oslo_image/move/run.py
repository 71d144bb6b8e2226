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

"""Run a plan's offers in order, until one is done."""

from __future__ import annotations

import dataclasses
import logging

from oslo_image import exception
from oslo_image.move.attempt import Terms
from oslo_image.move.needs import Fed
from oslo_image.move.plan import Plan, Refusal
from oslo_image.move.result import CopyResult
from oslo_image.stores.base import Source, Writer

LOG = logging.getLogger(__name__)


def run(plan: Plan, writer: Writer, terms: Terms) -> CopyResult:
    """Run the offers in order until one is done.

    A refusal leads to the next offer; a source that failed, to the next one
    from another location, from byte 0 and alone; all else ends the copy.
    """
    offers = list(plan.offers)
    refusals = list(plan.refusals)
    failed: exception.ImageError | None = None
    while offers:
        offer = offers.pop(0)
        others = [] if failed else _others(offer.opened, plan)
        LOG.debug('trying %s', offer)
        terms.tell(offer)
        try:
            result = terms.attempt(offer, writer, others)
        except exception.Refused as refused:
            if (state := writer.rollback()) != 'untouched':
                raise exception.DestinationError(
                    f'refused half-way: {refused.reason}',
                    strategy=offer.strategy,
                ).annotate(destination_state=state) from refused
            refusal = Refusal(
                offer.strategy, offer.source, refused.reason, refused.remedy
            )
            LOG.info('%s', refusal)
            terms.tell(refusal)
            refusals.append(refusal)
        except exception.ImageError as error:
            error.annotate(source=offer.source, strategy=offer.strategy)
            if error.side != 'source':
                raise
            state = writer.rollback()
            offers = [one for one in offers if one.opened is not offer.opened]
            if (
                isinstance(terms.needs.verifier, Fed)
                and terms.needs.verifier.fed
            ):
                error.add_note(
                    'the verifier has had bytes; no other was tried'
                )
                offers = []
            error.annotate(destination_state=state)
            if failed is None:
                failed = error
            else:
                failed.add_note(f'then: {error}')
            if state == 'modified' or not offers:
                failed.destination_state = state
                raise failed from failed.__cause__
            LOG.warning('%s; starting again elsewhere', error)
            refusal = Refusal(offer.strategy, offer.source, str(error))
            terms.tell(refusal)
            refusals.append(refusal)
        else:
            return dataclasses.replace(
                result,
                refusals=(*refusals, *result.refusals),
                error=result.error or failed,
            )
    if failed is not None:
        raise failed
    writer.rollback()
    return CopyResult(success=False, refusals=tuple(refusals))


def _others(source: Source, plan: Plan) -> list[Source]:
    """Return the sources that may take over from one, in the plan's order."""
    found: list[Source] = []
    for offer in plan.offers:
        one = offer.opened
        if one is source or one in found or not one.ranged:
            continue
        if one.size == source.size:
            found.append(one)
    return found
