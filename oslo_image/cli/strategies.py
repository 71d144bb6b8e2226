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

"""``oslo-image strategies``: what is installed, and what leads where."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cliff.columns

from oslo_image.catalog import registry as catalogs
from oslo_image.cli import matrix, needs
from oslo_image.cli.command import Blank, Lister
from oslo_image.move import options
from oslo_image.move import strategies as ways
from oslo_image.stores import registry

COLUMNS = ('Kind', 'Name', 'Cost', 'Serves', 'State', 'Reason')


class Strategies(Lister):
    """Show what is installed, and which strategies lead from where to where.

    A store whose library is missing is there, but cannot be used; a plugin
    that does not load says why. The matrix has the ways in the order in which
    they are tried where both ends allow them all.
    """

    _matrix: tuple[Sequence[str], list[Any]] = ((), [])

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--matrix',
            action='store_true',
            help='the matrix alone, in the format that is asked for',
        )
        needs.add_config(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """List them; no library of a store is imported for it."""
        config = needs.config_of(parsed_args, asks_cloud=False)
        stores = registry.Stores(config, options.list_opts())
        disabled = stores.conf[options.GROUP].disabled_strategies
        listed = [*_stores(stores)]
        usable = [row[1] for row in listed if row[4] == 'ready']
        ways_found, _ = ways.plugins()
        self._matrix = (
            ('From', *(f'To {name}' for name in matrix.columns())),
            [
                (name, *map(_Names, cells))
                for name, cells in matrix.rows(ways_found, disabled, usable)
            ],
        )
        if parsed_args.matrix:
            return self._matrix
        return COLUMNS, [*_strategies(disabled), *listed, *_catalogs()]

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
    ) -> int:
        """Print the matrix below, where people read and chose no columns."""
        code = super().produce_output(parsed_args, column_names, data)
        chosen = parsed_args.columns or parsed_args.sort_columns
        if parsed_args.formatter == 'table' and column_names == COLUMNS:
            if not chosen:
                super().produce_output(parsed_args, *self._matrix)
        return code


def _strategies(disabled: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    found, broken = ways.plugins()
    for one in sorted(found, key=lambda one: (one.cost, one.name)):
        off = one.name in disabled
        yield (
            'strategy',
            one.name,
            str(one.cost),
            first_line(type(one)),
            'disabled' if off else 'ready',
            'the configuration disables it' if off else '',
        )
    yield from _broken('strategy', broken)


def _stores(stores: registry.Stores) -> Iterator[tuple[Any, ...]]:
    found, _ = registry.plugins()
    for name, one in sorted(found.items()):
        missing = [
            f'the library {library} is missing: '
            + (
                f'install oslo.image[{extra}]'
                if extra
                else 'it comes with the distribution'
            )
            for library, extra in one.libraries.items()
            if importlib.util.find_spec(library) is None
        ]
        yield (
            'store',
            name,
            Blank(),
            ', '.join(one.schemes),
            'unusable' if missing else 'ready',
            '; '.join(missing),
        )
    yield from _broken('store', stores.broken)


def _catalogs() -> Iterator[tuple[Any, ...]]:
    found, broken = catalogs.plugins()
    for name, one in sorted(found.items()):
        yield 'catalogue', name, Blank(), first_line(one), 'ready', ''
    yield from _broken('catalogue', broken)


def _broken(kind: str, why: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    for name, reason in sorted(why.items()):
        yield kind, name, Blank(), '', 'refused', f'did not load: {reason}'


class _Names(cliff.columns.FormattableColumn[Any]):
    """Names: one below the other for people, a list for machines."""

    def human_readable(self) -> str:
        return '\n'.join(self._value)


def first_line(kind: type) -> str:
    """Return what a class's docstring says in its first line."""
    lines = (kind.__doc__ or '').strip().splitlines()
    return lines[0].rstrip('.').replace('`', '') if lines else ''
