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

"""pyfilesystem over FTP, on a real server on loopback."""

import os
import sys

import pytest

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.pyfilesystem import PyFilesystemStore
from oslo_image.testing.conformance import Harness, StoreConformance
from tests.servers.base import HOST, Server, free_port


class Ftp(Server):
    name = 'ftp'

    def command(self):
        self.root = self.directory / 'root'
        self.root.mkdir()
        options = f'-w -i {HOST} -p {self.port} -d {self.root} -u user -P p@ss'
        return [sys.executable, '-m', 'pyftpdlib', *options.split()]


@pytest.fixture(scope='module')
def server():
    with Ftp() as running:
        yield running


# FTPFS forgets to close the connection over which a login failed.
@pytest.mark.filterwarnings('ignore:unclosed:ResourceWarning')
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
class TestFtp(StoreConformance):
    lacks = {
        'ranged': 'every range takes two more connections',
        'exclusive': 'FTP renames over what is there',
        'positioned': 'pyfilesystem writes streams',
        'sparse': 'pyfilesystem writes streams',
        'descriptors': 'pyfilesystem writes streams',
        'leftovers': 'nothing tells whether a file is in use',
    }
    chunk = 256 * 1024

    @pytest.fixture
    def harness(self, server):
        def uri(name, password='p%40ss'):
            return f'ftp://user:{password}@{HOST}:{server.port}!/{name}'

        seconds = iter(range(10**9, 2 * 10**9, 10))

        def overwrite(name, data):
            path = server.root / name
            path.write_bytes(data)
            # FTP tells time in seconds, so that this is another one.
            os.utime(path, (0, next(seconds)))

        return Harness(
            store=PyFilesystemStore(None),
            uri=uri,
            listing=lambda: os.listdir(server.root),
            overwrite=overwrite,
            secret_uri=lambda secret: uri('image', secret),
        )

    def test_upload_is_not_fetched_again(self, harness, server, name):
        """FTPFS.move would download what was uploaded, and upload it again."""
        with harness.writer(name) as writer:
            writer.write(b'image')
            writer.commit()
        log = [line for line in server.log().splitlines() if name in line]
        assert not [line for line in log if 'RETR' in line]
        assert [line for line in log if 'RNTO' in line]

    def test_server_that_is_gone(self, harness):
        url = f'ftp://user:p%40ss@{HOST}:{free_port()}!/image'
        with pytest.raises(exception.SourceUnavailable) as caught:
            harness.store.open_source(Location(url, trusted=True))
        assert 'p%40ss' not in str(caught.value)
