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

"""Where a copy goes, and what is there after it or after its failure."""

from __future__ import annotations

import io
import os
import pathlib
from typing import Any

from oslo_image import move, stores
from oslo_image.stores.file import uri_for

KINDS = ('store', 'open file', 'append', 'BytesIO')


class Destination:
    """A destination of one of KINDS; use it once.

    * store: a store's writer, of a name that is free.
    * open file: a file open for writing, of which the head stands there.
    * append: the same, open for append.
    * BytesIO: with the head in it, too.

    :param directory: where its file is to lie, alone.
    """

    HEAD = b'what stood there before'

    def __init__(self, kind: str, directory: pathlib.Path) -> None:
        assert kind in KINDS
        self.kind = kind
        self.target = directory / 'target'
        self._memory = io.BytesIO(self.HEAD)
        self._position = 0

    @property
    def takes_any_order(self) -> bool:
        """Whether it can be written by several at once."""
        return self.kind in ('store', 'open file')

    def copy(self, mover: move.Mover, **more: Any) -> move.CopyResult:
        """Copy to it, with what ``Mover.copy`` takes."""
        if self.kind == 'store':
            with stores.open_writer(uri_for(self.target)) as writer:
                return mover.copy(writer, **more)
        if self.kind == 'BytesIO':
            self._memory.seek(0, os.SEEK_END)
            return self._copy(mover, self._memory, more)
        self.target.write_bytes(self.HEAD)
        mode = 'ab' if self.kind == 'append' else 'r+b'
        with self.target.open(mode) as file:
            file.seek(0, os.SEEK_END)
            return self._copy(mover, file, more)

    def _copy(
        self, mover: move.Mover, file: Any, more: dict[str, Any]
    ) -> move.CopyResult:
        try:
            return mover.copy(file, **more)
        finally:
            self._position = file.tell()

    def content(self) -> bytes:
        """Return the bytes that were copied; the others are as they were."""
        if self.kind == 'store':
            return self.target.read_bytes()
        found = (
            self._memory.getvalue()
            if self.kind == 'BytesIO'
            else self.target.read_bytes()
        )
        assert found.startswith(self.HEAD)
        assert self._position == len(found)
        return found[len(self.HEAD) :]

    def assert_as_before(self) -> None:
        """Nothing was left of the copy that failed."""
        names = os.listdir(self.target.parent)
        if self.kind == 'store':
            assert names == []
            return
        assert names == ([] if self.kind == 'BytesIO' else ['target'])
        assert self.content() == b''
