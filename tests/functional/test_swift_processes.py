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

"""Swift from processes of another kind: patched by eventlet, and forked."""

import json
import subprocess
import sys

import pytest

from tests.functional import images
from tests.functional.images import MiB

DATA = images.noise(3 * MiB + 7)

_FORKING = """
import json, os, signal, sys
from oslo_image import move, stores
from oslo_image.stores import registry
from oslo_image.stores.swift import account
config, uri = json.loads(sys.argv[1]), sys.argv[2]
kept = registry.Stores(config)

def read():
    location = kept.location(uri)
    with kept.find(location).open_source(location) as source:
        found = bytearray(source.size)
        source.read_into(0, memoryview(found))
        return found

def write(name):
    with stores.open_writer(uri + name, config) as writer:
        move.Mover(uri, config).copy(writer, disabled=['swift_copy'])

first = read()
write('-before')  # nothing is imported in the midst of a fork
settings = kept.find(kept.location(uri))._access._default
# As a thread holds it that asks for a token, and is not in the child.
lock = account.password(settings)._lock
lock.acquire()
child = os.fork()
if child:
    lock.release()
else:
    signal.alarm(30)  # rather than hang for good
    assert read() == first
    write('-child')
    # And out by the regular end of the interpreter.
    sys.exit(7)
assert read() == first
write('-parent')
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert read() == first
kept.close()
"""


@pytest.fixture
def image(swift_box, tmp_path):
    """An image in the container and as a file."""
    path = tmp_path / 'image'
    path.write_bytes(DATA)
    swift_box.copy(f'file://{path}', 'image')
    return path


def run(*command):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ''


def test_patched_by_eventlet(swift_box, image, tmp_path):
    directory = tmp_path / 'directory'
    directory.mkdir()
    before = swift_box.names()
    options = json.dumps(swift_box.config)
    scenario = 'to_from_and_within_objects'
    end = (options, swift_box.uri('image'), 'swift_copy')
    module = ('-m', 'tests.functional.green')

    run(*module, scenario, image, directory, *end)

    assert swift_box.names() == before


def test_forked(swift_box, image):
    """Child and parent go on, each by connections and tokens of its own."""
    run('-c', _FORKING, json.dumps(swift_box.config), swift_box.uri('image'))

    for name in ('image-before', 'image-child', 'image-parent'):
        assert swift_box.get(name) == DATA
