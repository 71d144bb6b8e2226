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

"""What fails in a benchmark is in its report, and the rest is measured."""

import fnmatch
import subprocess
import sys

import pytest

from oslo_image.bench import results, runner, shape
from oslo_image.bench.cell import Cannot, Cell, Way
from oslo_image.bench.report import markdown


def good(job):
    with open(job.source, 'rb') as source, open(job.path, 'wb') as file:
        file.write(source.read())


def program(job):
    code = 'import sys; sys.exit("first\\nno key at http://u:p4ss@host/x")'
    subprocess.run(
        [sys.executable, '-c', code], check=True, stderr=subprocess.PIPE
    )


def full(job):
    raise OSError(28, 'No space left on device')


def wrong(job):
    with open(job.path, 'wb') as file:
        file.truncate(job.shape.size)


def later(error):
    """Return what works twice, the warm-up included."""
    left = [1, 1]

    def run(job):
        if not left:
            raise error
        left.pop()
        good(job)

    return run


OURS = Way('ours', 'ours', good)


@pytest.fixture
def said():
    return []


@pytest.fixture
def run(tmp_path, said):
    """Run cells of some ways each; all is removed afterwards."""

    def run(*cells):
        found = runner.run(
            [
                Cell(
                    name=f'cell-{number}',
                    title='cell',
                    source='here',
                    destination='here',
                    shapes=(shape.dense(shape.MiB),),
                    ways=ways,
                )
                for number, ways in enumerate(cells)
            ],
            runner.Options(least=3, most=3, directory=tmp_path),
            say=said.append,
        )
        assert not list(tmp_path.iterdir())
        return found

    return run


@pytest.mark.parametrize('role', ['peer', 'limit'])
@pytest.mark.parametrize(
    ('work', 'reason'),
    [
        (
            lambda: program,
            'python* ended with 1: no key at http://[*][*][*]@*',
        ),
        (lambda: full, '[[]Errno 28[]] No space left on device'),
        (lambda: wrong, 'data is missing after byte 0'),
        (lambda: later(ValueError('enough\nof it')), 'enough of it'),
        (lambda: later(Cannot('not thrice')), 'not thrice'),
    ],
    ids=['program', 'full', 'wrong', 'later', 'cannot-later'],
)
def test_another_that_fails_is_missing(run, said, work, role, reason):
    other = Way('other', role, work())

    (found,) = run((OURS, other, Way('peer', 'peer', good))).cells

    ours, other, peer = found.ways
    assert len(ours.samples) == len(peer.samples) == 3
    assert fnmatch.fnmatchcase(other.missing, reason)
    assert f'  without other: {other.missing}' in said


@pytest.mark.parametrize('work', [lambda: full, lambda: later(full_error())])
def test_our_own_failure_is_an_error_of_its_cell_alone(run, said, work):
    found = run((Way('ours', 'ours', work()), OURS), (OURS,))

    failed, fine = found.cells
    assert failed.error == 'OSError: [Errno 28] No space left on device'
    assert not failed.ways
    assert len(fine.ways[0].samples) == 3
    assert found.failed == [failed]
    assert f'Failed: {failed.error}' in markdown.render(found, ())


def full_error():
    return OSError(28, 'No space left on device')


def test_another_path_of_ours_that_fails_is_an_error_too(run):
    (found,) = run((OURS, Way('strategy', 'ours', full))).cells

    assert found.error


def test_another_path_of_ours_may_refuse(run):
    (found,) = run((OURS, Way('strategy', 'ours', later(Cannot('no'))))).cells

    assert [way.missing for way in found.ways] == ['', 'no']


def test_a_place_that_fails_is_an_error_of_its_cells(tmp_path):
    tried = []

    def broken(own):
        tried.append(own)
        raise ValueError('broken')

    cells = [
        Cell(
            name=place,
            title='cell',
            source=place,
            destination='here',
            shapes=(shape.dense(shape.MiB),),
            ways=(OURS,),
        )
        for place in ('broken', 'broken', 'here')
    ]
    options = runner.Options(quick=True, directory=tmp_path)

    found = runner.run(
        cells,
        options,
        say=str,
        places={**runner.PLACES, 'broken': broken},
    )

    errors = [one.error for one in found.cells]
    assert errors == ['ValueError: broken'] * 2 + ['']
    assert len(tried) == 1


def test_a_reason_does_not_break_the_table():
    cell = Cell(
        name='cell',
        title='cell',
        source='here',
        destination='here',
        shapes=(),
        ways=(OURS, Way('other', 'peer', good)),
    )
    found = results.Results({})
    found.add(
        results.measured(
            cell,
            shape.dense(1),
            {'ours': [results.Sample(1, 1)]},
            {'other': 'a | b'},
            [0],
        )
    )

    assert r'missing: a \| b |' in markdown.render(found, ())


def test_a_cell_may_do_with_fewer_rounds():
    options = runner.Options(least=5, most=15, seconds=1e9)

    def rounds(enough):
        return next(n for n in range(99) if not options.rounds(n, 0, enough))

    assert [rounds(one) for one in (None, 2, 7, 99)] == [15, 2, 7, 15]
