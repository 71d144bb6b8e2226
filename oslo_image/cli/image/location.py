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

"""``oslo-image image add location``."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from oslo_image.cli import ends, needs
from oslo_image.cli.image import fields
from oslo_image.cli.image.moving import Moving
from oslo_image.image import Image


class AddLocation(Moving):
    """Register a URI at which an image's bits lie.

    They are read once, and must be the image's bits if it has any.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument('image', metavar='IMAGE', help='an id or a name')
        parser.add_argument('uri', metavar='URI', help='a URI or a path')
        parser.add_argument(
            '--name', metavar='NAME', help='by which to ask for this location'
        )
        fields.add_pair(parser, 'external', 'internal')
        needs.add_config(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Read the bits, and record the location."""
        args = parsed_args
        images = fields.open_catalog(args)
        image = fields.find(images, args.image)
        uri = ends.uri_of(args.uri, path=True)

        def work(**told: Any) -> Image:
            changed: Image = images.add_location(
                image.id,
                uri,
                name=args.name,
                external=args.external is not False,
                **told,
            )
            return changed

        return self.move(work, threading.Event(), 'nothing was recorded')
