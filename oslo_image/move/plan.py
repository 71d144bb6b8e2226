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

"""What a negotiation answers: the offers in order, and the refusals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from oslo_image.image import Location
from oslo_image.move.strategies.base import Cost, Strategy
from oslo_image.stores.base import Source


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why one strategy, or one location, does not serve; reads as a sentence.

    :param strategy: its name; None when the location itself failed.
    """

    strategy: str | None
    source: Location | None
    reason: str
    remedy: str = ''

    def __str__(self) -> str:
        who = f'{self.strategy} refused' if self.strategy else 'not used'
        where = f' for {self.source}' if self.source else ''
        remedy = f' ({self.remedy})' if self.remedy else ''
        return f'{who}{where}: {self.reason}{remedy}'


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """One strategy's offer for one source.

    :param size: the image's bytes; None when unknown.
    :param note: what the reader should know about this path.
    """

    strategy: str
    source: Location
    cost: Cost
    size: int | None
    zero_copy: bool
    note: str = ''
    runner: Strategy = dataclasses.field(
        kw_only=True, compare=False, repr=False
    )
    opened: Source = dataclasses.field(kw_only=True, compare=False, repr=False)

    def __str__(self) -> str:
        note = f': {self.note}' if self.note else ''
        return f'{self.strategy} from {self.source} ({self.cost}){note}'


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The offers, cheapest first, and why the others were refused."""

    destination: Location | None
    offers: tuple[Offer, ...]
    refusals: tuple[Refusal, ...]

    def __str__(self) -> str:
        lines = [f'{n}. {offer}' for n, offer in enumerate(self.offers, 1)]
        lines += [f'-  {refusal}' for refusal in self.refusals]
        return '\n'.join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return it in plain types, for JSON."""
        return {
            'destination': str(self.destination) if self.destination else None,
            'offers': [
                {
                    'strategy': offer.strategy,
                    'source': str(offer.source),
                    'cost': str(offer.cost),
                    'size': offer.size,
                    'zero_copy': offer.zero_copy,
                    'note': offer.note,
                }
                for offer in self.offers
            ],
            'refusals': [
                {
                    'strategy': refusal.strategy,
                    'source': str(refusal.source) if refusal.source else None,
                    'reason': refusal.reason,
                    'remedy': refusal.remedy,
                }
                for refusal in self.refusals
            ],
        }


#: What a copy that is under way tells: its plan, the offer that is tried now,
#: and what was refused in the doing.
Notify = Callable[[Plan | Offer | Refusal], Any]
