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

"""Share a file's extents with a new file: one ioctl, whatever the size."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import TYPE_CHECKING

from oslo_image import exception
from oslo_image.move.strategies.base import Cost, Moved, No, Strategy, Yes
from oslo_image.stores.base import Source, Writer
from oslo_image.stores.facets import FileDescriptor
from oslo_image.stores.kernel import CANNOT

if TYPE_CHECKING:
    from oslo_image.move.needs import Needs
    from oslo_image.move.pipe import Pipe

#: linux/fs.h; ioctl_ficlone(2).
_FICLONE = 0x40049409
_FICLONERANGE = 0x4020940D
#: The smallest block of the filesystems that can share extents.
_BLOCK = 4096
_REMEDY = 'XFS made with reflink=1 and btrfs can'
#: Filesystems that have no FICLONE in any version.
_CANNOT_SHARE = frozenset(
    {'ext2', 'ext3', 'ext4', 'tmpfs', 'ramfs', 'vfat', 'exfat', 'iso9660'}
)


#: Between these, and where nothing can be shared, the kernel has no more than
#: a loop over pages (copy_file_range(2), sendfile(2)).
_LOCAL = _CANNOT_SHARE | {'xfs', 'btrfs'}


class Reflink(Strategy):
    """FICLONE, or FICLONERANGE into the middle of a file."""

    name = 'reflink'
    cost = Cost.METADATA
    zero_copy = True
    paced = False

    def offer(self, source: Source, writer: Writer, needs: Needs) -> Yes | No:
        """Serve two regular files of one filesystem; the kernel decides."""
        origin = source.facet(FileDescriptor)
        target = writer.facet(FileDescriptor)
        if origin is None or origin.kind != 'regular':
            return No('the source is not a regular file of this machine')
        if target is None or target.kind != 'regular':
            return No('the writer is not a regular file')
        if target.append:
            return No(
                'the writer is open for append', 'open it for writing instead'
            )
        if target.start % _BLOCK:
            return No(
                f'the position {target.start} is not at a block of the file'
            )
        if never := cannot_share(origin, target):
            return never
        if _ends_in_a_block(origin, target) and (
            target.start or origin.length < _BLOCK
        ):
            return No('the image ends within a block of the file')
        return Yes('shares extents; later writes to either are their own')

    def run(self, source: Source, writer: Writer, pipe: Pipe) -> Moved:
        """Clone the whole of the source."""
        origin = source.facet(FileDescriptor)
        target = writer.facet(FileDescriptor)
        if origin is None or target is None:
            raise exception.Refused('an end is not a file')
        pipe.check()
        target.written(True)
        shortened = False
        try:
            if target.start:
                request = struct.pack(
                    'qQQQ', origin.fileno(), 0, 0, target.start
                )
                fcntl.ioctl(target.fileno(), _FICLONERANGE, request)
            else:
                if _ends_in_a_block(origin, target):
                    _cut(origin, target)
                    shortened = True
                fcntl.ioctl(target.fileno(), _FICLONE, origin.fileno())
        except OSError as error:
            if error.errno in CANNOT:
                target.written(shortened)
                raise exception.Refused(
                    'the kernel cannot share extents here '
                    f'({os.strerror(error.errno)})',
                    _REMEDY,
                ) from error
            raise exception.from_os_error(error, 'destination') from error
        return Moved(source.size or 0, 0)


def _ends_in_a_block(origin: FileDescriptor, target: FileDescriptor) -> bool:
    """Tell whether the last block would be shared with what lies behind."""
    end = target.start + origin.length
    return bool(end % _BLOCK) and end < target.length


def _cut(origin: FileDescriptor, target: FileDescriptor) -> None:
    """Shorten a longer file to the image's length.

    A clone of the whole blocks goes first: until it has shown that the kernel
    can share, nothing may be changed.
    """
    whole = origin.length // _BLOCK * _BLOCK
    request = struct.pack('qQQQ', origin.fileno(), 0, whole, 0)
    fcntl.ioctl(target.fileno(), _FICLONERANGE, request)
    os.ftruncate(target.fileno(), origin.length)


def cannot_share(origin: FileDescriptor, target: FileDescriptor) -> No | None:
    """Say why two regular files can have no extents in common, if so."""
    # btrfs gives each subvolume an anonymous device number of its own.
    anonymous = not (os.major(origin.device) or os.major(target.device))
    if origin.device != target.device and not anonymous:
        return No(
            'the two are on different filesystems',
            f'put both on one; {_REMEDY}',
        )
    kind = _filesystem(origin.device)
    if kind in _CANNOT_SHARE:
        return No(f'{kind} cannot share extents', _REMEDY)
    return None


def kernel_loops(origin: FileDescriptor, target: FileDescriptor) -> bool:
    """Tell whether the kernel can but copy page by page between two files."""
    return cannot_share(origin, target) is not None and all(
        _filesystem(one.device) in _LOCAL for one in (origin, target)
    )


def _filesystem(device: int) -> str | None:
    """Return the type of a mounted filesystem (proc_pid_mountinfo(5))."""
    wanted = f'{os.major(device)}:{os.minor(device)}'.encode()
    try:
        with open('/proc/self/mountinfo', 'rb') as mounts:
            for line in mounts:
                fields = line.split()
                if fields[2] == wanted:
                    return fields[fields.index(b'-') + 1].decode()
    except OSError:
        pass
    return None
