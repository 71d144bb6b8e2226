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

"""``oslo-image copy``: move an image from where it lies to where it goes."""

from __future__ import annotations

import argparse
import contextlib
import threading
from typing import Any

from oslo_image import exception, masking
from oslo_image.cli import codes, display, ends, needs, sizes
from oslo_image.cli.command import Command, ours, say
from oslo_image.cli.events import Events
from oslo_image.cli.supervise import Interrupted
from oslo_image.cli.watch import PATIENCE, watch
from oslo_image.move import CopyResult

#: Seconds that a cancelled copy may take where there is nothing to clean up,
#: but a reader that is stuck.
_PATIENCE_STREAM = 1.0


class Copy(Command):
    """Copy an image, the cheapest way that there is.

    SRC is a URI, an image's id, or a path, which has a slash or exists; DST
    is a URI or a path. Either may be - for standard input or output. What is
    not complete is not left behind, whatever ends the copy.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        needs.add_ends(parser)
        needs.add_needs(parser)
        needs.add_config(parser)
        parser.add_argument(
            '--json',
            action='store_true',
            help='print events on standard output, a JSON object a line',
        )
        parser.add_argument(
            '--interval',
            type=sizes.duration,
            metavar='TIME',
            help='time between two lines of progress where stderr is no '
            'terminal (default: 10s), or two such events (1s)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Copy, and tell about it."""
        args = parsed_args
        if args.json and args.destination == ends.STREAM:
            raise exception.InvalidOption(
                '--json and the image cannot both go to standard output'
            )
        show = self._display(args)
        with contextlib.closing(show):
            show.start(_shown(args.source), _shown(args.destination))
            try:
                result = copy(args, show)
            except BrokenPipeError:
                raise
            except Exception as error:
                show.close()
                show.failed(ours(error), codes.code_of(ours(error)))
                raise
            except KeyboardInterrupt:
                show.failed(
                    exception.Cancelled('interrupted before it began'),
                    codes.Code.INTERRUPTED,
                )
                raise
            except Interrupted as stop:
                show.close()
                code = codes.code_of_signal(stop.signum)
                show.failed(stop.error, code)
                self.report(stop.error)
                return code
            show.close()
            if result.success:
                show.done(result)
                return codes.Code.DONE
            show.refused(result, codes.Code.REFUSED)
            return codes.Code.REFUSED

    def _display(self, args: argparse.Namespace) -> display.Quiet:
        if args.json:
            return Events(1 if args.interval is None else args.interval)
        loudness = getattr(self.app_args, 'verbose_level', 1)
        interval = 10 if args.interval is None else args.interval
        return display.choose(loudness, interval)


def copy(args: argparse.Namespace, show: display.Quiet) -> CopyResult:
    """Copy as the arguments say, in a thread that a signal can stop.

    :raises Interrupted: when one did.
    """
    cancel = threading.Event()
    config = needs.config_of(
        args, asks_cloud=ends.asks_cloud(args.destination, source=args.source)
    )
    mover = ends.mover(args.source, config, args.disk_format, cancel)
    writer = ends.writer(args.destination, config, args.if_exists)

    def work(**told: Any) -> CopyResult:
        return mover.copy(writer, **told, **needs.needs_of(args))

    stream = args.destination == ends.STREAM

    def undo(code: int) -> None:
        show.close()
        error = exception.Cancelled('ended without waiting for the copy')
        for left in () if stream else writer.abort():
            error.add_note(f'left behind: {left}')
        show.failed(error, code)
        say(str(error))

    patience = _PATIENCE_STREAM if stream else PATIENCE
    return watch(show, work, cancel, undo=undo, patience=patience)


def _shown(end: str) -> str:
    return masking.mask_uri(end)
