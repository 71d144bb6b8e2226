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

"""What a writer knows of the name that it is to take."""

import threading

import pytest

from oslo_image import exception
from oslo_image.stores import vacancy


class Server:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.may_answer = threading.Event()
        self.may_answer.set()

    def ask(self):
        assert self.may_answer.wait(20)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_look_asks():
    server = Server(False, True)
    name = vacancy.Vacancy(server.ask)
    assert name.look()
    assert not name.look()


def test_a_look_ahead_answers_the_next_look(monkeypatch):
    monkeypatch.setattr(vacancy, 'LASTS', 60)
    server = Server(False)
    server.may_answer.clear()
    name = vacancy.Vacancy(server.ask)
    name.look_ahead()
    name.look_ahead()
    server.may_answer.set()
    assert name.look()
    assert name.look_lately()
    assert not server.answers


@pytest.mark.parametrize('lasts', [0, 60])
def test_a_free_name_is_not_asked_for_twice_a_moment(monkeypatch, lasts):
    monkeypatch.setattr(vacancy, 'LASTS', lasts)
    name = vacancy.Vacancy(Server(False, True).ask)
    assert name.look_lately()
    assert name.look_lately() == bool(lasts)


def test_one_that_is_taken_is_asked_for_again(monkeypatch):
    monkeypatch.setattr(vacancy, 'LASTS', 60)
    name = vacancy.Vacancy(Server(True, False).ask)
    assert not name.look_lately()
    assert name.look_lately()


def test_what_is_forgotten_is_asked_for_again(monkeypatch):
    monkeypatch.setattr(vacancy, 'LASTS', 60)
    name = vacancy.Vacancy(Server(False, True).ask)
    name.look()
    name.forget()
    assert not name.look_lately()


def test_an_error_is_the_looks():
    threads = threading.active_count()
    name = vacancy.Vacancy(Server(exception.PermissionDenied('no')).ask)
    name.look_ahead()
    with pytest.raises(exception.PermissionDenied):
        name.look()
    name.forget()
    assert threading.active_count() == threads


def test_no_thread_is_left_by_what_nobody_looked_at():
    threads = threading.active_count()
    name = vacancy.Vacancy(Server(exception.PermissionDenied('no')).ask)
    name.look_ahead()
    name.forget()
    assert threading.active_count() == threads
