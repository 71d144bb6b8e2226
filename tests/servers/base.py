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

"""A server that belongs to the tests: start, wait until ready, stop.

A new server is one file with one subclass, which says how it is configured
and started::

    class Memcached(Server):
        name = 'memcached'

        def command(self) -> Sequence[str]:
            return [
                program('memcached'),
                '-u',
                'root',
                '-l',
                HOST,
                '-p',
                str(self.port),
            ]


    with Memcached() as server:
        ...
"""

from __future__ import annotations

import abc
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import ClassVar, Self

HOST = '127.0.0.1'

#: System directories that an unprivileged user's PATH may lack.
_PATH = os.pathsep.join((os.environ.get('PATH', ''), '/usr/sbin', '/sbin'))
_LOG_TAIL = 16 * 1024


class Unavailable(Exception):
    """This machine cannot provide what a test needs; the message says why.

    See :mod:`tests.servers.policy` for what becomes of the test.
    """


class StartError(Exception):
    """A server that is installed did not come up; the message has its log."""


def program(name: str) -> str:
    """Return the path of an installed program.

    :raises Unavailable: if it is not installed
    """
    path = shutil.which(name, path=_PATH)
    if path is None:
        raise Unavailable(f'{name} is not installed; see bindep.txt')
    return path


def free_port() -> int:
    """Return a loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Server(abc.ABC):
    """One process on a free loopback port, with a directory of its own.

    A context manager; ``stop`` may be called twice. Whatever happens, the
    process, its children and the directory are gone afterwards, and no other
    process is touched. The thread that starts it must live as long: to the
    kernel, the end of that thread is the end of the test run.
    """

    name: ClassVar[str]
    start_seconds: ClassVar[float] = 30
    stop_seconds: ClassVar[float] = 10
    poll_seconds: ClassVar[float] = 0.02

    def __init__(self) -> None:
        self.port = free_port()
        #: Configuration, state and logs; exists while the server runs.
        self.directory = pathlib.Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._undo = contextlib.ExitStack()

    @abc.abstractmethod
    def command(self) -> Sequence[str]:
        """Write what the server reads into ``directory``; return its argv.

        It must stay in the foreground.
        """

    def is_ready(self) -> bool:
        """Say whether the server answers. Called until it does."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self.port)) == 0

    def log(self) -> str:
        """Return the end of what the server has written so far."""
        try:
            with self._log_path.open('rb') as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL))
                return log.read().decode(errors='replace')
        except FileNotFoundError:
            return ''

    def start(self) -> None:
        """Start the process and wait until it is ready.

        :raises Unavailable: if it is not installed
        :raises StartError: if it ends, or is not ready in time
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Terminate the process, or kill it; remove its directory."""
        self._undo.close()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the process hang, with its connections open, for a while."""
        process = self._process
        if process is None:
            raise RuntimeError(f'{self.name} does not run')
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            # Not if it was stopped meanwhile: its number may be another's.
            if self._process is process:
                os.killpg(process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _log_path(self) -> pathlib.Path:
        return self.directory / f'{self.name}.log'

    def _start(self) -> None:
        self.directory = pathlib.Path(
            self._undo.enter_context(
                tempfile.TemporaryDirectory(prefix=f'oslo-image-{self.name}-')
            )
        )
        # The server must not outlive a test run that is killed.
        survive_nobody = [program('setpriv'), '--pdeathsig', 'TERM', '--']
        command = self.command()
        with self._log_path.open('ab') as log:
            process = subprocess.Popen(
                [*survive_nobody, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,
            )
        self._process = process
        self._undo.callback(self._stop, process)
        deadline = time.monotonic() + self.start_seconds
        while not self.is_ready():
            if _has_ended(process):
                raise StartError(self._story('ended instead of starting'))
            if time.monotonic() > deadline:
                raise StartError(
                    self._story(f'not ready after {self.start_seconds:g} s')
                )
            time.sleep(self.poll_seconds)
        # Something else may have answered on our port.
        if _has_ended(process):
            raise StartError(self._story('ended while starting'))

    def _story(self, what: str) -> str:
        return f'{self.name}: {what}. Its log:\n{self.log() or "(empty)"}'

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        deadline = time.monotonic() + self.stop_seconds
        if not _has_ended(process):
            process.terminate()
        while not _has_ended(process) and time.monotonic() < deadline:
            time.sleep(self.poll_seconds)
        # Not reaped yet, so that the group's number still is its own.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the process has ended, without reaping it."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None
