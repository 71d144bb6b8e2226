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

"""What a forked child must have of its own."""

import os
import threading
import time

import pytest

from oslo_image.stores.per_process import PerProcess


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a child: all that is seen of it is the number."""
    child = os.getpid() + 1
    monkeypatch.setattr(os, 'getpid', lambda: child)


def test_is_made_once() -> None:
    own = PerProcess(object)
    assert own.get() is own.get()


def test_a_child_drops_what_was_its_parents(
    request: pytest.FixtureRequest,
) -> None:
    dropped: list[object] = []
    own = PerProcess(object, dropped.append)
    parents = own.get()
    request.getfixturevalue('forked')
    childs = own.get()
    assert dropped == [parents]
    own.clear()
    assert dropped == [parents, childs]


def test_threads_of_a_child_share_one(request: pytest.FixtureRequest) -> None:
    """None gets the parent's while another makes the child's."""

    def make() -> object:
        time.sleep(0.01 * next(pauses))
        return object()

    pauses = iter((0, 20, 5, 0, 10))
    own = PerProcess(make)
    parents = own.get()
    request.getfixturevalue('forked')
    got: list[object] = []
    threads = [
        threading.Thread(target=lambda: got.append(own.get()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert len(set(got)) == 1
    assert parents not in got
