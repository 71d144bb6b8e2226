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

"""``oslo-image bench`` with an operator's own container."""

import subprocess
import sys

import pytest

from oslo_image.bench import shape, shared, swift
from oslo_image.bench.places import Missing

BENCH = (sys.executable, '-m', 'oslo_image.cli.main', 'bench')


@pytest.fixture
def config(swift_box):
    found = {**swift_box.config, 'swift_store_container': swift_box.name}
    del found['swift_store_large_object_chunk_size']
    return found


def test_no_object_but_its_own_is_touched(swift_box, config, tmp_path):
    """All cells run, and leave what is somebody else's."""
    swift_box.put('somebody-elses', b'object')
    path = tmp_path / 'glance-api.conf'
    lines = (f'{name} = {value}' for name, value in config.items())
    path.write_text('[glance_store]\n' + '\n'.join(lines))

    done = subprocess.run(
        [
            *(*BENCH, '--config-file', path, 'swift-*', 'file-swift'),
            *('--quick', '--directory', tmp_path),
        ],
        check=True,
        capture_output=True,
        text=True,
    )

    for way in (
        'Mover.copy | ours',
        'swift copy | peer',
        'swift download | peer',
        'swift upload | peer',
        'glance_store: its segments | peer',
        'bare COPY | limit',
        'raw recv/pwrite, 4 ranges | limit',
        'raw sendfile of segments | limit',
    ):
        assert f'| {way} |' in done.stdout
    key = config['swift_store_key']
    assert key not in done.stdout + done.stderr
    assert swift_box.names() == ['somebody-elses']


def test_the_segments_of_a_failed_way_are_removed(swift_box, config):
    with swift.SwiftContainer(config) as place:
        target = place.target()
        name = place.object_name(target)
        kept = f'{name}1'
        for one in (f'{name}-00001', f'{name}.part.0', f'{name}/slo/1', kept):
            swift_box.put(one, b'segment')
        place.discard(target)
        assert swift_box.names() == [kept]


def test_the_next_run_removes_what_a_killed_one_left(
    swift_box, config, monkeypatch
):
    swift_box.put('somebody-elses', b'object')
    killed = swift.SwiftContainer(config)
    killed.put(shape.dense(20 * shape.MiB))
    name = killed.object_name(killed.target())
    swift_box.put(f'{name}.part.0', b'segment')
    before = swift_box.names()
    assert len(before) > 3

    with swift.SwiftContainer(config):
        assert swift_box.names() == before
    monkeypatch.setattr(shared, '_OLD', -3600)
    with swift.SwiftContainer(config):
        assert swift_box.names() == ['somebody-elses']


def test_a_wrong_key_is_missing(config):
    with pytest.raises(Missing, match='no token'):
        swift.SwiftContainer({**config, 'swift_store_key': 'wrong'})
