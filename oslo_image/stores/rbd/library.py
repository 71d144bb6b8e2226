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

"""The libraries rados and rbd: imported late, their errors mapped to ours."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import functools
import os
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from oslo_image import exception

_MISSING = (
    'the Python library {} is not installed: it comes with Ceph and the '
    "distribution, for the system's Python (on Debian python3-rados and "
    'python3-rbd)'
)
#: The cluster has shut this client out (blocklisted): EBLOCKLISTED is
#: ESHUTDOWN (include/rados.h).
SHUT_OUT = errno.ESHUTDOWN
_WORDS = {
    SHUT_OUT: 'the cluster has shut this client out (blocklisted)',
    errno.ETIMEDOUT: 'the cluster did not answer in time',
    errno.ENOSPC: 'the pool or the cluster is full',
    errno.EDQUOT: "the pool's quota is reached",
    errno.ENOTCONN: 'there is no connection to the cluster',
    errno.EROFS: 'the image is read-only or locked by another client',
}
#: What may go well with the next try.
_PASSING = frozenset(
    {SHUT_OUT, errno.ETIMEDOUT, errno.ENOTCONN, errno.EAGAIN, errno.EINTR}
)


class Flying(Protocol):
    """Requests on their way."""

    def finish(self) -> None:
        """Wait for them, whatever comes of them; may be called again."""

    def abandon(self) -> None:
        """Forget them: they are those of a parent process."""


#: What has requests on their way. librbd calls back by a thread of its own,
#: which dies in the attempt, and the process with it, once Python has ended.
_FLYING: weakref.WeakSet[Flying] = weakref.WeakSet()


def land_at_exit(flying: Flying) -> None:
    """Wait for something's requests before Python ends."""
    _FLYING.add(flying)


@atexit.register
def _land() -> None:
    for one in list(_FLYING):
        one.finish()


def _after_fork() -> None:
    for one in list(_FLYING):
        one.abandon()
    _FLYING.clear()


os.register_at_fork(after_in_child=_after_fork)


def forsake(*things: Any) -> None:
    """Keep what a parent process has open from ever being freed here.

    To free it is to close it, which waits for threads that a forked child
    does not have.
    """
    for thing in things:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


class Library(NamedTuple):
    """The two modules; they have no type hints."""

    rados: Any
    rbd: Any


@functools.cache
def load() -> Library:
    """Import the libraries.

    :raises MissingDependency: saying how to get what is missing.
    """
    try:
        import rados
        import rbd
    except ImportError as error:
        raise exception.MissingDependency(
            _MISSING.format(error.name or 'rbd')
        ) from error
    return Library(rados, rbd)


def text(encoded: bytes) -> str:
    """Read a string of Ceph's: its length goes before it, in four bytes."""
    return encoded[4:].decode()


def advice() -> int:
    """Return the flags of a transfer that comes once, from start to end."""
    rados, _ = load()
    flags: int = rados.LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL
    return flags | int(rados.LIBRADOS_OP_FLAG_FADVISE_NOCACHE)


def error_of(
    number: int, side: exception.Side, **context: Any
) -> exception.ImageError:
    """Return our error for an errno of librbd or librados.

    Both sides of EBUSY, ENOENT and the like are as for any system call.
    """
    plain = OSError(number, os.strerror(number))
    error = exception.from_os_error(plain, side, **context)
    if number in _PASSING:
        if side == 'source':
            error = exception.SourceUnavailable(
                error.message, side=side, errno=number, **context
            )
        else:
            error.temporary = True
    if words := _WORDS.get(number):
        error.message = words
        error.args = (words,)
    return error


def is_missing(error: exception.ImageError) -> bool:
    """Tell whether an error of ours is librbd's, that there is no image."""
    return isinstance(error.__cause__, load().rbd.ImageNotFound)


@contextlib.contextmanager
def mapped(side: exception.Side, **context: Any) -> Iterator[None]:
    """Turn the errors of both libraries into ours."""
    rados, rbd = load()
    try:
        yield
    except (rbd.Error, rados.Error) as error:
        raise _ours(error, side, context) from error


def _ours(
    error: Any, side: exception.Side, context: dict[str, Any]
) -> exception.ImageError:
    number = number_of(error)
    if number:
        return error_of(number, side, **context)
    kind = (
        exception.SourceError
        if side == 'source'
        else exception.DestinationError
    )
    return kind(str(error) or type(error).__name__, side=side, **context)


def number_of(error: BaseException) -> int:
    """Return the errno of an error of either library, or 0.

    librados' InterruptedOrTimeoutError and rbd's errors carry it as
    ``errno``; a few are made of a message alone.
    """
    number = getattr(error, 'errno', None)
    return abs(number) if isinstance(number, int) else 0
