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

"""A limit that breaks says so: broken, it would be the fastest of all."""

import contextlib
import os
import socket
import threading

import pytest

from oslo_image.bench import shape
from oslo_image.bench.cell import Job
from oslo_image.bench.limits import files, http, net, s3

WAYS = (
    http.DISCARD,
    http.WRITE,
    http.WRITE_TWO,
    http.SPLICE,
    http.SPLICE_TWO,
)
SIZE = 4 * shape.MiB
PART = b'HTTP/1.1 206 Partial Content\r\nContent-Length: 4194304\r\n\r\n'


@contextlib.contextmanager
def server(answer):
    """Answer every request with these bytes, and close; yield the URL."""
    with socket.create_server(('127.0.0.1', 0)) as listening:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    to, _ = listening.accept()
                    with to, contextlib.suppress(OSError):
                        to.settimeout(10)
                        to.recv(65536)
                        to.sendall(answer)
                        to.shutdown(socket.SHUT_WR)
                        while to.recv(65536):
                            pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f'http://127.0.0.1:{listening.getsockname()[1]}/image'
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def job(uri, path):
    return Job(uri, f'file://{path}', shape.dense(SIZE), None, None)


def assert_fails(way, answer, path, error, match):
    with server(answer) as url, pytest.raises(error, match=match):
        way.run(job(url, path))


@pytest.mark.parametrize('way', WAYS, ids=lambda way: way.name)
def test_a_server_that_refuses_is_an_error(tmp_path, way):
    answer = b'HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n'

    assert_fails(way, answer, tmp_path / 'image', RuntimeError, '500 Broken')


@pytest.mark.parametrize('way', WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize('sent', [b'HTTP/1.1', PART, PART + b'x' * 70000])
def test_a_server_that_ends_early_is_an_error(tmp_path, way, sent):
    assert_fails(way, sent, tmp_path / 'image', EOFError, 'it ended early')


def test_a_put_that_is_not_answered_is_an_error(tmp_path):
    with (
        open(tmp_path / 'image', 'w+b') as file,
        server(b'HTTP/1.1') as url,
        pytest.raises(EOFError),
    ):
        file.truncate(SIZE)
        s3._put(url, file.fileno(), 0, SIZE)


def test_a_file_that_ends_early_is_an_error(tmp_path):
    ends = socket.socketpair()
    with ends[0], ends[1], open(tmp_path / 'image', 'w+b') as file:
        file.write(b'short')
        file.flush()
        with pytest.raises(EOFError):
            net.send(ends[0], file.fileno(), 0, SIZE)


def test_what_a_connection_waits_for_has_a_deadline():
    with socket.create_server(('127.0.0.1', 0)) as listening:
        with net.connect(*listening.getsockname()) as sock:
            assert os.get_blocking(sock.fileno())
            for one in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                assert sock.getsockopt(socket.SOL_SOCKET, one, 16) == (
                    net._TIMEVAL
                )


@pytest.mark.parametrize('threads', [1, 2])
def test_an_error_in_a_thread_is_raised(tmp_path, threads):
    path = tmp_path / 'image'
    path.write_bytes(bytes(SIZE))
    source = os.open(path, os.O_WRONLY)
    try:
        with (
            open(tmp_path / 'copy', 'wb') as target,
            pytest.raises(OSError, match='Bad file descriptor'),
        ):
            files._threads(threads)(source, target.fileno())
    finally:
        os.close(source)
