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

"""A time that passes only by sleeping, for the modules that take it."""


class Clock:
    """Stands for the module ``time``; ``now`` counts from its making."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        # A clock is never at zero when somebody looks at it first.
        return 1000.0 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
