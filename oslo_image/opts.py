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

"""Every option, for oslo-config-generator (``oslo.config.opts``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_image.move import options
from oslo_image.stores import registry

if TYPE_CHECKING:
    from oslo_config import cfg


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return (group, options) pairs."""
    groups = registry.groups(options.list_opts())
    return [(group, list(found)) for group, found in groups.items()]
