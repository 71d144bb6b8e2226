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

"""What a new image is to be."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """What the image is to be.

    :param order: two to this power is the least size of an object, in bytes;
        None is the cluster's own.
    :param features: librbd's bits; None is the parent's, or the cluster's own.
    :param data_pool: where its data lies; None is the pool itself.
    :param disk_size: of the disk in bytes; None is the image's. What lies
        behind the image reads as zeros.
    :param clone_format: 1 or 2.
    :param protect: whether a parent's snapshot may be protected.
    :param flatten: whether a clone is to be made independent of its parent.
    """

    order: int | None = None
    features: int | None = None
    data_pool: str | None = None
    disk_size: int | None = None
    clone_format: int = 1
    protect: bool = False
    flatten: bool = False
