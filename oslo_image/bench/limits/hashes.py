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

"""What a digest costs by itself, on one core."""

from __future__ import annotations

import hashlib

from oslo_image.bench.cell import Job, Way
from oslo_image.stores.base import ZEROS


def _hash(algorithm: str) -> Way:
    def run(job: Job) -> None:
        digest = hashlib.new(algorithm)
        left = job.shape.size
        while left:
            count = min(left, len(ZEROS))
            digest.update(ZEROS[:count])
            left -= count

    return Way(f'raw {algorithm}', 'limit', run, writes=False)


SHA512 = _hash('sha512')
