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

"""The system calls behind a descriptor's writes, and what they answer."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import select
import struct
from typing import Any

#: What FICLONE, copy_file_range(2) and sendfile(2) answer for a pair that
#: they cannot serve.
CANNOT = frozenset(
    {
        errno.EXDEV,
        errno.EOPNOTSUPP,
        errno.EINVAL,
        errno.ENOSYS,
        errno.ENOTTY,
        errno.ETXTBSY,
        errno.EPERM,
        errno.EBADF,
    }
)
#: Zero a range of a block device, by discard where the device promises zeros
#: (linux/fs.h).
_BLKZEROOUT = 0x127F
#: FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE (linux/falloc.h).
_PUNCH_HOLE = 0x01 | 0x02
#: renameat2(2), linux/fs.h.
_RENAME_NOREPLACE = 0x01
#: sync_file_range(2), linux/fs.h.
_SYNC_FILE_RANGE_WRITE = 0x02
_BLOCK = 4096
_WRITE_DEADLINE = 300.0


def erase(fileno: int, offset: int, length: int, *, device: bool) -> range:
    """Make a range read as zeros, as far as that needs no writing.

    :param device: whether the descriptor is a block device, not a file.
    :returns: the offsets that now read as zeros: the whole blocks in the
        range, or none of it.
    """
    start = -(-offset // _BLOCK) * _BLOCK
    end = (offset + length) // _BLOCK * _BLOCK
    if start < end and _punch(fileno, start, end - start, device):
        return range(start, end)
    return range(offset, offset)


def _punch(fileno: int, offset: int, length: int, device: bool) -> bool:
    if not device:
        return _fallocate(fileno, _PUNCH_HOLE, offset, length)
    try:
        fcntl.ioctl(fileno, _BLKZEROOUT, struct.pack('QQ', offset, length))
    except OSError:
        return False
    return True


def rename_new(directory: int, old: str, new: str) -> None:
    """Rename within a directory, unless the new name is taken.

    :raises FileExistsError: when it is.
    """
    names = os.fsencode(old), os.fsencode(new)
    if _libc().renameat2(
        directory, names[0], directory, names[1], _RENAME_NOREPLACE
    ):
        import ctypes

        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old, None, new)


def write_out(fileno: int, offset: int, length: int) -> None:
    """Begin to bring a range of a file to the disk, so that fsync waits less.

    What fails here is reported by fsync(2), which alone makes it durable.
    """
    # Without a free descriptor there is no ctypes; elsewhere not this call.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        _libc().sync_file_range(fileno, offset, length, _SYNC_FILE_RANGE_WRITE)


def wait_writable(fileno: int) -> None:
    """Wait until a non-blocking descriptor takes bytes again.

    :raises TimeoutError: when nobody reads at the other end for five minutes.
    """
    ready: list[Any]
    if hasattr(select, 'poll'):
        waiting = select.poll()
        waiting.register(fileno, select.POLLOUT)
        ready = waiting.poll(_WRITE_DEADLINE * 1000)
    else:
        # eventlet takes poll() away; its own select() knows every descriptor,
        # the system's none from 1024 on.
        ready = select.select([], [fileno], [], _WRITE_DEADLINE)[1]
    if not ready:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def pwrite(fileno: int, view: memoryview, offset: int) -> None:
    while view:
        count = os.pwrite(fileno, view, offset)
        view, offset = view[count:], offset + count


def send(fileno: int, view: memoryview) -> None:
    while view:
        try:
            view = view[os.write(fileno, view) :]
        except BlockingIOError:
            wait_writable(fileno)


@functools.cache
def _libc() -> Any:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    fd = flags = ctypes.c_int
    offset = length = ctypes.c_int64
    libc.fallocate.argtypes = [fd, flags, offset, length]
    if hasattr(libc, 'sync_file_range'):
        libc.sync_file_range.argtypes = [fd, offset, length, ctypes.c_uint]
    return libc


def _fallocate(fileno: int, mode: int, offset: int, length: int) -> bool:
    return bool(_libc().fallocate(fileno, mode, offset, length) == 0)
