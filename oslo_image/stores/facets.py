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

"""What one end can do beyond bytes; each fast path bridges two of these.

A third party adds a fast path with a facet of its own at each end and one
strategy: ``source.facet(Kind)`` and ``writer.facet(Kind)`` take any class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

__all__ = [
    'FileDescriptor',
    'RbdImage',
    'RbdSnapshot',
    'S3Object',
    'S3Target',
    'SwiftObject',
    'SwiftTarget',
]


@dataclasses.dataclass(frozen=True, slots=True)
class FileDescriptor:
    """Bits behind a descriptor of this process.

    :param kind: "regular", "block", or "stream" for a pipe, socket or tty.
    :param device: ``st_dev`` of the file, or of its directory to be; of a
        block device ``st_rdev``.
    :param inode: ``st_ino``; None as long as there is no file.
    :param start: the offset in the file at which the image begins, in bytes.
    :param length: the file's size in bytes as it was found; 0 for a stream.
    :param append: whether the file is open with O_APPEND.
    :param fileno: returns the descriptor. It stays the owner's. A writer has
        one only after ``begin``.
    :param written: to be called by a strategy before it writes through the
        descriptor past ``put``, so that a rollback knows of it whatever comes
        between; and with False when the kernel refused.
    """

    kind: Literal['regular', 'block', 'stream']
    device: int
    inode: int | None
    start: int
    length: int
    append: bool
    fileno: Callable[[], int] = dataclasses.field(compare=False, repr=False)
    written: Callable[[bool], None] = dataclasses.field(
        default=lambda written: None, compare=False, repr=False
    )


@dataclasses.dataclass(frozen=True, slots=True)
class RbdSnapshot:
    """An image in a Ceph cluster, as a clone's parent to be.

    :param snapshot: None when the location names none.
    :param size: of the snapshot, in bytes.
    :param stripe_unit: in bytes; a clone's objects are no smaller.
    :param features: librbd's bits.
    :param protected: whether the snapshot cannot be removed.
    :param protect: protects it, with the source's own credentials.
    """

    fsid: str
    pool: str
    namespace: str
    image: str
    snapshot: str | None
    size: int
    stripe_unit: int
    features: int
    protected: bool
    protect: Callable[[], None] = dataclasses.field(compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class RbdImage:
    """An image in a Ceph cluster, as a clone to be.

    :param new: whether it does not exist yet; what exists cannot become a
        clone.
    :param size: of the disk in bytes, where another than the image's is asked
        for.
    :param clone_format: 1, whose parents are protected snapshots; or 2.
    :param protects: whether an unprotected parent may be protected.
    :param flattens: whether the clone is to be made independent.
    :param clone: makes the clone; called with the parent, and with what is
        called with (done, total) while it is flattened.
    :param note: what a plan is to say of it.
    """

    fsid: str
    pool: str
    namespace: str
    image: str
    new: bool
    size: int | None
    clone_format: int
    protects: bool
    flattens: bool
    clone: Callable[[RbdSnapshot, bool, Callable[[int, int], None]], None] = (
        dataclasses.field(compare=False, repr=False)
    )
    note: str = ''


@dataclasses.dataclass(frozen=True, slots=True)
class S3Object:
    """One version of an object in S3.

    :param endpoint: ``http://host[:port][/path]``.
    :param version_id: None where there are no versions.
    :param settings: what the object has beside its bytes and a copy is to
        have too, as boto3 names it.
    :param own: what it has that a copy does not get, in words.
    :param copied: to be called when the server's answer shows that it copied
        this version.
    """

    endpoint: str
    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    settings: Mapping[str, Any] = dataclasses.field(compare=False, repr=False)
    own: tuple[str, ...]
    copied: Callable[[], None] = dataclasses.field(compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class S3Target:
    """An object in S3 that is to be.

    :param one_request: the bytes that are copied at once; of more, parts are.
    :param copy: has the server copy an object there; called with it, and with
        what is called between two requests.
    :param note: what a plan is to say of it.
    """

    endpoint: str
    one_request: int
    copy: Callable[[S3Object, Callable[[], None]], None] = dataclasses.field(
        compare=False, repr=False
    )
    note: str = ''


@dataclasses.dataclass(frozen=True, slots=True)
class SwiftObject:
    """One version of an object in Swift.

    :param cluster: the URL of the service, without version and account.
    :param account: as it stands in URLs.
    :param etag: without quotes.
    :param segmented: whether it is a manifest, static or dynamic.
    :param fields: the header fields that a copy is to keep.
    :param segments: returns what a static manifest says that makes it, in
        order; nothing where the server does not tell.
    :param copied: to be called when the server has said that it copied this
        very version, so that nobody need look again.
    """

    cluster: str
    account: str
    container: str
    name: str
    etag: str
    size: int
    segmented: bool
    fields: Mapping[str, str] = dataclasses.field(compare=False)
    segments: Callable[[], list[dict[str, Any]]] = dataclasses.field(
        compare=False, repr=False
    )
    copied: Callable[[], None] = dataclasses.field(
        default=lambda: None, compare=False, repr=False
    )


@dataclasses.dataclass(frozen=True, slots=True)
class SwiftTarget:
    """An object in Swift that is to be.

    :param copy: has the server copy an object there; called with it, and with
        what is called between two requests.
    """

    cluster: str
    copy: Callable[[SwiftObject, Callable[[], None]], None] = (
        dataclasses.field(compare=False, repr=False)
    )
