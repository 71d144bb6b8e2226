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

"""What all commands have in common: errors become a line and an exit code."""

from __future__ import annotations

import argparse
import functools
import re
import sys
import traceback
from typing import Any

import cliff.columns
import cliff.command
import cliff.lister
import cliff.show

from oslo_image import exception, masking
from oslo_image.cli import codes

_URI = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*://\S+')


class Command(cliff.command.Command):
    """A command whose errors are reported, and that is quick to start."""

    def get_epilog(self) -> str:
        """Return the exit codes.

        cliff would read the metadata of every installed package, to say which
        one the command comes from.
        """
        return codes.HELP

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser that shows no secret in its errors."""
        parser = super().get_parser(prog_name)
        mask_errors(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run, and report an error."""
        try:
            return super().run(parsed_args)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - here errors end
            return self.report(ours(error))

    def report(self, error: exception.ImageError) -> int:
        """Tell of an error in one line; return its exit code."""
        if getattr(self.app_args, 'debug', False):
            for lines in traceback.format_exception(error):
                print(mask(lines), end='', file=sys.stderr)
        notes = getattr(error, '__notes__', ())
        say('; '.join([str(error), *notes]))
        return codes.code_of(error)


class Lister(Command, cliff.lister.Lister):
    """A command that shows a table, in any of cliff's formats."""

    @property
    def need_sort_by_cliff(self) -> bool:
        """Whether cliff sorts; it does when it is asked to."""
        return True


class ShowOne(Command, cliff.show.ShowOne):
    """A command that shows the fields of one thing, in cliff's formats."""


class Blank(cliff.columns.FormattableColumn[None]):
    """A cell without a value: empty for people, null for machines."""

    def __init__(self) -> None:
        super().__init__(None)

    def human_readable(self) -> str:
        """Return nothing to read."""
        return ''


def ours(error: Exception) -> exception.ImageError:
    """Return an error as one of ours: as it is, or as what nobody expected."""
    if isinstance(error, exception.ImageError):
        return error
    unexpected = exception.ImageError(f'{type(error).__name__}: {error}')
    unexpected.__cause__ = error
    return unexpected


def say(text: str) -> None:
    """Print one line on stderr, whatever the text holds, but no secret."""
    line = ''.join(one if one.isprintable() else ' ' for one in mask(text))
    print(f'oslo-image: {line}', file=sys.stderr, flush=True)


def mask_errors(parser: argparse.ArgumentParser) -> None:
    """Make a parser mask the URIs that it quotes in its errors."""
    plain: Any = parser.error
    setattr(  # noqa: B010 - one parser, not its class: cliff makes it
        parser, 'error', functools.partial(_masked, plain)
    )


def _masked(plain: Any, message: str) -> None:
    plain(mask(message))


def mask(text: str) -> str:
    """Mask the URIs in a text; masked before, they stay as they are."""
    return _URI.sub(lambda found: masking.mask_uri(found[0]), text)
