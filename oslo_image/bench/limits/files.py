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

"""The least that a copy between two files can cost."""

from __future__ import annotations

import errno
import fcntl
import itertools
import mmap
import os
import threading
from collections.abc import Callable, Iterator

from oslo_image.bench.cell import Job, Way
from oslo_image.bench.limits import net

MiB = 1 << 20
#: linux/fs.h; ioctl_ficlone(2).
_FICLONE = 0x40049409
_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC
Copy = Callable[[int, int], None]


def _files(copy: Copy) -> Callable[[Job], None]:
    """Wrap opening and closing around a copy between descriptors."""

    def run(job: Job) -> None:
        source = os.open(job.source, os.O_RDONLY)
        target = os.open(job.path, _NEW, 0o600)
        try:
            copy(source, target)
        finally:
            os.close(target)
            os.close(source)

    return run


def _ficlone(source: int, target: int) -> None:
    fcntl.ioctl(target, _FICLONE, source)


def _ficlone_durable(job: Job) -> None:
    """As a store publishes it: nameless, synced, linked, and synced."""
    directory = os.open(job.path.rpartition('/')[0], os.O_RDONLY)
    source = os.open(job.source, os.O_RDONLY)
    target = os.open('.', os.O_RDWR | os.O_TMPFILE, 0o600, dir_fd=directory)
    try:
        fcntl.ioctl(target, _FICLONE, source)
        os.fsync(target)
        os.link(
            f'/proc/self/fd/{target}',
            job.path.rpartition('/')[2],
            src_dir_fd=directory,
            dst_dir_fd=directory,
        )
        os.fsync(directory)
    finally:
        for fd in (target, source, directory):
            os.close(fd)


def _kernel(source: int, target: int) -> None:
    """From data to data, so that holes are not read."""
    try:
        _ranges(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _sendfile(source, target)


def _sendfile(source: int, target: int) -> None:
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    for start, end in _data(source, size):
        os.lseek(target, start, os.SEEK_SET)
        while start < end:
            count = os.sendfile(target, source, start, end - start)
            start += net.some(count)


def _ranges(source: int, target: int) -> None:
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    for start, end in _data(source, size):
        while start < end:
            count = os.copy_file_range(
                source, target, end - start, start, start
            )
            start += net.some(count)


def _data(source: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(source, start, os.SEEK_HOLE)
        yield start, end


def _threads(count: int) -> Copy:
    """Positioned reads and writes of a MiB each, by so many threads."""

    def copy(source: int, target: int) -> None:
        size = os.fstat(source).st_size
        os.ftruncate(target, size)
        offsets = itertools.chain.from_iterable(
            ((at, min(MiB, end - at)) for at in range(start, end, MiB))
            for start, end in list(_data(source, size))
        )
        lock = threading.Lock()

        def work(_: int) -> None:
            buffer = memoryview(mmap.mmap(-1, MiB))
            while True:
                with lock:
                    at, length = next(offsets, (-1, 0))
                if at < 0:
                    return
                view = buffer[:length]
                net.some(os.preadv(source, [view], at))
                os.pwrite(target, view, at)

        net.in_threads(count, work, range(count))

    return copy


def _read(job: Job) -> None:
    buffer = memoryview(mmap.mmap(-1, MiB))
    source = os.open(job.source, os.O_RDONLY)
    try:
        for start, end in list(_data(source, os.fstat(source).st_size)):
            for at in range(start, end, MiB):
                net.some(os.preadv(source, [buffer[: end - at]], at))
    finally:
        os.close(source)


FICLONE = Way('raw FICLONE', 'limit', _files(_ficlone))
FICLONE_DURABLE = Way('raw FICLONE, published', 'limit', _ficlone_durable)
KERNEL = Way('raw kernel copy', 'limit', _files(_kernel))
ONE_THREAD = Way('raw pread/pwrite', 'limit', _files(_threads(1)))
TWO_THREADS = Way('raw pread/pwrite, 2 threads', 'limit', _files(_threads(2)))
READ = Way('page-cache read', 'limit', _read, writes=False)
