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

"""``oslo-image image set``."""

from __future__ import annotations

import argparse
from typing import Any

from oslo_image.cli import needs
from oslo_image.cli.command import Command
from oslo_image.cli.image import fields


class SetImage(Command):
    """Change what is recorded of an image.

    Tags and properties are added to those that it has.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument('image', metavar='IMAGE', help='an id or a name')
        parser.add_argument('--name', metavar='NAME', help='the new name')
        fields.add_fields(parser)
        needs.add_config(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Change it."""
        images = fields.open_catalog(parsed_args)
        image = fields.find(images, parsed_args.image)
        changes: dict[str, Any] = fields.fields_of(parsed_args)
        if parsed_args.tags:
            changes['tags'] = sorted({*image.tags, *parsed_args.tags})
        images.update(image.id, changes)
