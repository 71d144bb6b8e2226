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

"""Turn what the caller configures by into a private ConfigOpts.

Nothing global is read and nothing is registered on a caller's object: other
projects give some of our option names other types (Cinder's
``enabled_backends`` is a list, Glance's a dict), which oslo.config refuses to
hold at once.
"""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oslo_image import exception

if TYPE_CHECKING:
    from oslo_config import cfg

Groups = Mapping[str, Sequence['cfg.Opt']]
_SECTION = re.compile(r'^\[([^\]\n]+)\]', re.MULTILINE)


def load(config: Any, groups: Groups) -> cfg.ConfigOpts:
    """Return a ConfigOpts that holds our options with the caller's values.

    :param config: a ConfigOpts, whose files are read again here and whose own
        values for options of our names count; a mapping of option names, or of
        group names to such mappings; or None for the defaults.
        A mapping may name what other parts of this library read as well.
    :param groups: the options of every group; 'DEFAULT' is one.
    :raises InvalidOption: for an unknown name or a value that does not parse.
    """
    from oslo_config import cfg

    conf = cfg.ConfigOpts()
    for group, options in groups.items():
        for option in options:
            conf.register_opt(option, None if group == 'DEFAULT' else group)
    try:
        if is_opts(config):
            # Not elsewhere: parsing nothing costs more than all else that a
            # zero-copy does.
            conf(
                args=[],
                default_config_files=_paths(config, 'config_file'),
                default_config_dirs=_paths(config, 'config_dir'),
                use_env=False,
            )
            _adopt(conf, config, groups)
        elif isinstance(config, Mapping):
            # Defaults are what they should be.
            groups = _override(conf, config, groups)
        elif config is not None:
            raise exception.InvalidOption(
                'a configuration is a ConfigOpts, a mapping or None, not a '
                f'{type(config).__name__}'
            )
        for group, options in groups.items() if config is not None else ():
            for option in options:
                _value(conf, group, option)
    except (cfg.Error, ValueError) as error:
        if isinstance(error, exception.ImageError):
            raise
        raise exception.InvalidOption(str(error)) from error
    return conf


def _paths(config: Any, name: str) -> list[str]:
    """Return the files or directories that a ConfigOpts was read from."""
    found = getattr(config, name, None) if is_opts(config) else None
    return [found] if isinstance(found, str) else list(found or ())


def mentioned(config: Any) -> set[str]:
    """Return what may be a group that a configuration says anything of.

    :param config: as in :func:`load`.
    """
    if not isinstance(config, Mapping):
        return set()
    found = {str(name) for name in config}
    for path in _files(config):
        try:
            with open(path, encoding='utf-8', errors='replace') as lines:
                found.update(_SECTION.findall(lines.read()))
        except OSError:
            continue
    return found


def _files(config: Any) -> Iterator[str]:
    yield from _paths(config, 'config_file')
    for directory in _paths(config, 'config_dir'):
        yield from glob.glob(os.path.join(glob.escape(directory), '*.conf'))


def is_opts(config: Any) -> bool:
    """Return whether it is a ConfigOpts, which is a mapping too."""
    from oslo_config import cfg

    return isinstance(config, cfg.ConfigOpts)


def _value(conf: cfg.ConfigOpts, group: str, option: cfg.Opt) -> Any:
    return (conf if group == 'DEFAULT' else conf[group])[option.dest]


def _adopt(
    conf: cfg.ConfigOpts, caller: cfg.ConfigOpts, groups: Groups
) -> None:
    """Take what the caller has set of our options, by whatever means.

    Its own reading of its files counts too: ``$state_path`` may be its own.
    """
    from oslo_config import cfg

    for group, options in groups.items():
        for option in options:
            try:
                theirs = _value(caller, group, option)
                location = caller.get_location(
                    option.dest, None if group == 'DEFAULT' else group
                )
            except cfg.Error:
                continue
            if location is None or location.location in (
                cfg.Locations.opt_default,
                cfg.Locations.set_default,
            ):
                continue
            try:
                _set(conf, group, option, theirs)
            except exception.InvalidOption:
                continue  # of another type: another project's option


def _override(
    conf: cfg.ConfigOpts, values: Mapping[str, Any], groups: Groups
) -> Groups:
    """Set what a mapping names; return it."""
    found: dict[str, list[cfg.Opt]] = {}
    by_group = {
        group: {option.dest: option for option in options}
        for group, options in groups.items()
    }
    for name, value in values.items():
        if isinstance(value, Mapping) and name in by_group:
            for key, inner in value.items():
                if key not in by_group[name]:
                    raise exception.InvalidOption(
                        f'unknown option {key!r} in group {name!r}'
                    )
                option = by_group[name][key]
                _set(conf, name, option, inner)
                found.setdefault(name, []).append(option)
            continue
        for group, options in by_group.items():
            if name in options:
                _set(conf, group, options[name], value)
                found.setdefault(group, []).append(options[name])
                break
        else:
            if name not in _others(isinstance(value, Mapping)):
                raise exception.InvalidOption(
                    f'unknown option or group {name!r}'
                )
    return found


@functools.cache
def _others(of_groups: bool) -> frozenset[str]:
    """Return the names of all options, or groups, of the whole library.

    One mapping configures a mover, a catalogue and a store's writer, and each
    knows its own options only. They are found as oslo-config-generator does.
    """
    import stevedore

    found: set[str] = set()
    extension: Any
    ours: Any = stevedore.NamedExtensionManager(
        'oslo.config.opts', ['oslo.image']
    )
    for extension in ours:
        for group, options in extension.plugin():
            found.update(
                [group] if of_groups else (one.dest for one in options)
            )
    return frozenset(found)


def _set(
    conf: cfg.ConfigOpts, group: str, option: cfg.Opt, value: Any
) -> None:
    if option.multi and isinstance(value, str):
        value = [value]  # or it would be taken for a list of its characters
    where = None if group == 'DEFAULT' else group
    try:
        conf.set_override(option.dest, value, where)
    except (ValueError, TypeError, AttributeError) as error:
        raise exception.InvalidOption(
            f'option {option.dest!r}: {error}'
        ) from error
