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


import io
import os
import tarfile
import urllib.parse
import zipfile

import pytest

from oslo_image.stores.pyfilesystem import PyFilesystemStore, library
from oslo_image.testing.conformance import Harness, StoreConformance
from tests.unit.stores.leftover_help import abandon

fs = library.load()

MALFORMED = (
    'mem://x',
    'mem://!/',
    'mem://!/a//b',
    'mem://!/a/../b',
    'mem://!/./a',
    'mem://!/a/',
    'zip://a!b!/c',
    '://!/a',
)


class TestMemory(StoreConformance):
    lacks = {
        'positioned': 'pyfilesystem writes streams',
        'sparse': 'pyfilesystem writes streams',
        'descriptors': 'nothing of it is open in the kernel',
        'leftovers': 'nothing tells whether a file is in use',
        'bounded': 'a MemoryFS holds its files in memory',
        'secrets': 'mem:// URLs hold none; ftp:// ones are tested below',
    }
    malformed = MALFORMED

    @pytest.fixture
    def harness(self):
        memory = fs.memoryfs.MemoryFS()
        return Harness(
            store=PyFilesystemStore(None),
            uri=lambda name: f'fs://memory!/{name}',
            auth=memory,
            listing=lambda: memory.listdir('/'),
            overwrite=memory.writebytes,
        )


class TestDirectory(StoreConformance):
    """osfs:// is served by the file store's sources and writers."""

    lacks = {'secrets': 'a path holds none'}

    @pytest.fixture
    def harness(self, tmp_path):
        return Harness(
            store=PyFilesystemStore(None),
            uri=lambda name: f'osfs://{tmp_path}!/{name}',
            listing=lambda: os.listdir(tmp_path),
            overwrite=lambda name, data: (tmp_path / name).write_bytes(data),
            abandon=lambda name: abandon(tmp_path, name),
        )


class Archive(StoreConformance):
    """One archive an image: pyfilesystem writes an archive once."""

    lacks = {
        'delete': 'pyfilesystem cannot change an archive',
        'replace': 'pyfilesystem cannot change an archive',
        'in_place': 'pyfilesystem cannot change an archive',
        'ranged': 'a range means decompressing from the beginning',
        'positioned': 'pyfilesystem writes streams',
        'sparse': 'pyfilesystem writes streams',
        'descriptors': 'pyfilesystem writes streams',
        'leftovers': 'nothing tells whether a file is in use',
        'secrets': 'a path holds none',
    }
    kind = ''
    suffix = ''

    @pytest.fixture
    def harness(self, tmp_path):
        def archive(name):
            return tmp_path / f'{name}{self.suffix}'

        def uri(name):
            where = urllib.parse.quote(str(archive(name)))
            return f'{self.kind}://{where}!/disks/{name}'

        def overwrite(name, data):
            """Put another archive into the place of the one that is open."""
            beside = archive(f'{name}-new')
            self.write(beside, f'disks/{name}', data)
            beside.replace(archive(name))

        return Harness(
            store=PyFilesystemStore(None),
            uri=uri,
            listing=lambda: os.listdir(tmp_path),
            overwrite=overwrite,
        )


class TestZip(Archive):
    kind = 'zip'
    suffix = '.zip'

    def write(self, path, name, data):
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr(name, data)


class TestTar(Archive):
    kind = 'tar'
    suffix = '.tar.gz'

    def write(self, path, name, data):
        with tarfile.open(path, 'w:gz') as archive:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mtime = 86400  # tar knows seconds, so this is another one
            archive.addfile(member, io.BytesIO(data))


class TestZipThatExists(StoreConformance):
    """Many images in an archive that others made."""

    lacks = {
        **Archive.lacks,
        'write': 'pyfilesystem cannot add to an archive',
    }

    @pytest.fixture
    def harness(self, tmp_path):
        path = tmp_path / 'images.zip'
        zipfile.ZipFile(path, 'w').close()
        held = {}

        def put(name, data):
            held[name] = data
            beside = tmp_path / 'new.zip'
            with zipfile.ZipFile(beside, 'w', zipfile.ZIP_DEFLATED) as new:
                for member, content in held.items():
                    new.writestr(member, content)
            beside.replace(path)

        return Harness(
            store=PyFilesystemStore(None),
            uri=lambda name: f'zip://{path}!/{name}',
            put=put,
        )
