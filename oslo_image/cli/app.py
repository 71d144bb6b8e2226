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

"""The application: global options, help, and the way to a command."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

import cliff.app
import cliff.command
import cliff.commandmanager
import cliff.help
import stevedore

import oslo_image.plugins
from oslo_image.cli import codes
from oslo_image.cli.command import Command, mask, mask_errors, say
from oslo_image.cli.complete import Complete

NAMESPACE = 'oslo.image.cli'
_DESCRIPTION = 'Move disk images by the cheapest path there is.'
_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


class Commands(cliff.commandmanager.CommandManager):
    """The commands by name. Only the one that is run is imported."""

    def load_commands(self, namespace: str) -> None:
        """Find the commands of a namespace; cliff would import all."""
        self.group_list.append(namespace)
        found: Any = stevedore.NamedExtensionManager(namespace, names=[])
        for entry_point in found.list_entry_points():
            name = entry_point.name.replace('_', ' ')
            lazy: Any = _Found(entry_point)
            self.commands[name] = lazy


class _Found:
    """A command that was found; one that does not load spoils no other."""

    def __init__(self, entry_point: Any) -> None:
        self._entry_point = entry_point

    def load(self) -> type[cliff.command.Command]:
        """Import the command."""
        try:
            command: type[cliff.command.Command] = self._entry_point.load()
            if not issubclass(command, cliff.command.Command):
                raise TypeError("it is not a subclass of cliff's Command")
        except Exception as error:  # noqa: BLE001 - a stranger's code
            why = f'Did not load: {oslo_image.plugins.told(error)}'
            return type('Broken', (_Broken,), {'__doc__': mask(why)})
        return command


class _Broken(Command):
    """In the place of a command that does not load; its text says why."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        raise AssertionError('it is not run')


class Help(Command, cliff.help.HelpCommand):
    """Show the help of a command, or the list of commands."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Print it."""
        if parsed_args.cmd:
            return super().take_action(parsed_args)
        assert isinstance(self.app, App)  # noqa: S101
        self.app.print_help()
        return 0


class App(cliff.app.App):
    """``oslo-image``."""

    NAME = 'oslo-image'
    #: Where cliff says what our own commands do not report.
    LOG = logging.getLogger('oslo_image.cli')

    def __init__(self) -> None:
        super().__init__(
            _DESCRIPTION, None, Commands(NAMESPACE), deferred_help=True
        )
        self.command_manager.add_command('help', Help)
        self.command_manager.add_command('complete', Complete)

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Return the parser of what stands before the command."""
        parser = argparse.ArgumentParser(
            prog=self.NAME,
            description=description,
            epilog=codes.HELP,
            add_help=False,
            allow_abbrev=False,
            **(argparse_kwargs or {}),
        )
        parser.add_argument(
            '-h',
            '--help',
            dest='deferred_help',
            action='store_true',
            help='show this help, or that of the command',
        )
        parser.add_argument('--version', action=_Version, nargs=0)
        loudness = parser.add_mutually_exclusive_group()
        loudness.add_argument(
            '-v',
            '--verbose',
            action='count',
            dest='verbose_level',
            default=self.DEFAULT_VERBOSE_LEVEL,
            help='tell more on stderr; twice: all',
        )
        loudness.add_argument(
            '-q',
            '--quiet',
            action='store_const',
            dest='verbose_level',
            const=0,
            help='tell nothing but errors',
        )
        parser.add_argument(
            '--debug', action='store_true', help='show tracebacks of errors'
        )
        mask_errors(parser)
        return parser

    def configure_logging(self) -> None:
        """Send this library's log to stderr; other libraries' stays away.

        They log URLs and headers, in which secrets stand. Where nobody takes
        it, Python would print what warns.
        """
        root = logging.getLogger()
        if not root.handlers:
            root.addHandler(logging.NullHandler())
        level = min(self.options.verbose_level, len(_LEVELS) - 1)
        logger = logging.getLogger('oslo_image')
        logger.handlers = [_Stderr()]
        logger.propagate = False
        logger.setLevel(_LEVELS[level])

    def print_help_if_requested(self) -> None:
        """Print the help and end, when there is no command to help with."""
        if self.options.deferred_help:
            self.print_help()
            sys.exit(0)

    def print_help(self) -> None:
        """Print the options and the commands."""
        self.parser.print_help(self.stdout)
        self.stdout.write('\nCommands:\n')
        for name, entry_point in sorted(self.command_manager):
            words = (entry_point.load().__doc__ or '').strip().splitlines()
            summary = words[0].rstrip('.') if words else ''
            self.stdout.write(f'  {name:<20}{summary}\n')

    def interact(self) -> None:
        """Ask for a command: there is no shell of our own."""
        self.parser.error('name a command; --help lists them')

    def run_subcommand(self, argv: list[str]) -> int:
        """Run a command; an unknown one is an error of usage."""
        try:
            command, name, _ = self.command_manager.find_command(argv)
        except ValueError:
            near = ' or '.join(self.get_fuzzy_matches(argv[0])[:3])
            self.parser.error(
                f'there is no command {argv[0]!r}; did you mean {near}?'
            )
        if issubclass(command, _Broken):
            say(f'{name}: {command.__doc__}')
            return codes.Code.FAILED
        return super().run_subcommand(argv)


class _Version(argparse.Action):
    """Print the version, which takes time to look up."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords, help='show the version')

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import importlib.metadata

        version = importlib.metadata.version('oslo.image')
        print(parser.prog, version)
        parser.exit()


class _Stderr(logging.StreamHandler[Any]):
    """Writes to the stderr of the moment: a progress bar steps aside."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter('oslo-image: %(message)s'))

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        pass
