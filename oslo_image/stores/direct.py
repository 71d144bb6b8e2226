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

"""Keystone is asked without a proxy of the environment, as all else is."""

from __future__ import annotations

import functools
from typing import Any


def direct(session: Any) -> Any:
    """Let a session, of requests or keystoneauth, use no proxy; return it.

    What else requests takes from the environment stays as it is.
    """
    for scheme in ('http://', 'https://'):
        session.mount(scheme, _adapter()())
    return session


@functools.cache
def _adapter() -> Any:
    import requests.adapters

    class Direct(requests.adapters.HTTPAdapter):
        def send(self, *arguments: Any, **more: Any) -> Any:
            return super().send(*arguments, **{**more, 'proxies': None})

    return Direct
