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

"""The plots have what was measured, as PNG and as SVG."""

import pytest

from oslo_image.bench import report, results, shape
from oslo_image.bench.cell import Cell, Way
from oslo_image.bench.report import plots

WAYS = (
    Way('Mover.copy', 'ours', lambda job: None),
    Way('cp', 'peer', lambda job: None),
    Way('raw loop', 'limit', lambda job: None),
    Way('gone', 'peer', lambda job: None),
)


@pytest.fixture
def measured():
    """Return the results of cells with so many sizes each."""

    def measured(*counts, quick=False):
        found = results.Results({'cores': 2}, quick=quick)
        for count in counts:
            for number in range(count):
                add(found, f'cell-{count}', shape.dense(1 << 20 + number))
        return found

    return measured


def add(found, name, image):
    cell = Cell(
        name=name,
        title=f'title of {name}',
        source='here',
        destination='here',
        shapes=(),
        ways=WAYS,
    )
    samples = {
        way.name: [results.Sample(one / 10, one) for one in (1, 2, 3)]
        for way in WAYS[:3]
    }
    found.add(
        results.measured(cell, image, samples, {'gone': 'not here'}, [0.1])
    )


@pytest.mark.parametrize('count', [1, 2, plots._MANY])
def test_a_cell_is_drawn_with_all_that_ran(measured, tmp_path, count):
    paths = plots.write(measured(count), tmp_path)

    assert [path.name for path in paths] == [
        f'cell-{count}.png',
        f'cell-{count}.svg',
    ]
    assert paths[0].read_bytes().startswith(b'\x89PNG\r\n\x1a\n')
    drawn = paths[1].read_text()
    assert '<svg' in drawn and drawn.rstrip().endswith('</svg>')
    for text in (f'title of cell-{count}', 'Mover.copy', 'cp', 'raw loop'):
        assert f'<!-- {text}' in drawn
    assert '<!-- gone' not in drawn


def test_a_quick_run_says_so(measured, tmp_path):
    _, drawn = plots.write(measured(1, quick=True), tmp_path)

    assert '<!-- quick run: means nothing -->' in drawn.read_text()


def test_a_cell_without_figures_is_not_drawn(measured, tmp_path):
    found = measured(1)
    cell = Cell(
        name='absent',
        title='absent',
        source='here',
        destination='here',
        shapes=(),
        ways=WAYS,
    )
    found.add(results.absent(cell, shape.dense(1), 'not here'))

    written = report.write(found, tmp_path / 'results')

    assert {path.name for path in written} == {
        *('results.json', 'results.md'),
        *('cell-1.png', 'cell-1.svg'),
    }
    assert '![cell-1](cell-1.png)' in written[1].read_text()


def test_without_matplotlib_the_rest_is_written(
    measured, tmp_path, monkeypatch
):
    monkeypatch.setattr(plots, 'possible', lambda: False)

    written = report.write(measured(1), tmp_path)

    assert [path.name for path in written] == ['results.json', 'results.md']
