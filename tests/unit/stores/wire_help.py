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

"""What the tests of HTTP have in common."""

import contextlib
import dataclasses
import types
from typing import Any

from oslo_image.image import Location
from oslo_image.stores import base, http

#: Must never be seen in an error or a log.
CANARY = 'c4n4ry'


def options(**values: Any) -> types.SimpleNamespace:
    """Return the store's options, with deadlines that suit a test."""
    every = {
        option.dest: option.default for option in http.HttpStore.list_opts()
    }
    every |= {'http_connect_timeout': 5.0, 'http_read_timeout': 5.0}
    assert values.keys() <= every.keys()
    return types.SimpleNamespace(**every | values)


@contextlib.contextmanager
def make_store(**values: Any):
    """A store that is closed at the end."""
    store = http.HttpStore(options(**values))
    try:
        yield store
    finally:
        store.close()


def trusted(uri: str) -> Location:
    """Return the location of a URI that the caller named."""
    return Location(uri, trusted=True)


def untrusted(uri: str) -> Location:
    """Return the location of a URI that a catalogue named."""
    return dataclasses.replace(trusted(uri), trusted=False)


def read_all(reader: base.Reader, step: int = 8192) -> bytes:
    """Read a stream to its end, and close it."""
    buffer = memoryview(bytearray(step))
    found = []
    try:
        while count := reader.readinto(buffer):
            found.append(bytes(buffer[:count]))
    finally:
        reader.close()
    return b''.join(found)


def chain(error: BaseException | None) -> list[BaseException]:
    """Return an exception with all that hang on it."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__]
            waiting += getattr(one, 'exceptions', ())
    return found


def everything_said(error: BaseException) -> str:
    """Return all text that an exception and what hangs on it can show."""
    return '\n'.join(
        f'{one} {one!r} {one.args!r} {vars(one)!r} '
        f'{getattr(one, "__notes__", "")}'
        for one in chain(error)
    )
