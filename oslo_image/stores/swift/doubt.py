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
"""Whether a request may have been carried out although nobody heard so."""

from __future__ import annotations

import errno

from oslo_image import exception

#: What follows the name of what may be there.
UNSURE = 'unless the server did not make it'


class Doubt:
    """What is known of a request, and of its new tries, that failed."""

    def __init__(self) -> None:
        #: Whether it may have been carried out.
        self.done = False
        #: Whether it may yet be: it was us who hung up.
        self.going_on = False

    def note(self, error: exception.ImageError, gave_up: bool = False) -> None:
        """Note how a try failed.

        :param gave_up: whether nobody waited for the server to end it.
        """
        if not error.temporary or error.errno == errno.ECONNREFUSED:
            return
        self.done = True
        if gave_up or error.errno == errno.ETIMEDOUT:
            self.going_on = True
