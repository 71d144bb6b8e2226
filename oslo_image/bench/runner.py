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

"""Run cells: warmed up, compared, interleaved, and timed."""

from __future__ import annotations

import dataclasses
import gc
import pathlib
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from oslo_image.bench import failures, machine, results, work
from oslo_image.bench.cell import Cannot, Cell, Job, Way
from oslo_image.bench.places import PLACES, Enter, Missing, Place, Places
from oslo_image.bench.report import words
from oslo_image.bench.shape import Shape

Say = Callable[[str], object]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run.

    :param least, most: rounds of a cell and size.
    :param seconds: after which no further round begins, once there are
        ``least`` of them.
    :param quick: small images and two rounds: shows that all works, and its
        figures mean nothing.
    :param directory: where to work; it needs a few GiB.
    """

    least: int = 5
    most: int = 15
    seconds: float = 30
    quick: bool = False
    directory: pathlib.Path = pathlib.Path('/var/tmp')

    def rounds(self, done: int, started: float, enough: int | None) -> bool:
        """Return whether to go on after so many rounds."""
        if self.quick:
            return done < 2
        if done < min(self.least, enough or self.least):
            return True
        most = min(self.most, enough or self.most)
        return done < most and time.monotonic() - started < self.seconds


def run(
    cells: Sequence[Cell] | None = None,
    options: Options | None = None,
    say: Say = lambda text: print(text, file=sys.stderr, flush=True),
    found: results.Results | None = None,
    places: Mapping[str, Enter] = PLACES,
) -> results.Results:
    """Run the cells and return what was measured; writes no report.

    What this machine does not have, a place or a peer, is in the results with
    its reason, and so is what failed: a peer or a limit is left out of its
    cell, and when our own way fails the cell has an error and no figures.

    :param cells: None is all of :mod:`oslo_image.bench.cells`.
    :param found: where to put them, for who wants what there is after an
        interrupt.
    :param places: by the names that the cells give them.
    """
    if cells is None:
        from oslo_image.bench.cells import CELLS

        cells = CELLS
    options = options or Options()
    if found is None:
        found = results.Results(machine.describe(), quick=options.quick)
    started = time.monotonic()
    with (
        work.directory(options.directory, say) as own,
        Places(own, places) as entered,
    ):
        for cell in cells:
            for shape in _shapes(cell, options):
                say(f'{cell.name}: {shape.name}')
                found.add(_try(cell, shape, entered, options, say))
            if not options.quick:
                for verdict in found.compare(cell):
                    say(f'  {words.verdict(verdict, cell.unit)}')
    found.seconds = round(time.monotonic() - started, 1)
    return found


def _shapes(cell: Cell, options: Options) -> Sequence[Shape]:
    if not options.quick:
        return cell.shapes
    return list(dict.fromkeys(shape.small() for shape in cell.shapes))


def _try(
    cell: Cell, shape: Shape, places: Places, options: Options, say: Say
) -> results.Measured:
    """Measure a cell; whatever fails, the next one is measured as well."""
    try:
        ends = places.get(cell.source), places.get(cell.destination)
        return _measure(cell, shape, *ends, options, say)
    except (Missing, Cannot) as error:
        return results.absent(cell, shape, failures.reason(error))
    except Exception as error:  # noqa: BLE001 - it is in the report
        reason = f'{type(error).__name__}: {failures.reason(error)}'
        say(f'  failed: {reason}')
        return results.absent(cell, shape, error=reason)


def _measure(
    cell: Cell,
    shape: Shape,
    origin: Place,
    place: Place,
    options: Options,
    say: Say,
) -> results.Measured:
    uri = origin.put(shape)
    missing: dict[str, str] = {}
    samples: dict[str, list[results.Sample]] = {}

    def leave_out(way: Way, reason: str) -> None:
        missing[way.name] = reason
        samples.pop(way.name, None)
        say(f'  without {way.name}: {reason}')

    def attempt(way: Way, *, check: bool) -> results.Sample | None:
        try:
            job = Job(uri, place.target(), shape, origin, place)
            return _once(way, job, place, check=check)
        except Exception as error:
            failed = way.role == 'ours' and not isinstance(error, Cannot)
            if failed or way is cell.ways[0]:
                raise
            leave_out(way, failures.reason(error))
            return None

    for way in cell.ways:
        reason = way.missing()
        if way.most is not None and shape.size > way.most:
            reason = 'not asked: it takes too long'
        if reason:
            leave_out(way, reason)
        elif attempt(way, check=True) is not None:
            samples[way.name] = []
    loads = []
    started = time.monotonic()
    order = random.Random(cell.name)
    done = 0
    while options.rounds(done, started, cell.rounds):
        # In another order each round, so that none always follows the same:
        # what it leaves in the caches, and the memory that it frees, counts.
        ways = [way for way in cell.ways if way.name in samples]
        for way in order.sample(ways, len(ways)):
            sample = attempt(way, check=False)
            if sample is not None:
                samples[way.name].append(sample)
        loads.append(machine.load())
        done += 1
    found = results.measured(cell, shape, samples, missing, loads)
    if not options.quick:
        for verdict in found.verdicts:
            say(f'  {words.verdict(verdict, cell.unit)}')
    return found


def _once(way: Way, job: Job, place: Place, *, check: bool) -> results.Sample:
    """Run a way once; the target is gone afterwards."""
    gc.collect()
    try:
        before = _processor_seconds()
        start = time.perf_counter()
        value = way.run(job)
        seconds = time.perf_counter() - start
        spent = _processor_seconds() - before
        if check and way.writes:
            place.compare(job.target, job.shape)
    finally:
        place.discard(job.target)
    return results.Sample(seconds if value is None else value, spent)


def _processor_seconds() -> float:
    """Return what this process and its ended children have used."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total
