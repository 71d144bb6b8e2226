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

"""Look at what an image's content is, and whether opening it is safe.

The parsers are oslo.utils's ``format_inspector``. A format that only carries
bytes (raw, gpt, luks, iso) cannot lead anybody who opens it elsewhere; one
that qemu interprets must pass its safety checks (backing files, data files,
extents: CVE-2024-32498, CVE-2022-47951) and must be what was declared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_image import exception
from oslo_image.image import Image
from oslo_image.stores.base import Source

if TYPE_CHECKING:
    from oslo_utils.imageutils.format_inspector import FileInspector

#: Enough to know every format: ISO 9660 shows itself at 32 KiB.
HEAD = 64 * 1024
#: Where VHDX's metadata and VMDK's descriptor are complete at the latest.
_DEEP = 8 << 20
#: VMDK's footer, and what stands around it.
_TAIL = 1536
_OPAQUE = frozenset({'raw', 'gpt', 'luks', 'iso'})
#: What the content may be found to be, by declared disk_format. Formats that
#: are not here (ami, ari, aki, ploop) say nothing about the first bytes.
_MATCHES = {
    'raw': {'raw', 'gpt', 'luks'},
    'iso': {'iso'},
    'qcow2': {'qcow2'},
    'vmdk': {'vmdk'},
    'vdi': {'vdi'},
    'vhd': {'vhd'},
    'vhdx': {'vhdx'},
    'luks': {'luks'},
    'gpt': {'gpt'},
}


class Inspection:
    """Fed the image's bytes in order, raises as soon as they are unsafe.

    :param image: says the declared formats and the declared virtual size.
    :param max_size: the most bytes that the described disk may have.
    """

    def __init__(self, image: Image, max_size: int | None) -> None:
        from oslo_utils.imageutils import format_inspector

        self._declared = image.disk_format
        self._max_size = max_size
        self._candidates: dict[str, FileInspector] = {
            name: kind()
            for name, kind in format_inspector.ALL_FORMATS.items()
            if name != 'raw'
        }
        self._fed = 0
        self._looked: list[tuple[int, bytes]] = []
        #: What the content is; None as long as that is open.
        self.format: str | None = None

    @classmethod
    def wanted(cls, image: Image, inspect: str) -> bool:
        """Return whether this image is to be inspected at all.

        A container (ova, compressed) hides the disk's own first bytes.
        """
        if inspect == 'never' or image.container_format not in (None, 'bare'):
            return False
        return inspect == 'always' or image.disk_format is not None

    def look(self, source: Source) -> None:
        """Inspect by a few positioned reads, for a source that has them."""
        head = memoryview(bytearray(HEAD))
        while self.format is None and self._fed < _DEEP:
            at = self._fed
            count = source.read_into(at, head)
            if not count:
                break
            self._looked.append((at, bytes(head[:count])))
            self.feed(head[:count])
            if self._incomplete() is None:
                break
        size = source.size or 0
        if self.format is None and size > self._fed:
            tail = memoryview(bytearray(min(_TAIL, size - self._fed)))
            source.read_into(size - len(tail), tail)
            self._looked.append((size - len(tail), bytes(tail)))
            self.feed(tail)
        self.finish()

    def compare(self, offset: int, view: memoryview) -> None:
        """Hold what is to be written against what :meth:`look` has seen.

        A server may answer a look with other bytes than the copy.

        :raises UnsafeImage:
        """
        end = offset + len(view)
        for at, seen in self._looked:
            first, last = max(at, offset), min(at + len(seen), end)
            if first < last and (
                seen[first - at : last - at]
                != view[first - offset : last - offset].tobytes()
            ):
                raise exception.UnsafeImage(
                    'the source gave other bytes than those inspected',
                    offset=first,
                )

    def feed(self, view: memoryview) -> None:
        """Take the next bytes.

        :raises UnsafeImage: for content that is unsafe or not as declared.
        :raises TooLarge: for a disk larger than allowed.
        """
        if self.format is not None:
            return
        data = bytes(view)
        for name, inspector in list(self._candidates.items()):
            try:
                inspector.eat_chunk(data)
            except Exception:  # noqa: BLE001 - on foreign bytes, anything
                del self._candidates[name]
        self._fed += len(data)
        if self._fed >= HEAD and self._incomplete() is None:
            self._judge()

    def feed_zeros(self, length: int) -> None:
        """Take zeros; past the head, what they say is known by then."""
        while length and self.format is None:
            step = min(length, HEAD)
            self.feed(memoryview(bytes(step)))
            length -= step

    def finish(self) -> None:
        """The bytes are at their end; judge by what there was.

        :raises UnsafeImage, TooLarge:
        """
        if self.format is None:
            for inspector in self._candidates.values():
                inspector.finish()
            self._judge()

    def _matches(self) -> dict[str, FileInspector]:
        found = {}
        for name, inspector in self._candidates.items():
            try:
                if inspector.format_match:
                    found[name] = inspector
            except Exception:  # noqa: BLE001, S112 - a half-read region
                continue
        return found

    def _incomplete(self) -> FileInspector | None:
        for inspector in self._matches().values():
            if not inspector.complete:
                return inspector
        return None

    def _judge(self) -> None:
        matches = self._matches()
        if set(matches) == {'iso', 'gpt'}:
            del matches['gpt']  # a hybrid ISO, bootable from a stick too
        if len(matches) > 1:
            raise exception.UnsafeImage(
                'the content is several formats at once: '
                + ', '.join(sorted(matches))
            )
        found = next(iter(matches), 'raw')
        allowed = _MATCHES.get(self._declared or '')
        if allowed is not None and found not in allowed:
            raise exception.UnsafeImage(
                f'the image is declared {self._declared} and its content is '
                f'{found}'
            )
        if found not in _OPAQUE:
            self._check(found, matches[found])
        self.format = found

    def _check(self, name: str, inspector: FileInspector) -> None:
        from oslo_utils.imageutils import format_inspector

        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            reasons = '; '.join(
                str(failure) for failure in error.failures.values()
            )
            raise exception.UnsafeImage(f'unsafe {name}: {reasons}') from error
        except format_inspector.ImageFormatError as error:
            raise exception.UnsafeImage(
                f'unsafe {name}: the header is not complete'
            ) from error
        if (
            self._max_size is not None
            and inspector.virtual_size > self._max_size
        ):
            raise exception.TooLarge(
                f'the {name} image describes a disk of '
                f'{inspector.virtual_size} bytes, above the allowed '
                f'{self._max_size}'
            )
