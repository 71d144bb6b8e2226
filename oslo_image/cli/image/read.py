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

"""``oslo-image image list`` and ``image show``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from oslo_image.cli import needs
from oslo_image.cli.command import Lister, ShowOne
from oslo_image.cli.image import fields
from oslo_image.image import FIELDS, Image

_COLUMNS = {'ID': 'id', 'Name': 'name', 'Status': 'status'}
_LONG = {
    'ID': 'id',
    'Name': 'name',
    'Disk Format': 'disk_format',
    'Container Format': 'container_format',
    'Size': 'size',
    'Checksum': 'checksum',
    'Status': 'status',
    'Visibility': 'visibility',
    'Protected': 'protected',
    'Project': 'owner',
    'Tags': 'tags',
}
#: What images are sorted by: all that has an order.
_KEYS = tuple(
    name for name in FIELDS if name not in ('locations', 'properties', 'tags')
)


class ListImages(Lister):
    """List the images of the catalogue, the newest first.

    --limit and --marker cut that list before --sort does its work.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument('--long', action='store_true', help='show more')
        parser.add_argument('--name', metavar='NAME')
        parser.add_argument('--status', metavar='STATUS')
        parser.add_argument(
            '--tag', dest='tags', action='append', default=[], metavar='TAG'
        )
        parser.add_argument(
            '--property',
            dest='properties',
            action='append',
            default=[],
            type=fields.property_of,
            metavar='NAME=VALUE',
        )
        fields.add_project(parser, 'only those of this project')
        fields.add_visibility(parser)
        parser.add_argument(
            '--sort',
            type=_order,
            default=[],
            metavar='KEY[:asc|desc],…',
            help='by these fields, the first one before the others',
        )
        parser.add_argument(
            '--hidden', action='store_true', help='only those that are hidden'
        )
        parser.add_argument(
            '--limit', type=int, metavar='COUNT', help='how many at most'
        )
        parser.add_argument(
            '--marker', metavar='ID', help='the last image of the page before'
        )
        needs.add_config(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Ask the catalogue."""
        args = parsed_args
        filters: dict[str, Any] = dict(args.properties)
        for name in ('name', 'status', 'visibility', 'owner'):
            if (value := getattr(args, name)) is not None:
                filters[name] = value
        if args.tags:
            filters['tag'] = args.tags
        if args.hidden:
            filters['os_hidden'] = True
        found = fields.open_catalog(args).get_all(
            filters, args.marker, args.limit
        )
        for name, descending in reversed(args.sort):
            found.sort(key=_rank(name), reverse=descending)
        columns = _LONG if args.long else _COLUMNS
        records = [image.to_mapping() for image in found]
        return tuple(columns), [
            tuple(fields.cell(record[name]) for name in columns.values())
            for record in records
        ]


def _order(text: str) -> list[tuple[str, bool]]:
    """Return (field, whether descending) of "name:asc,size:desc"."""
    order = []
    for one in text.split(','):
        name, colon, direction = one.partition(':')
        if name not in _KEYS or colon and direction not in ('asc', 'desc'):
            raise argparse.ArgumentTypeError(
                f'{one!r} is not KEY or KEY:asc or KEY:desc; keys are '
                f'{", ".join(_KEYS)}'
            )
        order.append((name, direction == 'desc'))
    return order


def _rank(name: str) -> Callable[[Image], Any]:
    """Return what gives the rank of an image; unknown comes last."""

    def rank(image: Image) -> Any:
        value = getattr(image, name)
        return value is None, value

    return rank


class ShowImage(ShowOne):
    """Show all that is known of an image."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument('image', metavar='IMAGE', help='an id or a name')
        needs.add_config(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Ask the catalogue."""
        images = fields.open_catalog(parsed_args)
        return fields.shown(fields.find(images, parsed_args.image))
