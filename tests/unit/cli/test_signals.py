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

"""Whatever the moment of a signal, a destination is whole or not there."""

import contextlib
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from oslo_image.testing.scripted import ScriptedServer
from tests.unit.cli.conftest import COMMAND, DATA

#: As COMMAND, where files have a name while they are written.
NAMED = [
    sys.executable,
    '-c',
    'import os; os.O_TMPFILE = 0\n'
    'from oslo_image.cli.main import main; raise SystemExit(main())',
]
CODES = {
    signal.SIGINT: (130, -signal.SIGINT),
    signal.SIGTERM: (143, -signal.SIGTERM),
    signal.SIGHUP: (129, -signal.SIGHUP),
}
#: Roughly how long one of these copies takes.
WHOLE = 1.5


@pytest.mark.parametrize('command', [COMMAND, NAMED], ids=['plain', 'named'])
@pytest.mark.parametrize('how', ['fail', 'overwrite'])
@pytest.mark.parametrize('seed', range(6))
def test_at_a_random_moment(start, image, target, command, how, seed):
    chance = random.Random(f'{command[1]} {how} {seed}')
    signum = chance.choice(list(CODES))
    if how == 'overwrite':
        target.write_bytes(b'old')
    process = start(
        *('copy', '--bwlimit', '1M', '--if-exists', how, image, target),
        command=command,
    )
    time.sleep(chance.uniform(0, WHOLE))
    process.send_signal(signum)
    out, err = process.communicate(timeout=20)
    # A signal that comes before there is a handler kills, which is the same
    # to a shell; one that comes too late changes nothing.
    # Python's own start answers Ctrl-C in a way of its own.
    if b'Failed to import the site module' not in err:
        assert process.returncode in (0, *CODES[signum]), err
    assert out == b''
    if process.returncode > 1:
        assert b'Traceback' not in err
    left = os.listdir(target.parent)
    if process.returncode == 0:
        assert target.read_bytes() == DATA
        assert left == [target.name]
    elif how == 'overwrite':
        assert left == [target.name]
        assert target.read_bytes() in (b'old', DATA)
    elif left:
        # Published in the instant in which the signal came.
        assert left == [target.name]
        assert target.read_bytes() == DATA


@pytest.mark.parametrize('signum', list(CODES))
def test_in_the_middle(start, image, target, signum):
    process = start(
        *('copy', '--json', '--interval', '0'),
        *('--bwlimit', '256K', image, target),
    )
    for line in process.stdout:
        if b'"progress"' in line and b'"bytes": 0' not in line:
            break
    process.send_signal(signum)
    out, err = process.communicate(timeout=20)
    assert process.returncode == CODES[signum][0]
    last = out.splitlines()[-1]
    assert b'"event": "error"' in last
    assert b'"error": "Cancelled"' in last
    assert b'"exit_code": %d' % CODES[signum][0] in last
    assert err.count(b'\n') == 1
    assert b'the copy was cancelled' in err
    assert os.listdir(target.parent) == []


def test_waiting_for_standard_input(start, target):
    process = start('copy', '-', target, stdin=subprocess.PIPE)
    process.stdin.write(b'some')
    process.stdin.flush()
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert os.listdir(target.parent) == []


def test_waiting_for_a_reader(start, tmp_path):
    big = tmp_path / 'big'
    big.write_bytes(bytes(range(256)) * 65536)
    process = start('copy', big, '-')
    process.stdout.read(1)
    time.sleep(1.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143


def test_second_signal_does_not_wait(start, target):
    """A server that never answers holds the first one up."""
    begun = time.monotonic()

    def silence(exchange):
        exchange.send_head()
        exchange.send(b'x')
        time.sleep(15)

    with ScriptedServer(DATA, lambda *_: silence) as server:
        process = start('copy', '--json', server.url, target)
        while not server.requests and time.monotonic() - begun < 10:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)
        assert process.returncode == 143
        assert b'"event": "error"' in out.splitlines()[-1]
        assert err.count(b'\n') == 1
    assert os.listdir(target.parent) == []


def test_signals_that_the_caller_ignores_are_ignored(start, image, target):
    process = start(
        *('sh', '-c', 'trap "" HUP; exec "$@"', 'sh', *COMMAND),
        *('copy', '--bwlimit', '1M', image, target),
        command=['env'],
    )
    time.sleep(1)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert target.read_bytes() == DATA


class TestTerminal:
    """On a terminal: a bar, on stderr, that leaves one line behind."""

    def screen(self, start, arguments, when_drawn):
        """Return the exit code and all that the terminal got."""
        ours, theirs = pty.openpty()
        process = start(
            *arguments, stderr=theirs, env={**os.environ, 'TERM': 'xterm'}
        )
        os.close(theirs)
        seen = b''
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while piece := os.read(ours, 65536):
                seen += piece
                if when_drawn and b'%' in seen:
                    when_drawn(process)
                    when_drawn = None
        os.close(ours)
        out, _ = process.communicate(timeout=20)
        assert out == b''
        return process.returncode, seen.decode()

    def test_bar(self, start, image, target):
        code, seen = self.screen(
            start, ['copy', '--bwlimit', '512K', image, target], None
        )
        assert code == 0
        assert re.search(r'(kernel_copy|parallel).*%', seen)
        assert re.search(r'/1\.0 MiB', seen)
        assert re.search(r'[kM]B/s', seen)
        assert re.search(r'0:00:0\d', seen)
        assert seen.count('copied 1.0 MiB by ') == 1
        assert seen.rstrip().endswith('/s')
        assert target.read_bytes() == DATA

    def test_control_c(self, start, image, target):
        code, seen = self.screen(
            start,
            ['copy', '--bwlimit', '256K', image, target],
            lambda process: process.send_signal(signal.SIGINT),
        )
        assert code == 130
        assert 'the copy was cancelled' in seen
        assert '\x1b[?25h' in seen  # the cursor is back
        assert os.listdir(target.parent) == []

    def test_no_image_goes_to_a_terminal(self, image):
        ours, theirs = pty.openpty()
        done = subprocess.run(
            [*COMMAND, 'copy', image, '-'],
            stdout=theirs,
            stderr=subprocess.PIPE,
        )
        os.close(theirs)
        os.close(ours)
        assert done.returncode == 2
        assert b'terminal' in done.stderr


STUCK = """
import sys, threading, time
from oslo_image.cli.supervise import Supervisor
def undo(code):
    print('undone', code, flush=True)
    time.sleep(float(sys.argv[2]))
Supervisor(
    lambda: time.sleep(60),
    threading.Event(),
    undo=undo,
    patience=float(sys.argv[1]),
).run(lambda: print('tick', flush=True), 0.1)
"""


@pytest.mark.parametrize(
    ('patience', 'undoing', 'signals'),
    [(60, 0, 2), (0.5, 0, 1), (60, 60, 3)],
    ids=['second', 'patience', 'third'],
)
def test_work_that_does_not_end(start, patience, undoing, signals):
    process = start(
        *(str(patience), str(undoing)), command=[sys.executable, '-c', STUCK]
    )
    assert process.stdout.readline() == b'tick\n'
    for number in range(signals):
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3 if number < signals - 1 else 0)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 143
    assert out.count(b'undone 143') == 1
    assert err == b''
