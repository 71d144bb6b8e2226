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

"""The mover's own options, and those of the catalogue that it asks."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from oslo_image.catalog import registry

if TYPE_CHECKING:
    from oslo_config import cfg

GROUP = 'oslo_image'


@functools.cache
def list_opts() -> Mapping[str, Sequence[cfg.Opt]]:
    """Return the options by group, the catalogue's among them."""
    from oslo_config import cfg

    catalogs = registry.list_opts()
    return {
        **catalogs,
        GROUP: [
            *catalogs[GROUP],
            cfg.ListOpt(
                'disabled_strategies',
                default=[],
                help='Names of strategies that must not run. A name that '
                'is not known here does no harm.',
            ),
            cfg.IntOpt(
                'parallel_requests',
                default=4,
                min=1,
                max=64,
                help='How many reads and writes of one copy are in flight. '
                'The memory of a copy is about this many times the size of '
                'one request (1 to 8 MiB).',
            ),
            cfg.IntOpt(
                'retries',
                default=6,
                min=0,
                help='How often a source that broke is tried again without '
                'a MiB of progress. With the pauses below, the last try is '
                '16 to 32 seconds after the first.',
            ),
            cfg.FloatOpt(
                'retry_pause',
                default=0.5,
                min=0,
                help='Seconds before the first new try. They double from try '
                'to try; a Retry-After of the server counts instead, unless '
                'it asks for more than 5 s and another location has the bits.',
            ),
        ],
        'DEFAULT': [
            *catalogs.get('DEFAULT', ()),
            cfg.IntOpt(
                'image_size_cap',
                default=1 << 40,
                min=1,
                help='The most bytes that an image, or the disk that it '
                'describes, may have.',
            ),
        ],
    }
