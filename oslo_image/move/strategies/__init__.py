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

import oslo_image.plugins
from oslo_image.move.strategies.base import Cost, Strategy

NAMESPACE = 'oslo.image.strategies'


@functools.cache
def plugins() -> tuple[tuple[Strategy, ...], dict[str, str]]:
    """Return the strategies, and why the others are not there, by name."""
    loaded, broken = oslo_image.plugins.load(NAMESPACE, _make)
    return tuple(loaded.values()), broken


def _make(plugin: Any) -> Strategy:
    strategy = plugin()
    if not isinstance(strategy, Strategy):
        raise TypeError('it is not a Strategy')
    named = isinstance(getattr(strategy, 'name', None), str)
    if not named or not isinstance(getattr(strategy, 'cost', None), Cost):
        raise TypeError('it has no name or no cost')
    return strategy
