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

"""Copies to and from S3 in a process as Cinder's, and in one that forks."""

import json
import subprocess
import sys

from tests.functional import images, test_eventlet
from tests.functional.buckets import PART

SIZE = 2 * PART + 7
DATA = images.noise(SIZE)


def test_eventlet_copies(bucket, tmp_path):
    source = tmp_path / 'source'
    source.write_bytes(DATA)
    directory = tmp_path / 'directory'
    directory.mkdir()

    test_eventlet.run(
        'to_from_and_within_objects',
        source,
        directory,
        json.dumps(bucket.config),
        bucket.uri('image'),
        's3_copy',
    )

    assert bucket.state() == []


_FORKING = """
import io, json, os, sys
from oslo_image import move, stores
uri, options = sys.argv[1:]
config = json.loads(options)
def read():
    target = io.BytesIO()
    move.Mover(uri, config).copy(target)
    return target.getvalue()
def work(name):
    for number in range(2):
        target = stores.open_writer(f'{uri}-{name}-{number}', config)
        assert move.Mover(uri, config).copy(target).strategy == 's3_copy'
        assert read() == first
first = read()
work('before')  # connections are kept from here on
writer = stores.open_writer(f'{uri}-inherited', config)
def look(key, size):
    # By one connection they would read each other's answers.
    for _ in range(60):
        assert stores.stat(key, config).size == size
child = os.fork()
if not child:
    look(f'{uri}-small', 1)
    work('child')
    assert move.Mover(uri, config).copy(writer).strategy == 's3_copy'
    # And out by the regular end of the interpreter.
    sys.exit(7)
look(uri, len(first))
work('parent')
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""


def test_fork(bucket):
    """A child copies by its own connections, and the parent's go on."""
    bucket.put('image', DATA)
    bucket.put('image-small', DATA[:1])

    done = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore::DeprecationWarning',
            '-c',
            _FORKING,
            bucket.uri('image'),
            json.dumps(bucket.config),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, '')
    copies = {
        f'image-{who}-{number}'
        for who in ('before', 'child', 'parent')
        for number in range(2)
    }
    assert set(bucket.state()) == {
        'image',
        'image-inherited',
        'image-small',
        *copies,
    }
    for name in copies:
        assert bucket.read(name) == DATA
