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

"""``oslo-image complete``: what bash completes, written down once."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import cliff.app

from oslo_image.cli.command import Command

#: Where nothing is proposed, readline proposes files.
_SCRIPT: Final = """\
_oslo_image()
{{
    local current=${{COMP_WORDS[COMP_CWORD]}}
    local before=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command= options= word words=
    if [[ $current == '=' ]]; then
        current=
    elif [[ $before == '=' ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD - 1}}"; do
        case "$word" in -*) continue ;; esac
        case "${{command:+$command }}$word" in
{known}
            command="${{command:+$command }}$word" ;;
        *) break ;;
        esac
    done
    case "$command" in
{words}
    esac
    case "$command" in
{options}
    esac
    if [[ $current == -* ]]; then words=$options; fi
    case "$command $before" in
{values}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _oslo_image oslo-image
"""


class Complete(Command):
    """Print the completion for bash: of commands, options and their values."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print it."""
        assert isinstance(self.app, cliff.app.App)  # noqa: S101
        parsers = {'': self.app.parser, **dict(_parsers(self.app))}
        self.app.stdout.write(script(parsers))


def script(parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    """Return the shell's function.

    :param parsers: by command; that of the empty name has what stands before.
    """
    after: dict[str, set[str]] = {}
    for name in filter(None, parsers):
        names = name.split()
        for count in range(len(names)):
            after.setdefault(' '.join(names[:count]), set()).add(names[count])
        after.setdefault(name, set())
    options: dict[str, list[str]] = {}
    values: dict[str, Iterable[Any]] = {}
    for name, parser in parsers.items():
        for action in parser._actions:
            options.setdefault(name, []).extend(action.option_strings)
            if action.nargs != 0:
                for one in action.option_strings:
                    values[f'{name} {one}'] = action.choices or ()
    known = '|'.join(shlex.quote(name) for name in sorted(after) if name)
    return _SCRIPT.format(
        known=f'        {known})',
        words=_cases(
            'words', {name: sorted(one) for name, one in after.items()}
        ),
        options=_cases('options', options),
        values=_cases('words', values),
    )


def _cases(variable: str, found: Mapping[str, Iterable[Any]]) -> str:
    return '\n'.join(
        f'    {shlex.quote(name)}) {variable}='
        f'{shlex.quote(" ".join(map(str, words)))} ;;'
        for name, words in sorted(found.items())
    )


def _parsers(app: Any) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for name, command in app.command_manager:
        yield name, command.load()(app, None).get_parser(name)
