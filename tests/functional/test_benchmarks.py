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

"""The benchmarks run here, all of them; nothing is said of their figures."""

import dataclasses
import json
import os
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from oslo_image import stores
from oslo_image.bench import cells, runner, shape, work
from oslo_image.bench.cell import Cannot, Cell, Target, Way
from oslo_image.bench.places import Directory
from tests.servers import filesystems

#: All cells with all their servers: the first test waits for the whole.
pytestmark = pytest.mark.timeout(900)
KINDS = ('ours', 'peer', 'limit')


#: Those that librbd moves in the process itself. They get one of their own:
#: librbd 16.2.15 has aborted in one that had run all the others before.
OF_CEPH = {cell.name for cell in cells.rbd.CELLS} | {'glance-rbd'}


@pytest.fixture(scope='module')
def quick(tmp_path_factory):
    """The directories that ``python -m benchmarks --quick`` wrote."""
    names = [cell.name for cell in cells.CELLS]
    found = []
    for some in (OF_CEPH, {*names} - OF_CEPH):
        work = tmp_path_factory.mktemp('work')
        results = tmp_path_factory.mktemp('results')
        subprocess.run(
            [
                *(sys.executable, '-X', 'faulthandler', '-m', 'benchmarks'),
                *('--quick', *sorted(some)),
                *('--directory', work, '--results', results),
            ],
            check=True,
        )
        assert not list(work.iterdir())
        found.append(results)
    return found


def measured(quick):
    """Return all cells of the results."""
    read = [json.loads((one / 'results.json').read_text()) for one in quick]
    assert all(one['quick'] for one in read)
    return [cell for one in read for cell in one['cells']]


def test_every_cell_runs(quick):
    found = measured(quick)

    assert {one['cell'] for one in found} == {
        cell.name for cell in cells.CELLS
    }
    for one in found:
        if one['cell'] == 'reflink-here' and one['missing']:
            assert one['missing'].startswith('reflink')
            continue
        assert not one['missing'], one
        assert not one['error'], one
        for way in one['ways']:
            assert way['role'] in KINDS
            # Only what is not ours may be missing: it comes with "bench".
            assert way['role'] == 'peer' or not way['missing'], way
            assert way['missing'] or len(way['samples']) == 2


def test_the_report_names_every_way_and_warns(quick):
    texts = [(one / 'results.md').read_text() for one in quick]
    text = ''.join(texts)

    assert all('its figures mean nothing' in one for one in texts)
    for cell in cells.CELLS:
        for way in cell.ways:
            name = way.name.replace('|', r'\|')
            assert f'| {name} | {way.role} |' in text


def test_a_plot_of_every_cell_is_drawn(quick):
    cells = {one['cell'] for one in measured(quick) if not one['missing']}

    for kind, drawn in (('png', png), ('svg', svg)):
        paths = {path for one in quick for path in one.glob(f'*.{kind}')}
        assert {path.stem for path in paths} == cells
        assert all(map(drawn, paths))


def png(path):
    data = path.read_bytes()
    return data.startswith(b'\x89PNG\r\n\x1a\n') and data.endswith(
        b'IEND\xaeB`\x82'
    )


def svg(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    return root.tag == '{http://www.w3.org/2000/svg}svg' and len(root) > 0


def test_a_wrong_copy_is_found(tmp_path):
    def wrong(job):
        with open(job.source, 'rb') as source, open(job.path, 'wb') as file:
            file.write(source.read()[:-1] + b'?')

    cell = Cell(
        name='wrong',
        title='wrong',
        source='here',
        destination='here',
        shapes=(shape.dense(shape.MiB),),
        ways=(Way('wrong', 'ours', wrong),),
    )
    options = runner.Options(quick=True, directory=tmp_path)

    (found,) = runner.run([cell], options, say=str).cells

    assert found.error == 'Differs: it differs after byte 0'
    assert not found.ways
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('at', 'data', 'message'),
    [
        (3 << 20, b'x', 'there is data where none is'),
        (1000, b'x', 'it differs'),
        (4 << 20, b'', 'it has 4194305 bytes'),
    ],
)
def test_a_copy_of_a_sparse_image_is_compared_whole(
    tmp_path, at, data, message
):
    image = shape.Shape(4 << 20, 128 << 10, 2)
    place = Directory(tmp_path)
    uri = place.put(image)
    place.compare(uri, image)
    with open(uri.removeprefix('file://'), 'r+b') as file:
        file.seek(at)
        file.write(data)
        if not data:
            file.truncate(at + 1)

    with pytest.raises(shape.Differs, match=message):
        place.compare(uri, image)


def test_a_copy_without_data_is_found(tmp_path):
    image = shape.Shape(4 << 20, 128 << 10, 2)
    empty = tmp_path / 'empty'
    with empty.open('wb') as file:
        file.truncate(image.size)

    with (
        stores.open_source(f'file://{empty}') as source,
        pytest.raises(shape.Differs, match='data is missing'),
    ):
        image.compare(source)


def test_what_a_killed_run_has_mounted_is_unmounted(tmp_path):
    left = tmp_path / 'oslo-image-bench-left'
    mounted = left / 'tmpfs'
    mounted.mkdir(parents=True)
    filesystems._as_root('mount', '-t', 'tmpfs', 'tmpfs', str(mounted))
    try:
        os.utime(left, (0, 0))
        with work.directory(tmp_path, str):
            assert not left.exists()
    finally:
        if mounted.is_mount():
            filesystems._as_root('umount', str(mounted))


def test_what_is_missing_is_reported(tmp_path):
    cell = Cell(
        name='partly',
        title='partly',
        source='here',
        destination='here',
        shapes=(shape.dense(shape.MiB),),
        ways=(
            Way('there', 'ours', lambda job: 2.0, writes=False),
            Way('gone', 'peer', lambda job: None, lambda: 'no such program'),
        ),
        targets=(Target('any', 1, 'value', ours='there'),),
    )

    found = runner.run(
        [cell], runner.Options(quick=True, directory=tmp_path), say=str
    )

    (one,) = found.cells
    assert [way.missing for way in one.ways] == ['', 'no such program']
    assert [verdict.word for verdict in one.verdicts] == ['missed']


def test_a_way_that_does_not_work_here_is_left_out(tmp_path):
    def no(job):
        raise Cannot('not between these')

    ways = (
        Way('works', 'ours', lambda job: 2.0, writes=False),
        Way('does not', 'limit', no),
    )
    cell = Cell(
        name='partly',
        title='partly',
        source='here',
        destination='here',
        shapes=(shape.dense(shape.MiB),),
        ways=ways,
    )
    other = dataclasses.replace(cell, ways=ways[::-1])
    options = runner.Options(quick=True, directory=tmp_path)

    partly, absent = runner.run([cell, other], options, say=str).cells

    assert [way.missing for way in partly.ways] == ['', 'not between these']
    assert absent.missing == 'not between these'
    assert not absent.ways


def test_the_command_runs_what_needs_no_server_of_ours(tmp_path):
    command = [sys.executable, '-m', 'oslo_image.cli.main', 'bench']
    work = tmp_path / 'work'
    results = tmp_path / 'results'
    work.mkdir()
    listed = subprocess.run(
        [*command, '--list'], check=True, capture_output=True, text=True
    )
    names = {line.split()[0] for line in listed.stdout.splitlines()}
    assert {'import', 'file-here', 'reflink-here', 'sparse-here'} <= names
    assert not names & {'http-file', 'file-xfs', 'memory-nginx'}

    done = subprocess.run(
        [
            *(*command, 'reflink-*', 'import', '--quick'),
            *('--directory', work, '--results', results),
        ],
        check=True,
        capture_output=True,
        text=True,
    )

    assert '| import oslo_image.move | ours |' in done.stdout
    assert 'reflink within here' in done.stdout
    assert (results / 'results.md').read_text().startswith(done.stdout[:500])
    assert not list(work.iterdir())


def test_the_command_measures_a_web_server(nginx, tmp_path):
    command = [sys.executable, '-m', 'oslo_image.cli.main', 'bench']
    before = set(nginx.root.iterdir())

    done = subprocess.run(
        [
            *(*command, 'http-file*', '--quick', '--directory', tmp_path),
            *('--web-root', nginx.root, '--web-url', nginx.url('')),
        ],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    for way in (
        'Mover.copy | ours',
        'curl | peer',
        'raw splice, 2 ranges | limit',
    ):
        assert f'| {way} |' in done.stdout
    assert 'missing: ' not in done.stdout.partition('raw recv')[2]
    assert set(nginx.root.iterdir()) == before


def test_a_web_server_has_a_directory_and_a_url():
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'oslo_image.cli.main', 'bench'),
            *('http-file', '--web-url', 'http://images.example.org/'),
        ],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert '--web-root and --web-url go together' in done.stderr


def test_a_cell_that_is_not_there_is_an_error_of_usage():
    done = subprocess.run(
        [sys.executable, '-m', 'oslo_image.cli.main', 'bench', 'http-file'],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert 'there is no such cell' in done.stderr
