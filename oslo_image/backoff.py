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

"""How long to wait before another try."""

from __future__ import annotations

import random

from oslo_image import exception

#: Longest wait between two tries, in seconds; a server that asks for more
#: than this is taken for gone.
LONGEST = 30.0


def delay(
    error: exception.ImageError, tries: int, pause: float
) -> float | None:
    """Return the seconds to wait after an error; None: not worth it.

    :param tries: the number of the next new try, from 1.
    :param pause: seconds before the first one; it doubles from there. What
        the server asked for counts instead.
    """
    asked = error.retry_after
    if not error.temporary or (asked or 0) > LONGEST:
        return None
    jitter = random.uniform(0.5, 1)  # noqa: S311
    return asked or min(pause * 2.0 ** (tries - 1), LONGEST) * jitter
