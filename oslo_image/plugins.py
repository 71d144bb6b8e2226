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

"""Load plugins by their entry points; a broken one is told, never raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import stevedore

P = TypeVar('P')
_OURS = 'oslo_image.'


def load(
    namespace: str, make: Callable[[Any], P]
) -> tuple[dict[str, P], dict[str, str]]:
    """Return the plugins by name, and why the others are not among them.

    Ours come first, so that a third party's does not take the place of one by
    having its name.

    :param namespace: the entry points' group.
    :param make: makes the plugin of what was loaded, or raises.
    """
    broken: dict[str, str] = {}

    def failed(manager: Any, entry_point: Any, error: BaseException) -> None:
        broken[entry_point.name] = told(error)

    loaded: dict[str, P] = {}
    for extension in sorted(
        stevedore.ExtensionManager(namespace, on_load_failure_callback=failed),
        key=lambda one: not one.entry_point_target.startswith(_OURS),
    ):
        target = extension.entry_point_target
        if extension.name in loaded:
            broken[target] = f'the name {extension.name!r} is taken'
            continue
        try:
            loaded[extension.name] = make(extension.plugin)
        except Exception as error:  # noqa: BLE001 - a stranger's code
            broken[extension.name] = told(error)
    return loaded, broken


def told(error: BaseException) -> str:
    """Return what a plugin raised, in a line."""
    return f'{type(error).__name__}: {error}'
