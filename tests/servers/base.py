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
import http.client
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import ClassVar, Self

HOST = '127.0.0.1'

#: An environment of its own, for servers that pip installs.
ENVIRONMENT = pathlib.Path(__file__).parents[2] / '.venv-servers'
#: System directories that an unprivileged user's PATH may lack.
_PATH = os.pathsep.join((os.environ.get('PATH', ''), '/usr/sbin', '/sbin'))
_LOG_TAIL = 16 * 1024
_COMMAND_SECONDS = 60


class Unavailable(Exception):
    """This machine cannot provide what a test needs; the message says why.

    See :mod:`tests.servers.policy` for what becomes of the test.
    """


class StartError(Exception):
    """A server that is installed did not come up; the message has its log."""


class CommandFailed(Exception):
    """A program failed; the message has what it said."""


def program(name: str) -> str:
    """Return the path of an installed program.

    :raises Unavailable: if it is not installed
    """
    path = shutil.which(name, path=_PATH)
    if path is None:
        raise Unavailable(f'{name} is not installed; see bindep.txt')
    return path


def server_program(name: str) -> str:
    """Return the path of a program in the servers' own environment.

    :raises Unavailable: if it is not installed
    """
    path = ENVIRONMENT / 'bin' / name
    if not path.exists():
        raise Unavailable(
            f'{name} is not installed; "tools/bootstrap.sh servers" does it'
        )
    return os.fspath(path)


def free_port() -> int:
    """Return a loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def url_of(port: int, path: str = '') -> str:
    return f'http://{HOST}:{port}{path}'


def answers(port: int, path: str, ca_file: pathlib.Path | None = None) -> bool:
    """Say whether a path is served; to connect is not enough.

    A server in Python listens long before it has imported what it serves.

    :param ca_file: by whom it is certified, over TLS
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    if ca_file is not None:
        connection = http.client.HTTPSConnection(
            HOST,
            port,
            timeout=5,
            context=ssl.create_default_context(cafile=ca_file),
        )
    with contextlib.closing(connection):
        try:
            connection.request('GET', path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def run(*command: str) -> str:
    """Run a command of a server; return what it prints.

    :raises CommandFailed: if it fails, or takes a minute
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_COMMAND_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr + error.stdout).strip()
        raise CommandFailed(f'{" ".join(command)}: {said}') from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(str(error)) from error
    return done.stdout


class Service(abc.ABC):
    """One server, or several that belong together, with a directory.

    A context manager; ``stop`` may be called twice. Whatever happens, the
    processes, their children and the directory are gone afterwards, and no
    other process is touched.
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        #: Configuration, state and logs; exists while the service runs.
        self.directory = pathlib.Path()
        self._undo = contextlib.ExitStack()

    @abc.abstractmethod
    def log(self) -> str:
        """Return the end of what has been written so far."""

    @abc.abstractmethod
    def _start(self) -> None:
        """Start all, and leave to ``_undo`` how it is stopped."""

    def start(self) -> None:
        """Start the processes and wait until they are ready.

        :raises Unavailable: if something is not installed
        :raises StartError: if one ends, or is not ready in time
        """
        try:
            self._start()
        except CommandFailed as error:
            story = f'{error}\n{self.log()}'
            self.stop()
            raise StartError(story) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Terminate the processes, or kill them; remove the directory."""
        self._undo.close()

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

    def _make_directory(self) -> None:
        self.directory = pathlib.Path(
            self._undo.enter_context(
                tempfile.TemporaryDirectory(prefix=f'oslo-image-{self.name}-')
            )
        )


class Server(Service):
    """One process on a free loopback port.

    The thread that starts it must live as long: to the kernel, the end of
    that thread is the end of the test run.
    """

    start_seconds: ClassVar[float] = 30
    stop_seconds: ClassVar[float] = 10
    poll_seconds: ClassVar[float] = 0.02

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

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

    def launch(self) -> None:
        """Start the process, and do not wait for it.

        Whoever calls it calls :meth:`wait` and, whatever happens, ``stop``.

        :raises Unavailable: if it is not installed
        """
        self._make_directory()
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

    def wait(self) -> None:
        """Wait until the process is ready.

        :raises StartError: if it ends, or is not ready in time
        """
        process = self._process
        if process is None:
            raise RuntimeError(f'{self.name} does not run')
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

    @property
    def _log_path(self) -> pathlib.Path:
        return self.directory / f'{self.name}.log'

    def _start(self) -> None:
        self.launch()
        self.wait()

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
