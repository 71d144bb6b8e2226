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

"""A process that may not write, or has no descriptors left."""

import errno
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import textwrap

import pytest

from oslo_image import exception, stores
from tests.functional import images
from tests.functional.images import MiB
from tests.servers import filesystems, policy

pytestmark = pytest.mark.usefixtures('nothing_stays_open')


def test_too_many_open_files(place, source):
    """However few descriptors are left: done, or an error of its kind."""
    program = textwrap.dedent(
        """
        import errno
        import os
        import resource
        import sys

        from oslo_image import exception, move, stores

        source, target = sys.argv[1:]

        def copy(disabled=()):
            return move.Mover('file://' + source).copy(
                stores.open_writer('file://' + target), disabled=disabled
            )

        strategies = ('reflink', 'kernel_copy', 'parallel', 'stream')
        assert copy().success  # what is imported late is in by now
        os.unlink(target)
        before = set(os.listdir('/proc/self/fd'))
        highest = max(map(int, before))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        outcomes = set()
        for strategy in strategies:
            others = [one for one in strategies if one != strategy]
            for free in range(12):
                limit = highest + free, hard
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
                try:
                    outcome = copy(others).success
                except exception.ImageError as error:
                    assert error.errno == errno.EMFILE, error
                    assert error.side, error
                    outcome = error.side
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                outcomes.add((strategy, outcome))
                assert os.path.lexists(target) is (outcome is True)
                if outcome is True:
                    os.unlink(target)
                assert set(os.listdir('/proc/self/fd')) <= before
                assert os.listdir(os.path.dirname(target)) == ['source']
        for strategy in strategies:
            assert (strategy, True) in outcomes, outcomes
            assert (strategy, 'source') in outcomes, outcomes
            assert (strategy, 'destination') in outcomes, outcomes
        """
    )
    done = subprocess.run(
        [sys.executable, '-c', program, source, place / 'target'],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def unprivileged(function):
    """Call a function in a process without root's rights."""
    if os.geteuid() != 0:
        return function()
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                answer = True, function()
            except exception.ImageError as error:
                answer = False, (type(error), str(error), vars(error))
            with open(write_end, 'wb') as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(write_end)
    with open(read_end, 'rb') as pipe:
        good, value = pickle.load(pipe)
    os.waitpid(child, 0)
    if good:
        return value
    kind, text, state = value
    error = kind(text)
    vars(error).update(state)
    raise error


class TestForbidden:
    @pytest.fixture
    def place(self):
        """A directory that everybody reaches; pytest's own are private."""
        with tempfile.TemporaryDirectory() as path:
            os.chmod(path, 0o755)
            yield pathlib.Path(path)

    @pytest.fixture
    def closed(self, place):
        """A directory in which only its owner may write."""
        directory = place / 'closed'
        directory.mkdir(mode=0o755)
        if os.geteuid() != 0:
            directory.chmod(0o555)
        yield directory
        assert os.listdir(directory) in ([], ['old'])
        directory.chmod(0o755)

    @pytest.fixture
    def readable(self, source):
        source.chmod(0o644)
        # What is imported late is in the process before it loses its rights.
        images.mover(source).copy(
            stores.open_writer(images.uri(source.with_name('warm')))
        )
        source.with_name('warm').unlink()
        return source

    @pytest.mark.parametrize('if_exists', ['fail', 'replace'])
    def test_the_directory_is_read_only(self, readable, closed, if_exists):
        def copy():
            images.mover(readable).copy(
                stores.open_writer(
                    images.uri(closed / 'target'), if_exists=if_exists
                )
            )

        with pytest.raises(exception.PermissionDenied) as caught:
            unprivileged(copy)

        assert caught.value.errno == errno.EACCES
        assert caught.value.side == 'destination'
        assert caught.value.destination_state == 'untouched'

    def test_the_file_is_read_only_in_place(self, readable, closed):
        target = closed / 'old'
        target.write_bytes(b'old')
        target.chmod(0o444)

        def copy():
            images.mover(readable).copy(
                stores.open_writer(images.uri(target), if_exists='in_place')
            )

        with pytest.raises(exception.PermissionDenied) as caught:
            unprivileged(copy)
        assert caught.value.side == 'destination'
        assert target.read_bytes() == b'old'

    def test_the_source_is_not_ours(self, place, readable):
        place.chmod(0o777)
        readable.chmod(0o600 if os.geteuid() == 0 else 0)

        def copy():
            images.mover(readable).copy(
                stores.open_writer(images.uri(place / 'target'))
            )

        with pytest.raises(exception.PermissionDenied) as caught:
            unprivileged(copy)

        assert caught.value.side == 'source'
        assert os.listdir(place) == ['source']

    def test_a_copy_without_rights_of_root(self, place, readable):
        """Linking a nameless file into place wants none."""
        place.chmod(0o777)

        def copy():
            return [
                images.mover(readable)
                .copy(
                    stores.open_writer(
                        images.uri(place / 'target'), if_exists=if_exists
                    )
                )
                .success
                for if_exists in ('fail', 'replace')
            ]

        assert unprivileged(copy) == [True, True]
        assert (place / 'target').read_bytes() == readable.read_bytes()

    def test_the_filesystem_is_read_only(self, source, tmp_path):
        with policy.provided(filesystems.tmpfs(MiB, tmp_path)) as root:
            filesystems._as_root('mount', '-o', 'remount,ro', str(root))
            with pytest.raises(exception.PermissionDenied) as caught:
                images.mover(source).copy(
                    stores.open_writer(images.uri(root / 'target'))
                )
            assert caught.value.side == 'destination'
