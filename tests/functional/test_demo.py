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

"""``make demo`` does what it says."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
ID = re.compile(r'^ +id +([0-9a-f-]{36})$', re.MULTILINE)
FROM = re.compile(r'^ +from +([0-9a-f-]{36})(, its .web.)?$', re.MULTILINE)
IN_SHORT = re.compile(
    r'^ +([123])\. \S+ +(\w+) +\((\w+), (\d+)\)', re.MULTILINE
)


@pytest.mark.slow
def test_images_are_registered_and_copied_by_id(xfs, ext4, nginx):
    """The servers are asked for so that they are there, or it is skipped."""
    done = subprocess.run(
        [sys.executable, 'tools/demo.py'],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    ids = ID.findall(done.stdout)
    assert len(set(ids)) == 2
    assert [one for one, _ in FROM.findall(done.stdout)] == ids * 3
    assert [bool(name) for _, name in FROM.findall(done.stdout)] == [
        *(False,) * 4,
        *(True,) * 2,
    ]
    short = IN_SHORT.findall(done.stdout.partition('In short')[2])
    assert [way for way, *_ in short] == ['1', '1', '2', '2', '3', '3']
    assert {one[1:] for one in short[:2]} == {('reflink', 'True', '0')}
    assert all(one[2] == 'True' and int(one[3]) for one in short[2:])
    assert done.stdout.count('every byte equals the source') == 6
    assert done.stdout.count('sha512 verified') == 2
    (work,) = set(re.findall(r'/var/tmp/oslo-image-demo-\w+', done.stdout))
    assert not pathlib.Path(work).exists()
    assert work not in pathlib.Path('/proc/self/mountinfo').read_text()
