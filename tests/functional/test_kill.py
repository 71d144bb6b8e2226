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

"""SIGINT and SIGKILL at random moments of a copy, two hundred times.

Whatever the moment: the destination is absent, as before, or complete, and
nothing else is left in its directory; or, where a file was to be replaced,
what is left is the next writer's to remove.
"""

import collections
import os
import random
import signal
import time

from oslo_image import stores
from tests.functional import images
from tests.functional.images import MiB

ROUNDS = 200
#: The last is a caller's own loop of write() and a commit().
WAYS = (*images.STRATEGIES, 'by hand')
DONE, INTERRUPTED, FAILED = 0, 3, 4


def copy(source, target, way, if_exists):
    """Write the target through a store's writer."""
    writer = stores.open_writer(images.uri(target), if_exists=if_exists)
    if way != 'by hand':
        images.mover(source).copy(writer, disabled=images.all_but(way))
        return
    with writer, source.open('rb') as file:
        while chunk := file.read(64 * 1024):
            writer.write(chunk)
        writer.commit()


def start(*arguments):
    """Copy in a process of its own; return it when it is about to begin."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        code = FAILED
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.write(write_end, b'.')
            copy(*arguments)
            code = DONE
        except KeyboardInterrupt:
            code = INTERRUPTED
        finally:
            os._exit(code)
    os.close(write_end)
    assert os.read(read_end, 1) == b'.'
    os.close(read_end)
    return child


def duration(*arguments):
    """Return how long an undisturbed copy takes, in seconds."""
    began = time.monotonic()
    child = start(*arguments)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == DONE
    return time.monotonic() - began


def test_at_any_moment(place):
    old = images.noise(100_000, 7)
    source = images.make(
        place / 'source',
        48 * MiB,
        {number * 4 * MiB: images.noise(3 * MiB) for number in range(12)},
    )
    content = source.read_bytes()
    target = place / 'target'
    usual = {}
    for way in WAYS:
        copy(source, target, way, 'replace')  # nothing is imported late
        usual[way] = min(
            duration(source, target, way, 'replace') for _ in range(3)
        )
    target.unlink()
    moment = random.Random(62)
    ends = collections.Counter()
    founds = collections.Counter()

    for number in range(ROUNDS):
        way = WAYS[number % len(WAYS)]
        blow = (signal.SIGINT, signal.SIGKILL)[number // 5 % 2]
        replacing = number // 10 % 2 == 0
        if replacing:
            target.write_bytes(old)
        child = start(source, target, way, 'replace' if replacing else 'fail')
        time.sleep(moment.uniform(0, 1.2) * usual[way])
        os.kill(child, blow)
        _, status = os.waitpid(child, 0)

        what = f'{way}, {blow.name}, replacing {replacing}, round {number}'
        end = os.waitstatus_to_exitcode(status)
        assert end in (DONE, INTERRUPTED, -blow), what
        left = set(os.listdir(place)) - {'source', 'target'}
        if left:
            # The one moment that no call avoids: the new file has a name,
            # and not yet that of the old one. The next writer clears it.
            assert (replacing, blow) == (True, signal.SIGKILL), what
            assert len(left) == 1, what
            assert left.pop().startswith('.target.oslo-image-'), what
            assert target.read_bytes() == old, what
            copy(source, place / 'target', way, 'replace')
            assert sorted(os.listdir(place)) == ['source', 'target'], what
            target.write_bytes(old)
        found = target.read_bytes() if target.exists() else None
        before = old if replacing else None
        assert found in (before, content), what
        if end == DONE:
            assert found == content, what
        ends[end] += 1
        founds[found == content] += 1
        target.unlink(missing_ok=True)

    assert source.read_bytes() == content
    # The moments were such that both ways of dying and living were seen.
    assert ends[INTERRUPTED] >= 20, ends
    assert ends[-signal.SIGKILL] >= 20, ends
    assert founds[True] >= 10, founds
    assert founds[False] >= 40, founds
