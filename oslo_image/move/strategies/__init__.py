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

"""The strategies that are installed, ours and third parties'.

They are plugins under the entry point ``oslo.image.strategies``.
"""

from __future__ import annotations

import functools
from typing import Any

import stevedore

from oslo_image.move.strategies.base import Strategy

NAMESPACE = 'oslo.image.strategies'


@functools.cache
def plugins() -> tuple[tuple[Strategy, ...], dict[str, str]]:
    """Return the strategies, and why the others did not load, by name."""
    broken: dict[str, str] = {}

    def failed(manager: Any, entry_point: Any, error: BaseException) -> None:
        broken[entry_point.name] = f'{type(error).__name__}: {error}'

    manager = stevedore.ExtensionManager(
        NAMESPACE, invoke_on_load=True, on_load_failure_callback=failed
    )
    loaded = [extension.obj for extension in manager if extension.obj]
    return tuple(loaded), broken
