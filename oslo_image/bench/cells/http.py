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

"""From a web server to a file."""

from __future__ import annotations

from oslo_image.bench.cell import Cell, Target, only, ours
from oslo_image.bench.limits import hashes
from oslo_image.bench.limits import http as limits
from oslo_image.bench.peers import clients, programs
from oslo_image.bench.shape import GiB, MiB, dense

_PROGRAMS = (programs.CURL, programs.ARIA2, programs.RCLONE_URL)
_CLIENTS = (
    clients.REQUESTS_SMALL,
    clients.REQUESTS_LARGE,
    clients.URLLIB3,
    clients.URLOPEN,
)
_CLIENT_NAMES = tuple(way.name for way in _CLIENTS)

CELLS = (
    Cell(
        name='http-file',
        title='web server to file',
        source='nginx',
        destination='here',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(
            ours(),
            only('stream', 'parallel'),
            *_PROGRAMS,
            *_CLIENTS,
            limits.DISCARD,
            limits.WRITE,
            limits.WRITE_TWO,
            limits.SPLICE,
            limits.SPLICE_TWO,
        ),
        targets=(
            Target(
                '1.5 times as fast as curl and aria2c',
                1 / 1.5,
                against=(programs.CURL.name, programs.ARIA2.name),
                least=GiB,
            ),
            Target(
                'not slower than any Python client', 1, against=_CLIENT_NAMES
            ),
            Target(
                'within 1.15x of the best raw loop that shows us the bytes',
                1.15,
                against=('raw recv/pwrite*',),
                least=GiB,
            ),
            Target(
                'within 1.15x of the best raw loop of all',
                1.15,
                against=('raw recv/pwrite*', 'raw splice*'),
                least=GiB,
            ),
        ),
    ),
    Cell(
        name='http-file-sha512',
        title='web server to file, sha512 checked',
        source='nginx',
        destination='here',
        shapes=(dense(64 * MiB), dense(GiB)),
        ways=(
            ours(verified=True),
            clients.REQUESTS_HASHED,
            limits.WRITE,
            hashes.SHA512,
        ),
        targets=(
            Target(
                'within 1.1x of a bare sha512',
                1.1,
                against=(hashes.SHA512.name,),
                least=GiB,
            ),
            Target(
                'not slower than any Python client',
                1,
                against=(clients.REQUESTS_HASHED.name,),
            ),
        ),
    ),
)
