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

"""One copy in a process of its own, and how much memory it took.

Run by test_memory.py: ``python -m tests.functional.frugal URI STRATEGY
VERIFY TARGET``. The target is a path, or - for a pipe that is emptied. Prints
the peak in KiB before and after the copy.
"""

import contextlib
import io
import pathlib
import subprocess
import sys

from oslo_image import move, stores
from oslo_image.image import Location
from oslo_image.stores import registry
from oslo_image.stores.base import ZEROS, MiB, Source, Store

STRATEGIES = ('reflink', 'kernel_copy', 'parallel', 'stream')


class Generated(Source):
    """Zeros, and every MiB begins with its offset; it knows of no holes."""

    def __init__(self, location: Location, size: int) -> None:
        super().__init__(location)
        self.size = size

    def read_into(self, offset: int, buffer: memoryview) -> int:
        length = min(len(buffer), self.size - offset, MiB - offset % MiB)
        buffer[:length] = ZEROS[:length]
        if length and not offset % MiB:
            mark = offset.to_bytes(8)[:length]
            buffer[: len(mark)] = mark
        return length


class Generator(Store):
    """``generated://NAME/BYTES``"""

    schemes = ('generated',)

    def parse(self, uri: str) -> Location:
        return Location(uri)

    def open_source(
        self, location: Location, *, auth: object = None
    ) -> Source:
        return Generated(location, int(location.reveal().rpartition('/')[2]))


def peak() -> int:
    """Return the most that was resident at once, in KiB.

    ru_maxrss would count what the parent had when it forked.
    """
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1])
    raise AssertionError('no VmHWM')


@contextlib.contextmanager
def opened(target: str):
    if target != '-':
        yield stores.open_writer(f'file://{target}')
        return
    with subprocess.Popen(
        ['cat'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        with process.stdin as writer:
            yield writer


def main(uri: str, strategy: str, verify: str, target: str) -> None:
    classes, broken = registry.plugins()
    registry.plugins = lambda: ({**classes, 'generated': Generator}, broken)
    mover = move.Mover(uri)
    others = [name for name in STRATEGIES if name != strategy]
    # What is imported late is in by now.
    plan = mover.plan(io.BytesIO(), verify=verify)
    size = plan.offers[0].size
    before = peak()
    with opened(target) as writer:
        result = mover.copy(writer, disabled=others, verify=verify)
    assert tuple(result) == (True, size), result
    assert result.strategy == strategy
    assert bool(result.digests) is (verify == 'always')
    print(before, peak())


if __name__ == '__main__':
    main(*sys.argv[1:])
