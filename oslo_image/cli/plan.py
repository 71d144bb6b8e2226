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

"""``oslo-image plan``: what a copy would do, and why."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from oslo_image.cli import codes, ends, needs
from oslo_image.cli.command import Blank, Lister
from oslo_image.move import Plan as MovePlan

COLUMNS = ('Order', 'Strategy', 'Source', 'Cost', 'Reason', 'Remedy')


class Plan(Lister):
    """Show what a copy would do, and why; change nothing.

    Ways that would be tried have an order, cheapest first; the others have
    the reason why they are refused, and what would help.
    """

    _possible = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser, with the options of ``copy``."""
        parser = super().get_parser(prog_name)
        needs.add_ends(parser)
        needs.add_needs(parser)
        needs.add_config(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Negotiate."""
        config = needs.config_of(
            parsed_args,
            asks_cloud=ends.asks_cloud(
                parsed_args.destination, source=parsed_args.source
            ),
        )
        mover = ends.mover(
            parsed_args.source,
            config,
            parsed_args.disk_format,
            threading.Event(),
        )
        writer = ends.writer(
            parsed_args.destination, config, parsed_args.if_exists
        )
        try:
            plan = mover.plan(writer, **needs.needs_of(parsed_args))
        finally:
            writer.close()
        self._possible = bool(plan.offers)
        return COLUMNS, rows(plan)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run; that nothing can move it is no error, but an answer."""
        code = super().run(parsed_args)
        possible = codes.Code.DONE if self._possible else codes.Code.REFUSED
        return code or possible


def rows(plan: MovePlan) -> list[tuple[Any, ...]]:
    """Return the rows of a plan's table."""
    offers = [
        (
            order,
            offer.strategy,
            str(offer.source),
            str(offer.cost),
            offer.note,
            '',
        )
        for order, offer in enumerate(plan.offers, 1)
    ]
    refusals = [
        (
            Blank(),
            refusal.strategy or Blank(),
            str(refusal.source) if refusal.source else Blank(),
            Blank(),
            refusal.reason,
            refusal.remedy,
        )
        for refusal in plan.refusals
    ]
    return [*offers, *refusals]
