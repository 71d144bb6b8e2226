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

"""Filesystems and block devices made for a test, and gone after it.

Mounting needs root, or a sudo that asks for no password. All of these are
context managers: whatever happens inside, the filesystem is unmounted, the
loop device detached and the space given back.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Literal

from tests.servers import base

GiB = 1 << 30

Kind = Literal['xfs', 'btrfs', 'ext4']

_MKFS: dict[Kind, Sequence[str]] = {
    'xfs': ('mkfs.xfs', '-q', '-K', '-m', 'reflink=1'),
    'btrfs': ('mkfs.btrfs', '-q', '-K'),
    'ext4': ('mkfs.ext4', '-q', '-F', '-E', 'nodiscard'),
}
_BUSY_PAUSES = (0.05, 0.2, 1, 2)


class CommandFailed(base.Unavailable):
    """A system command failed; the message has what it said."""


@contextlib.contextmanager
def loop_filesystem(
    kind: Kind, size: int, directory: pathlib.Path
) -> Iterator[pathlib.Path]:
    """Make a filesystem in a sparse file and mount it; yield its root.

    Both are made below ``directory``. Space is used only as it is written,
    and given back as it is deleted.

    :raises base.Unavailable: if this machine cannot
    """
    make, *options = _MKFS[kind]
    _check_rights()
    with _sparse_file(directory / f'{kind}.img', size) as image:
        _run(base.program(make), *options, os.fspath(image))
        with _mounted(
            directory / kind, '-t', kind, '-o', 'loop,discard', str(image)
        ) as root:
            yield root


@contextlib.contextmanager
def tmpfs(size: int, directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """Mount a tmpfs of this size below ``directory``; yield its root.

    :raises base.Unavailable: if this machine cannot
    """
    with _mounted(
        directory / 'tmpfs', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs'
    ) as root:
        yield root


@contextlib.contextmanager
def loop_device(size: int, directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """Make a block device of this size, all zeros; yield its path.

    :raises base.Unavailable: if this machine cannot
    """
    losetup = base.program('losetup')
    _check_rights()
    with _sparse_file(directory / 'device.img', size) as image:
        device = _as_root(losetup, '--find', '--show', str(image)).strip()
        try:
            _give_to_me(device)
            yield pathlib.Path(device)
        finally:
            if os.geteuid() != 0:
                _as_root('chown', 'root', device)
            _as_root(losetup, '--detach', device)


@contextlib.contextmanager
def _sparse_file(path: pathlib.Path, size: int) -> Iterator[pathlib.Path]:
    with path.open('xb') as image:
        image.truncate(size)
    try:
        yield path
    finally:
        path.unlink()


@contextlib.contextmanager
def _mounted(root: pathlib.Path, *arguments: str) -> Iterator[pathlib.Path]:
    """Mount at ``root``, which is made and removed."""
    mount = base.program('mount')
    _check_rights()
    root.mkdir()
    try:
        _as_root(mount, *arguments, os.fspath(root))
        try:
            _give_to_me(os.fspath(root))
            yield root
        finally:
            _unmount(root)
    finally:
        root.rmdir()


def _unmount(root: pathlib.Path) -> None:
    """Unmount, if need be behind the back of whoever still uses it."""
    umount = base.program('umount')
    for pause in _BUSY_PAUSES:
        try:
            _as_root(umount, os.fspath(root))
            return
        except CommandFailed:
            time.sleep(pause)
    _as_root(umount, '--lazy', os.fspath(root))
    raise RuntimeError(
        f'{root} was still in use when its tests were over; '
        f'a file on it was left open'
    )


def _give_to_me(path: str) -> None:
    if os.geteuid() != 0:
        _as_root('chown', str(os.geteuid()), path)


def _check_rights() -> None:
    """Say what is missing before anything is made, and fails otherwise.

    :raises base.Unavailable: if neither root nor sudo is at hand
    """
    if os.geteuid() == 0:
        return
    try:
        _run(base.program('sudo'), '--non-interactive', 'true')
    except base.Unavailable as error:
        raise base.Unavailable(
            'mounting a filesystem or attaching a loop device needs root, '
            'or a sudo that asks for no password'
        ) from error


def _as_root(*command: str) -> str:
    if os.geteuid() == 0:
        return _run(*command)
    return _run(base.program('sudo'), '--non-interactive', *command)


def _run(*command: str) -> str:
    """Run a command and return its output."""
    try:
        done = subprocess.run(
            command, capture_output=True, check=True, text=True, timeout=60
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip()
        raise CommandFailed(f'{" ".join(command)}: {said}') from error
    return done.stdout
