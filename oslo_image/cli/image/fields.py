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

"""An image's fields as options and as cells, and the image that is meant."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import cliff.columns

from oslo_image import catalog, exception
from oslo_image.cli import needs
from oslo_image.cli.command import Blank
from oslo_image.image import FIELDS, Image, is_custom

VISIBILITIES = ('public', 'private', 'community', 'shared')


def open_catalog(args: argparse.Namespace) -> Any:
    """Return the API over the configured catalogue."""
    return catalog.API(needs.config_of(args))


def find(images: Any, name_or_id: str) -> Image:
    """Return the image of an id, or the only one of a name.

    :raises ImageNotFound: when there is none.
    :raises InvalidOption: when several have the name.
    """
    try:
        found: Image = images.get(name_or_id)
        return found
    except (exception.ImageNotFound, exception.InvalidLocation):
        named: list[Image] = images.get_all(
            {'name': name_or_id, 'os_hidden': [False, True]}, limit=2
        )
    if len(named) > 1:
        raise exception.InvalidOption(
            f'several images have the name {name_or_id!r}; name one by its id'
        )
    if not named:
        raise exception.ImageNotFound(
            f'no image has the id or the name {name_or_id!r}'
        )
    return named[0]


def property_of(text: str) -> tuple[str, str]:
    """Return (name, value) of "name=value"."""
    name, equals, value = text.partition('=')
    if not (name and equals):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=VALUE')
    return name, value


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Add the options for what a record says."""
    parser.add_argument('--disk-format', metavar='FORMAT', help='raw, qcow2 …')
    parser.add_argument(
        '--container-format', metavar='FORMAT', help='bare, ovf …'
    )
    parser.add_argument('--min-disk', type=int, metavar='GIB')
    parser.add_argument('--min-ram', type=int, metavar='MIB')
    parser.add_argument(
        '--property',
        dest='properties',
        action='append',
        default=[],
        type=property_of,
        metavar='NAME=VALUE',
        help='a property of your own (repeatable)',
    )
    parser.add_argument(
        '--tag',
        dest='tags',
        action='append',
        default=[],
        metavar='TAG',
        help='a word to find it by (repeatable)',
    )
    add_project(parser, 'whose image it is')
    add_visibility(parser)
    add_pair(parser, 'protected', 'unprotected')
    add_pair(parser, 'hidden', 'unhidden', dest='os_hidden')


def add_project(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add --project."""
    parser.add_argument('--project', dest='owner', metavar='ID', help=meaning)


def add_visibility(parser: argparse.ArgumentParser) -> None:
    """Add --public and its like."""
    group = parser.add_mutually_exclusive_group()
    for one in VISIBILITIES:
        group.add_argument(
            f'--{one}', dest='visibility', action='store_const', const=one
        )


def add_pair(
    parser: argparse.ArgumentParser, yes: str, no: str, dest: str | None = None
) -> None:
    """Add an option for true and one for false."""
    group = parser.add_mutually_exclusive_group()
    for option, value in ((yes, True), (no, False)):
        group.add_argument(
            f'--{option}',
            dest=dest or yes,
            action='store_const',
            const=value,
        )


def fields_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields that were given, but tags; properties are flat."""
    names = (
        *('name', 'disk_format', 'container_format', 'min_disk', 'min_ram'),
        *('visibility', 'protected', 'os_hidden', 'owner'),
    )
    given = {
        name: value
        for name in names
        if (value := getattr(args, name, None)) is not None
    }
    for name, value in args.properties:
        if not is_custom(name):
            raise exception.InvalidOption(
                f'no property of your own can be called {name!r}'
            )
        given[name] = value
    return given


def shown(image: Image) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Return names and cells of all fields."""
    record = {**image.to_mapping(), 'properties': dict(image.properties)}
    names = tuple(sorted(FIELDS))
    return names, tuple(cell(record[name]) for name in names)


def cell(value: Any) -> Any:
    """Return a cell for a value of any kind."""
    if value is None:
        return Blank()
    return Listed(value) if isinstance(value, list | dict) else value


class Listed(cliff.columns.FormattableColumn[Any]):
    """Several values: a line each for people, as they are for machines."""

    def human_readable(self) -> str:
        """Return "name='value'" lines, or words with commas."""
        value = self._value
        if isinstance(value, Mapping):
            pairs = sorted(value.items())
            return '\n'.join(f'{name}={text!r}' for name, text in pairs)
        if all(isinstance(one, str) for one in value):
            return ', '.join(value)
        return '\n'.join(
            ' '.join(
                [
                    *([f'{one["name"]}:'] if one.get('name') else []),
                    one['url'],
                    *(['(external)'] if one.get('external') else []),
                ]
            )
            for one in value
        )
