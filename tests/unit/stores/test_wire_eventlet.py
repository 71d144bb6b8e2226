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

"""The wire in a process that eventlet has patched, as Cinder's may be."""

import subprocess
import sys

CODE = """
import eventlet
eventlet.monkey_patch()
import os
import tempfile
from oslo_image.stores import wire
from oslo_image.stores.base import DescriptorRange
from oslo_image.testing.scripted import ScriptedServer
from tests.unit.stores.wire_help import make_store, read_all, trusted

data = os.urandom(3_000_000)

def read(offset):
    buffer = memoryview(bytearray(100_000))
    return bytes(buffer[: source.read_into(offset, buffer)])

with (
    ScriptedServer(data) as server,
    make_store() as store,
    store.open_source(trusted(server.url)) as source,
    tempfile.TemporaryFile() as file,
):
    assert read_all(source.open_stream()) == data
    parts = eventlet.GreenPool(8).imap(read, range(0, len(data), 100_000))
    assert b''.join(parts) == data
    file.write(data)
    file.flush()
    client = wire.Client(wire.Settings())
    part = DescriptorRange(file.fileno(), 0, len(data))
    client.request('PUT', server.url, body=part, trusted=True).close()
    client.close()
    assert server.requests[-1].body == data
    print('done')
"""


def test_reads_and_sends() -> None:
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', CODE],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.stdout == 'done\n'
