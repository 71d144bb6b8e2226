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

"""What killed copies left: found, and never taken from who is at work."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores import file_leftovers, file_writer
from oslo_image.stores.file import FileStore, uri_for
from tests.unit.stores.leftover_help import abandon

#: Begins a copy under a temporary name, says so, and waits to be killed.
COPY = """
import os, sys, time
from oslo_image import stores
from oslo_image.stores import file_writer
file_writer.os.O_TMPFILE = 0
writer = stores.open_writer(sys.argv[1])
writer.write(b'part')
print('begun', flush=True)
time.sleep(60)
"""


@pytest.fixture
def store():
    return FileStore(None)


def find(store, path, older_than=0):
    location = Location(uri_for(path), trusted=True)
    return list(store.leftovers(location, older_than=older_than))


@pytest.fixture
def copying(tmp_path):
    process = subprocess.Popen(
        [sys.executable, '-c', COPY, uri_for(tmp_path / 'image')],
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b'begun\n'
        yield process
        process.kill()


def test_killed_copy_is_cleaned_up_after_and_one_at_work_is_not(
    tmp_path, store, copying
):
    (name,) = os.listdir(tmp_path)
    assert find(store, tmp_path / 'image') == []
    assert find(store, tmp_path) == []
    copying.send_signal(signal.SIGKILL)
    copying.wait()
    for path in (tmp_path / 'image', tmp_path):
        (left,) = find(store, path)
        assert left.name == str(tmp_path / name)
        assert left.size == 4
    assert store.remove_leftover(left)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('without', ['flock', 'fcntl'])
def test_the_lock_and_the_lease_each_protect_alone(
    tmp_path, store, copying, monkeypatch, without
):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, 'no locks')

    monkeypatch.setattr(file_leftovers.fcntl, without, unsupported)
    assert find(store, tmp_path) == []


def test_what_anybody_has_open_is_in_use(tmp_path, store):
    path = abandon(tmp_path, 'image')
    (left,) = find(store, tmp_path)
    with path.open('rb'):
        assert find(store, tmp_path) == []
        assert not store.remove_leftover(left)
    assert store.remove_leftover(left)
    assert not path.exists()


def test_another_file_of_that_name_is_not_removed(tmp_path, store):
    path = abandon(tmp_path, 'image')
    (left,) = find(store, tmp_path)
    path.rename(tmp_path / 'kept')
    abandon(tmp_path, 'image')
    assert not store.remove_leftover(left)
    assert path.exists()


def test_only_regular_files_with_our_mark(tmp_path, store):
    prefix = file_writer.temporary_prefix('image')
    for name in (
        'image',
        f'{prefix}0123456789abcde',
        f'{prefix}0123456789abcdef0',
        f'{prefix}0123456789ABCDEF',
        f'{prefix[1:]}0123456789abcdef',
    ):
        (tmp_path / name).write_bytes(b'data')
    (tmp_path / f'{prefix}{"1" * 16}').symlink_to(tmp_path / 'image')
    (tmp_path / f'{prefix}{"2" * 16}').mkdir()
    os.mkfifo(tmp_path / f'{prefix}{"3" * 16}')
    assert find(store, tmp_path) == []
    assert find(store, tmp_path / 'image') == []


@pytest.mark.parametrize('name', ['x' * 255, 'ü' * 120, 'a\nb', '\udcff'])
def test_names_of_every_kind(tmp_path, store, name):
    abandon(tmp_path, name)
    abandon(tmp_path, 'other')
    (left,) = find(store, tmp_path / name)
    assert store.remove_leftover(left)


def test_age_counts_from_the_last_change_of_any_kind(tmp_path, store):
    path = abandon(tmp_path, 'image')
    yesterday = time.time() - 86400
    # Who sets the time of a file changes it now.
    os.utime(path, (yesterday, yesterday))
    assert find(store, tmp_path, 3600) == []
    assert len(find(store, tmp_path, 0)) == 1


def test_no_directory(tmp_path, store):
    with pytest.raises(exception.DestinationError, match='No such file'):
        find(store, tmp_path / 'none' / 'image')
