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

"""``oslo-image image delete``."""

from __future__ import annotations

import argparse

from oslo_image import exception
from oslo_image.cli import codes, needs
from oslo_image.cli.command import Command
from oslo_image.cli.image import fields


class DeleteImage(Command):
    """Delete images: their own bits, never external ones, and the record."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'images', metavar='IMAGE', nargs='+', help='an id or a name'
        )
        needs.add_config(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Delete all that can be; the first error gives the exit code."""
        images = fields.open_catalog(parsed_args)
        code: int = codes.Code.DONE
        for one in parsed_args.images:
            try:
                images.delete(fields.find(images, one).id)
            except exception.ImageError as error:
                reported = self.report(error)
                code = code or reported
        return code
