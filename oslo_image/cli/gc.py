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

"""``oslo-image gc``: remove what killed copies left at a destination."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from typing import Any

from oslo_image import exception
from oslo_image.cli import codes, ends, needs, sizes
from oslo_image.cli.command import Blank, Lister
from oslo_image.move import options
from oslo_image.stores.base import Leftover, Store
from oslo_image.stores.registry import Stores

COLUMNS = ('Name', 'Size', 'Age', 'State')


class Gc(Lister):
    """Remove what killed copies left at a destination.

    URI is where a copy was to go: a URI or a path, or a directory for all
    that was to go there. Removed is only what bears the mark of an unfinished
    copy, has not changed for a while, and is in use by nobody.
    """

    _failed: exception.ImageError | None = None

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument('uri', metavar='URI', help='a URI or a path')
        parser.add_argument(
            '--dry-run', action='store_true', help='show, and remove nothing'
        )
        parser.add_argument(
            '--older-than',
            type=sizes.duration,
            default=86400.0,
            metavar='TIME',
            help='only what has not changed for so long, such as 90s, 5m, '
            '2h, 7d (default: 1d)',
        )
        needs.add_config(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Look, and remove what was found."""
        args = parsed_args
        config = needs.config_of(args, asks_cloud=ends.asks_cloud(args.uri))
        stores = Stores(config, options.list_opts())
        try:
            scheme, separator, rest = args.uri.rpartition('://')
            text = scheme + separator + rest.rstrip('/')
            location = stores.location(ends.uri_of(text, path=True) or text)
            store = stores.find(location)
            found = list(store.leftovers(location, older_than=args.older_than))
            return COLUMNS, [
                self._row(one, store, dry_run=args.dry_run) for one in found
            ]
        finally:
            stores.close()

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run; what could not be removed is an error."""
        code = super().run(parsed_args)
        if not code and self._failed is not None:
            return codes.code_of(self._failed)
        return code

    def _row(
        self, one: Leftover, store: Store, *, dry_run: bool
    ) -> tuple[Any, ...]:
        state = 'found'
        if not dry_run:
            try:
                gone = store.remove_leftover(one)
                state = 'removed' if gone else 'in use'
            except exception.ImageError as error:
                error.annotate(destination=one.name)
                self.report(error)
                self._failed = self._failed or error
                state = 'failed'
        return (
            one.name,
            Blank() if one.size is None else one.size,
            sizes.show_duration(time.time() - one.modified),
            state,
        )
