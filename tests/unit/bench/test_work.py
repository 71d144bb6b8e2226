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

"""Nothing of a benchmark stays, however it ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from oslo_image.bench import work

RUN = """
import signal, sys
from oslo_image.bench import arguments, places, work
import argparse
work.end_in_order()
parser = argparse.ArgumentParser()
arguments.add_to(parser)
parser.add_argument('--results')
arguments.follow(parser.parse_args(), places.PLACES)
"""


def aged(path):
    before = time.time() - 120
    os.utime(path, (before, before))


@pytest.fixture
def running(tmp_path):
    """A benchmark in its midst, and where it works."""
    command = (
        [sys.executable, '-c', RUN, 'file-here', '--rounds', '500'],
        ['--directory', str(tmp_path)],
    )
    with subprocess.Popen(sum(command, []), stderr=subprocess.PIPE) as run:
        try:
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob('*/here/copy-*')):
                assert time.monotonic() < deadline
                assert run.poll() is None
                time.sleep(0.01)
            yield run
        finally:
            run.kill()


@pytest.mark.parametrize('signum', [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_it_in_order(running, tmp_path, signum):
    running.send_signal(signum)
    running.send_signal(signum)

    assert running.wait(timeout=30) == 128 + signum
    assert not list(tmp_path.iterdir())


def test_what_is_ignored_stays_ignored():
    code = (
        'import os, signal; from oslo_image.bench import work;'
        'signal.signal(signal.SIGHUP, signal.SIG_IGN); work.end_in_order();'
        'os.kill(os.getpid(), signal.SIGHUP); print("on")'
    )

    done = subprocess.run([sys.executable, '-c', code], capture_output=True)

    assert done.stdout == b'on\n'


def test_the_next_run_removes_what_a_killed_one_left(running, tmp_path):
    running.kill()
    running.wait()
    (left,) = tmp_path.iterdir()
    aged(left)

    with work.directory(tmp_path, str) as made:
        assert list(tmp_path.iterdir()) == [made]

    assert not list(tmp_path.iterdir())


def test_a_run_in_use_and_what_is_not_of_a_run_are_left_alone(tmp_path):
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'image').touch()
    (tmp_path / 'oslo-image-bench-link').symlink_to(elsewhere)
    (tmp_path / 'oslo-image-bench-file').touch()
    (tmp_path / 'oslo-image-bench-new').mkdir()
    before = set(tmp_path.iterdir())

    with work.directory(tmp_path, str) as one:
        for path in (one, *before):
            aged(path)
        (tmp_path / 'oslo-image-bench-new').touch()
        with work.directory(tmp_path, str) as other:
            assert set(tmp_path.iterdir()) == {*before, one, other}

    assert set(tmp_path.iterdir()) == before
    assert (elsewhere / 'image').exists()


def test_what_cannot_be_removed_is_said(tmp_path, monkeypatch):
    left = tmp_path / 'oslo-image-bench-left'
    left.mkdir()
    aged(left)

    def refuse(path):
        raise PermissionError('not yours')

    monkeypatch.setattr(work.shutil, 'rmtree', refuse)
    said = []

    with monkeypatch.context(), work.directory(tmp_path, said.append):
        monkeypatch.undo()

    assert said == [f'{left}, which a killed run left, stays: not yours']
