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

"""What befalls a request on its way through a proxy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

Answer = tuple[int, Mapping[str, str]] | tuple[int, Mapping[str, str], bytes]


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client asked for.

    :param target: the path and query, as sent.
    :param headers: by names in lower case.
    :param length: the bytes of its body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    length: int


@dataclasses.dataclass
class Rule:
    method: str
    pattern: re.Pattern[str]
    first: int
    times: int | None
    before: Callable[[], Any] | None
    pause: float
    answer: Answer | None
    cut_request: int | None
    cut_answer: int | None
    lose_answer: bool
    fields: Mapping[str, str | None]
    after: Callable[[], Any] | None
    seen: int = 0

    def takes(self, request: Request) -> bool:
        if request.method != self.method:
            return False
        if not self.pattern.search(request.target):
            return False
        self.seen += 1
        last = None if self.times is None else self.first + self.times
        return self.seen >= self.first and (last is None or self.seen < last)
