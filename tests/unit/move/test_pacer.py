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

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oslo_image import exception, move
from oslo_image.move import pacer
from oslo_image.testing.memory import MemorySource, MemoryWriter
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pacer, 'time', clock)
    return clock


@pytest.mark.parametrize('rate', [1, 1000, 1 << 20])
def test_the_rate_is_kept(clock, rate):
    paced = pacer.Pacer(rate, None)
    begin = clock.now
    total = 0
    while clock.now - begin < 10:
        piece = paced.piece(1 << 20)
        paced.pace(piece)
        total += piece
    assert total - piece <= rate * (clock.now - begin) + 1
    assert total >= rate * 9


def test_idle_time_is_not_saved_up(clock):
    paced = pacer.Pacer(100, None)
    paced.pace(100)
    clock.now += 1000
    begin = clock.now
    for _ in range(3):
        paced.pace(100)
    assert clock.now - begin == pytest.approx(2)


def test_without_a_limit_nobody_waits(clock):
    paced = pacer.Pacer(None, None)
    begin = clock.now
    paced.pace(1 << 40)
    paced.pace(1 << 40)
    assert (clock.now, paced.piece(7)) == (begin, 7)


@given(st.integers(1, 1 << 40), st.integers(1, 1 << 30))
def test_a_piece_is_never_nothing_and_never_more_than_wanted(rate, wanted):
    assert 1 <= pacer.Pacer(rate, None).piece(wanted) <= wanted


def test_a_cancellation_ends_the_wait():
    cancel = threading.Event()
    paced = pacer.Pacer(1, cancel)
    paced.pace(1000)
    threading.Timer(0.05, cancel.set).start()
    with pytest.raises(exception.Cancelled):
        paced.pace(1)


@pytest.mark.parametrize('off', [[], ['parallel']])
def test_every_engine_is_paced(clock, shelf, off):
    shelf['a'] = MemorySource(bytes(range(256)) * 4096)
    begin = clock.now
    result = move.Mover('shelf://a').copy(
        MemoryWriter(), rate_limit=1 << 18, disabled=off
    )
    assert result.success
    # The last piece may go as soon as it is due.
    assert 3 <= clock.now - begin <= 4
