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

"""``oslo-image image create``."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from oslo_image.cli import ends, needs
from oslo_image.cli.image import fields
from oslo_image.cli.image.moving import Moving
from oslo_image.image import Image


class CreateImage(Moving):
    """Record a new image, and store its bits.

    They are read once; size and digests are recorded. Of an image whose bits
    do not come nothing is left.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument('name', metavar='NAME')
        parser.add_argument('--id', metavar='ID', help='else one is made')
        parser.add_argument(
            '--file',
            metavar='PATH',
            help='a path, a URI, or - for standard input; without it the '
            'image is recorded without bits',
        )
        fields.add_fields(parser)
        parser.set_defaults(disk_format='raw', container_format='bare')
        needs.add_config(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Record it, and move the bits."""
        args = parsed_args
        record = {**fields.fields_of(args), 'tags': args.tags}
        if args.id:
            record['id'] = args.id
        images = fields.open_catalog(args)
        if args.file is None:
            return fields.shown(images.create(record))
        cancel = threading.Event()
        data: Any
        if args.file == ends.STREAM:
            # Called, not read from: a second attempt must be an error.
            data = ends.Stdin(cancel).__call__
        else:
            data = ends.uri_of(args.file, path=True)

        def work(**told: Any) -> Image:
            image: Image = images.create(record, data=data, **told)
            return image

        left = f'a queued record named {args.name!r} may be left'
        return self.move(work, cancel, left)
