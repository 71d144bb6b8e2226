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

"""The servers and filesystems of the functional tests, tested themselves."""

import fcntl
import os
import pathlib
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

import pytest

from tests.servers import base, filesystems, nginx, policy

FICLONE = 0x40049409
MiB = 1 << 20


class Script(base.Server):
    """A server made of a few lines of Python."""

    name = 'script'
    start_seconds = 1
    stop_seconds = 0.5

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def command(self) -> Sequence[str]:
        return [sys.executable, '-c', self.text, str(self.port)]


LISTEN = """
import signal, socket, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(['sleep', '1000'])
print(child.pid, flush=True)
listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
time.sleep(1000)
"""


def get(url: str, context: ssl.SSLContext | None = None, **headers: str):
    request = urllib.request.Request(url, headers=headers)
    return urllib.request.urlopen(request, context=context, timeout=10)


def runs(pid: int) -> bool:
    """Say whether a process runs; one that waits to be reaped does not."""
    try:
        status = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(')')[2].split()[0] != 'Z'


def ends(pid: int) -> bool:
    """Say whether a process ends within ten seconds."""
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not runs(pid)


def clone(directory: pathlib.Path, name: str) -> bytes:
    source = directory / f'{name}.source'
    target = directory / f'{name}.target'
    try:
        source.write_bytes(b'bits' * 4096)
        with source.open('rb') as reader, target.open('wb') as writer:
            fcntl.ioctl(writer, FICLONE, reader.fileno())
        return target.read_bytes()
    finally:
        source.unlink()
        target.unlink()


def attached_images() -> list[str]:
    return [
        path.read_text().strip()
        for path in pathlib.Path('/sys/block').glob('loop*/loop/backing_file')
    ]


class TestNginx:
    def test_serves_a_range_of_one_version(
        self, nginx: nginx.Nginx, tmp_path: pathlib.Path
    ) -> None:
        (nginx.root / tmp_path.name).write_bytes(bytes(range(256)))
        url = nginx.url(tmp_path.name)
        with get(url) as whole:
            etag = whole.headers['ETag']
            assert whole.read() == bytes(range(256))
        assert etag.startswith('"')
        with get(url, **{'Range': 'bytes=10-19', 'If-Range': etag}) as part:
            assert part.status == 206
            assert part.headers['Content-Range'] == 'bytes 10-19/256'
            assert part.headers['ETag'] == etag
            assert part.read() == bytes(range(10, 20))

    def test_serves_a_range_over_tls(
        self, nginx_tls: nginx.Nginx, tmp_path: pathlib.Path
    ) -> None:
        (nginx_tls.root / tmp_path.name).write_bytes(bytes(range(256)))
        url = nginx_tls.url(tmp_path.name)
        trust = ssl.create_default_context(cafile=nginx_tls.ca_file)
        with get(url, trust, Range='bytes=10-19') as part:
            assert part.status == 206
            assert part.read() == bytes(range(10, 20))
        with pytest.raises(urllib.error.URLError, match='CERTIFICATE_VERIFY'):
            get(url)

    def test_demands_a_client_certificate(
        self, tmp_path: pathlib.Path
    ) -> None:
        (tmp_path / 'file').write_bytes(b'bits')
        with policy.provided(
            nginx.Nginx(tmp_path, tls=True, client_certificates=True)
        ) as server:
            trust = ssl.create_default_context(cafile=server.ca_file)
            with pytest.raises(urllib.error.HTTPError, match='400') as info:
                get(server.url('file'), trust)
            info.value.close()
            trust.load_cert_chain(server.client_certificate)
            with get(server.url('file'), trust) as whole:
                assert whole.read() == b'bits'

    def test_logs_what_it_was_asked(self, nginx: nginx.Nginx) -> None:
        with pytest.raises(urllib.error.HTTPError, match='404') as info:
            get(nginx.url('absent file'))
        info.value.close()
        assert 'GET /absent%20file' in nginx.log()


class TestServer:
    def test_that_ends_shows_its_log(self) -> None:
        server = Script('raise SystemExit("no such option")')
        with pytest.raises(base.StartError, match='no such option'):
            server.start()
        assert not server.directory.exists()

    def test_that_is_never_ready_is_given_up(self) -> None:
        server = Script('import time; time.sleep(1000)')
        with pytest.raises(base.StartError, match='not ready after 1 s'):
            server.start()
        assert not server.directory.exists()

    def test_that_is_not_installed_is_unavailable(self) -> None:
        class Absent(Script):
            def command(self) -> Sequence[str]:
                return [base.program('no-such-program')]

        with pytest.raises(base.Unavailable, match='no-such-program'):
            Absent('').start()

    def test_stops_with_its_children_although_it_will_not(self) -> None:
        with Script(LISTEN) as server:
            child = int(server.log())
            assert runs(child)
        # Killed it was, and init may need a moment to see to it.
        assert ends(child)
        assert not server.is_ready()
        assert not server.directory.exists()
        server.stop()

    def test_does_not_outlive_a_killed_test_run(
        self, tmp_path: pathlib.Path
    ) -> None:
        run = (
            'import os, pathlib, signal\n'
            'from tests.servers.nginx import Nginx\n'
            f'server = Nginx(pathlib.Path({os.fspath(tmp_path)!r}))\n'
            'server.start()\n'
            'print((server.directory / "nginx.pid").read_text(), flush=True)\n'
            'os.kill(os.getpid(), signal.SIGKILL)\n'
        )
        root = pathlib.Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, '-c', run],
            capture_output=True,
            cwd=root,
            text=True,
            env=os.environ | {'TMPDIR': os.fspath(tmp_path)},
        )
        assert ends(int(done.stdout))


class TestFilesystems:
    def test_xfs_has_reflink(
        self, xfs: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        assert clone(xfs, tmp_path.name) == b'bits' * 4096

    def test_btrfs_has_reflink(
        self, btrfs: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        assert clone(btrfs, tmp_path.name) == b'bits' * 4096

    def test_ext4_has_no_reflink(
        self, ext4: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        with pytest.raises(OSError, match='not supported'):
            clone(ext4, tmp_path.name)

    def test_tmpfs_has_no_reflink(
        self, tmpfs_dir: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        with pytest.raises(OSError, match='not supported'):
            clone(tmpfs_dir, tmp_path.name)

    def test_block_device_is_one(self, block_device: pathlib.Path) -> None:
        assert stat.S_ISBLK(block_device.stat().st_mode)
        with block_device.open('r+b') as device:
            assert device.seek(0, os.SEEK_END) == 64 * MiB
            device.seek(MiB)
            device.write(b'bits')

    def test_are_gone_afterwards_whatever_happens(
        self, tmp_path: pathlib.Path
    ) -> None:
        with (
            pytest.raises(ZeroDivisionError),
            policy.provided(
                filesystems.loop_filesystem('ext4', 64 * MiB, tmp_path)
            ) as root,
            policy.provided(filesystems.tmpfs(MiB, root)) as inner,
            policy.provided(filesystems.loop_device(MiB, tmp_path)) as device,
        ):
            assert os.path.ismount(root)
            assert os.path.ismount(inner)
            assert str(tmp_path / 'device.img') in attached_images()
            assert device.exists()
            raise ZeroDivisionError
        assert list(tmp_path.iterdir()) == []
        assert str(tmp_path) not in pathlib.Path('/proc/mounts').read_text()
        assert str(tmp_path) not in '\n'.join(attached_images())

    @pytest.mark.parametrize('kind', ['xfs', 'btrfs', 'ext4', 'tmpfs', 'loop'])
    def test_without_root_the_reason_is_said_first(
        self, tmp_path: pathlib.Path, monkeypatch, kind
    ) -> None:
        """Whatever else is missing there, and before anything is made."""
        program = base.program

        def without_sudo(name: str) -> str:
            return program('no-such-program' if name == 'sudo' else name)

        def run(command: Sequence[str], **options: object) -> None:
            pytest.fail(f'{command} was run')

        monkeypatch.setattr(os, 'geteuid', lambda: 1000)
        monkeypatch.setattr(base, 'program', without_sudo)
        monkeypatch.setattr(subprocess, 'run', run)
        if kind == 'tmpfs':
            wanted = filesystems.tmpfs(MiB, tmp_path)
        elif kind == 'loop':
            wanted = filesystems.loop_device(MiB, tmp_path)
        else:
            wanted = filesystems.loop_filesystem(kind, MiB, tmp_path)
        with pytest.raises(base.Unavailable, match='needs root'):
            with wanted:
                pytest.fail('it was made')
        assert list(tmp_path.iterdir()) == []

    def test_a_file_left_open_is_reported(
        self, tmp_path: pathlib.Path
    ) -> None:
        with pytest.raises(RuntimeError, match='left open'):
            with policy.provided(filesystems.tmpfs(MiB, tmp_path)) as root:
                left = (root / 'file').open('wb')
        left.close()
        assert list(tmp_path.iterdir()) == []
