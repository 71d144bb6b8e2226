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

"""The library fs (pyfilesystem2): imported late, asked carefully.

Its plugins raise what they like: its own errors, ftplib's, OSError, some
other library's. :func:`ask` turns all of it into ours, and drops what it came
from: nobody knows whether a plugin's error quotes a password.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from oslo_image import exception
from oslo_image.image import Location

P = ParamSpec('P')
T = TypeVar('T')

#: An fs.base.FS; fs has no type hints.
Filesystem = Any

#: By the name of an error of fs: what it is on the source's side, and on the
#: destination's.
_KINDS: dict[
    str, tuple[type[exception.ImageError], type[exception.ImageError]]
] = {
    'ResourceNotFound': (
        exception.ImageNotFound,
        exception.DestinationError,
    ),
    'DirectoryExpected': (
        exception.ImageNotFound,
        exception.DestinationError,
    ),
    'FileExpected': (exception.InvalidSource, exception.InvalidWriter),
    'DestinationExists': (
        exception.SourceError,
        exception.DestinationExists,
    ),
    'FileExists': (exception.SourceError, exception.DestinationExists),
    'DirectoryExists': (exception.SourceError, exception.DestinationExists),
    'PermissionDenied': (
        exception.PermissionDenied,
        exception.PermissionDenied,
    ),
    'ResourceReadOnly': (
        exception.PermissionDenied,
        exception.PermissionDenied,
    ),
    'NotWriteable': (exception.PermissionDenied, exception.PermissionDenied),
    'InsufficientStorage': (exception.SourceError, exception.NoSpace),
    'RemoteConnectionError': (
        exception.SourceUnavailable,
        exception.DestinationError,
    ),
    'OperationTimeout': (
        exception.SourceUnavailable,
        exception.DestinationError,
    ),
    'ResourceLocked': (exception.InUse, exception.InUse),
    'PathError': (exception.InvalidLocation, exception.InvalidLocation),
    'IllegalBackReference': (
        exception.InvalidLocation,
        exception.InvalidLocation,
    ),
    'ParseError': (exception.InvalidLocation, exception.InvalidLocation),
    'UnsupportedProtocol': (
        exception.UnknownScheme,
        exception.UnknownScheme,
    ),
    'EntryPointError': (exception.UnknownScheme, exception.UnknownScheme),
    'Unsupported': (exception.SourceError, exception.InvalidWriter),
}
#: What zipfile, tarfile and the decompressors say of bytes that they cannot
#: make sense of.
_DAMAGED = ('BadZipFile', 'TarError', 'LZMAError')
#: By an FTP reply code (RFC 959, 4.2.2).
_FTP_CODES = {
    '530': exception.PermissionDenied,
    '532': exception.PermissionDenied,
    '552': exception.NoSpace,
}


@functools.cache
def load() -> Any:
    """Return the package fs, with the modules that are used here.

    :raises MissingDependency: when it, or the pkg_resources that it needs,
        is not installed.
    """
    try:
        # pkg_resources warns about itself and about fs, at their import.
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            import fs
            import fs.base
            import fs.ftpfs
            import fs.memoryfs
            import fs.opener
            import fs.osfs
            import fs.subfs
            import fs.tarfs
            import fs.zipfs
    except ImportError as error:
        raise exception.MissingDependency(
            f'this location needs the library fs ({error}): '
            'install oslo.image[pyfilesystem]'
        ) from error
    return fs


def ask(
    side: exception.Side | None,
    location: Location | None,
    call: Callable[P, T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Return what the call returns; whatever it raises becomes ours.

    :param side: where the location stands in the copy; None for neither.
    :raises ImageError: with nothing in its chain.
    """
    try:
        return call(*args, **kwargs)
    except (exception.ImageError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a plugin raises what it likes
        ours = to_error(error, side)
    if side == 'destination':
        ours.annotate(destination=location)
    else:
        ours.annotate(source=location)
    # Outside the except block, so that the error is not even its context.
    raise ours


def quietly(call: Callable[[], object]) -> bool:
    """Call, and return whether it went well; for clean-up, which goes on."""
    try:
        call()
    except Exception:  # noqa: BLE001 - a plugin raises what it likes
        return False
    return True


def to_error(
    error: BaseException, side: exception.Side | None
) -> exception.ImageError:
    """Return our error for one of fs, of a plugin or of what it stands on."""
    mine: exception.Side = side or 'source'
    inner = getattr(error, 'exc', None)
    number = getattr(inner, 'errno', None) or getattr(error, 'errno', None)
    text = os.strerror(number) if number else _words(error)
    names = [one.__name__ for one in type(error).__mro__]
    for name in names:
        if name in _KINDS:
            kind = _KINDS[name][mine == 'destination']
            return kind(text, side=side, errno=number)
    if isinstance(inner, Exception):
        return to_error(inner, side)
    if any(name in _DAMAGED for name in names):
        return exception.InvalidSource(
            f'the archive is damaged ({type(error).__name__})', side=side
        )
    gone = isinstance(error, (ConnectionError, TimeoutError, EOFError))
    if 'error_temp' in names or gone or 'gaierror' in names:
        return (
            exception.SourceUnavailable
            if mine == 'source'
            else exception.DestinationError
        )(text, side=side, errno=number)
    if 'error_perm' in names:
        code = str(error)[:3]
        fallback = _KINDS['ResourceNotFound'][mine == 'destination']
        return _FTP_CODES.get(code, fallback)(
            f'the FTP server answered {code}', side=side
        )
    if isinstance(error, OSError):
        ours = exception.from_os_error(error, mine)
        ours.side = side
        return ours
    return (
        exception.SourceError
        if mine == 'source'
        else exception.DestinationError
    )(text, side=side)


def _words(error: BaseException) -> str:
    return f'the filesystem raised {type(error).__name__}'


def innermost(filesystem: Filesystem, path: str) -> tuple[Filesystem, str]:
    """Return the filesystem and path behind directories opened as one."""
    while isinstance(filesystem, load().subfs.SubFS):
        filesystem, path = filesystem.delegate_path(path)
    return filesystem, path


def close_file(file: Any) -> None:
    """Close a file, whatever comes; an FTP one down to its socket.

    A server complains of every download that was broken off, and ftplib then
    forgets to close.
    """
    quietly(file.close)
    if connection := getattr(file, 'ftp', None):
        quietly(connection.close)


def close_filesystem(filesystem: Filesystem) -> None:
    """Close a filesystem, whatever comes.

    FTPFS would connect once more to say goodbye where it never got in.
    """
    inside, _ = innermost(filesystem, '/')
    connection = getattr(inside, '_ftp', None)
    if connection is None and isinstance(inside, load().ftpfs.FTPFS):
        load().base.FS.close(inside)
    quietly(filesystem.close)
    if connection is not None:
        quietly(connection.close)


def local_path(filesystem: Filesystem, path: str) -> str | None:
    """Return the operating system's path, where the file is one of its own.

    Only of OSFS: a wrapper that encrypts, or that forbids writing, has such a
    path too.
    """
    filesystem, path = innermost(filesystem, path)
    if not isinstance(filesystem, load().osfs.OSFS):
        return None
    return str(filesystem.getsyspath(path))
