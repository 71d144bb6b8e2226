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

"""New tries of what is sent to a destination."""

import threading
import time

import pytest

from oslo_image import backoff, exception
from oslo_image.stores import wire
from oslo_image.stores.wire import again


def unable(retry_after=None):
    return exception.from_http_status(
        503, 'destination', retry_after=retry_after
    )


@pytest.fixture(autouse=True)
def short_pause(monkeypatch):
    monkeypatch.setattr(again, 'PAUSE', 0.001)


@pytest.mark.parametrize(
    ('tries', 'least', 'most'), [(1, 1, 2), (3, 4, 8), (20, 15, 30)]
)
def test_pauses_double(tries, least, most):
    for _ in range(20):
        assert least <= backoff.delay(unable(), tries, 2) <= most


def test_what_the_server_asks_for_counts():
    assert backoff.delay(unable(7), 1, 0.5) == 7
    assert backoff.delay(unable(31), 1, 0.5) is None
    denied = exception.PermissionDenied('no')
    assert backoff.delay(denied, 1, 0.5) is None


def failing(times, error):
    """Return a task that fails so often, and the calls of it."""
    calls = []

    def task(watch):
        calls.append(watch)
        if len(calls) <= times:
            raise error
        return 'done'

    return task, calls


def test_is_tried_again():
    task, calls = failing(again.RETRIES, unable())
    assert wire.Persistence().run(task) == 'done'
    assert len(calls) == again.RETRIES + 1


def test_gives_up():
    task, calls = failing(99, unable())
    with pytest.raises(exception.DestinationError):
        wire.Persistence().run(task)
    assert len(calls) == again.RETRIES + 1


def test_does_not_begin_again_what_took_long():
    task, calls = failing(99, unable())
    with pytest.raises(exception.DestinationError):
        wire.Persistence().run(task, patience=-1)
    assert len(calls) == 1


def test_what_stays_wrong_is_not_tried_again():
    task, calls = failing(1, exception.NoSpace('full'))
    with pytest.raises(exception.NoSpace):
        wire.Persistence().run(task)
    assert len(calls) == 1


def test_an_interrupt_ends_the_wait(monkeypatch):
    monkeypatch.setattr(again, 'PAUSE', 30)
    persistence = wire.Persistence()
    task, calls = failing(1, unable())
    timer = threading.Timer(0.1, persistence.interrupt)
    timer.start()
    began = time.monotonic()

    with pytest.raises(exception.DestinationError):
        persistence.run(task)

    timer.join()
    assert time.monotonic() - began < 5
    assert len(calls) == 1
    # The next copy is another one.
    assert persistence.run(task) == 'done'
    assert calls[0] is not calls[1]
