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

"""``oslo-image bench``: measure copy paths on this machine."""

from __future__ import annotations

import argparse
import pathlib
import sys

from oslo_image.cli import codes, needs
from oslo_image.cli.command import Command, say


class Bench(Command):
    """Compare copy paths with each other, with peers and with the limit.

    The cells that this machine can run are run: those between directories,
    below --directory; those of the Ceph pool, the S3 bucket, the Swift
    container and the Glance that a --config-file names, or --os-cloud; and
    those of a web server, with --web-root and --web-url. The tables are
    printed, and written with the figures and plots where --results says.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        from oslo_image.bench import arguments

        parser = super().get_parser(prog_name)
        arguments.add_to(parser)
        needs.add_config(parser)
        parser.add_argument(
            '--results',
            type=pathlib.Path,
            metavar='DIRECTORY',
            help='write results.json, results.md and plots there',
        )
        parser.add_argument(
            '--web-root',
            type=pathlib.Path,
            metavar='DIRECTORY',
            help='a directory that a web server serves; images are made in '
            'a directory there, which is removed again',
        )
        parser.add_argument(
            '--web-url', metavar='URL', help='where it serves that directory'
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Run, and print the tables."""
        from oslo_image.bench import (
            arguments,
            glance,
            places,
            rbd,
            report,
            s3,
            swift,
            work,
        )

        work.end_in_order()
        args = parsed_args
        if bool(args.web_root) != bool(args.web_url):
            say('--web-root and --web-url go together')
            return codes.Code.USAGE
        web = (
            {'nginx': places.served(args.web_root, args.web_url)}
            if args.web_root
            else {}
        )
        config = needs.config_of(args)
        # A cloud that only the environment names is not meant here.
        named = config if args.config_file or args.os_cloud else None
        configured = {
            **web,
            **glance.configured(named),
            **rbd.configured(config),
            **s3.configured(config),
            **swift.configured(config),
        }
        try:
            found = arguments.follow(args, {**places.PLACES, **configured})
        except LookupError as error:
            say(str(error))
            return codes.Code.USAGE
        if found is None:
            return codes.Code.DONE
        sys.stdout.write(report.markdown.render(found, ()))
        for one in found.failed:
            say(f'{one.cell}, {one.shape}: {one.error}')
        return codes.Code.FAILED if found.failed else codes.Code.DONE
