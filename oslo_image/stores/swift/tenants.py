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

"""Images in the accounts of their owners: containers and their rights.

glance_store gives each image a container, ``<container>_<image id>``, so that
its rights are those of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def container(options: Any, name: str) -> str:
    """Return the container of an image whose URI names none."""
    base = str(options.swift_store_container)
    if options.swift_store_multi_tenant:
        return f'{base}_{name}'
    seed = options.swift_store_multiple_containers_seed
    if not seed:
        return base
    # Dashes are kept and not counted, as glance_store does.
    start = name.lower()[: seed + name[:seed].count('-')]
    return f'{base}_{start}'


def rights(
    admins: Sequence[str], *, public: bool, members: Sequence[str]
) -> dict[str, str]:
    """Return the fields that say who may use a container.

    :param admins: the projects that may read and write it.
    :param public: whether all users of the cloud may read it; nobody may
        without a token.
    :param members: the projects that may read it.
    """
    readers = [f'{one}:*' for one in (*members, *admins)]
    return {
        'X-Container-Read': ','.join(['*:*'] if public else readers),
        'X-Container-Write': ','.join(f'{one}:*' for one in admins),
    }
