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

"""What becomes of a test whose server cannot be had.

It never passes by: where ``OSLO_IMAGE_SERVERS=required`` is set, as ``make
test`` and continuous integration do, it fails. Elsewhere it is skipped, and
the reason is printed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from tests.servers import base

VARIABLE = 'OSLO_IMAGE_SERVERS'

T = TypeVar('T')


@contextlib.contextmanager
def provided(
    server: contextlib.AbstractContextManager[T],
) -> Iterator[T]:
    """Enter a server or filesystem for a fixture, by the policy.

    Only :exc:`base.Unavailable` is a matter of policy. A server that is
    there and does not start is an error in any case.
    """
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except base.Unavailable as error:
            raise _outcome(str(error)) from None
        yield running


def used(request: pytest.FixtureRequest, name: str) -> Any:
    """Return a server, given its fixture's name, which a parameter has.

    Its log is then shown if the test fails, as if the test had named it.
    """
    server = request.getfixturevalue(name)
    request.node.funcargs[name] = server
    return server


def imported(name: str) -> Any:
    """Import a module that PyPI does not have, by the policy."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _outcome(f'{error}; see tools/bootstrap.sh') from None


def _outcome(reason: str) -> BaseException:
    if os.environ.get(VARIABLE) == 'required':
        return pytest.fail.Exception(
            f'required here ({VARIABLE}): {reason}', pytrace=False
        )
    return pytest.skip.Exception(
        f'{reason} ({VARIABLE}=required makes this a failure)'
    )
