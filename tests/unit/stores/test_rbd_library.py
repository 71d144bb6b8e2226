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


"""The libraries of Ceph: absent, and their errors as ours."""

import errno
import sys
import types

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.rbd import library


class Error(Exception):
    """As both libraries have it: an errno, or a message alone."""

    def __init__(self, message, number=None):
        super().__init__(message)
        if number is not None:
            self.errno = number


@pytest.fixture
def libraries(monkeypatch):
    """Modules that have what is asked of them here, and no more."""
    for name in ('rados', 'rbd'):
        kind = type('Error', (Error,), {})
        module = types.SimpleNamespace(Error=kind)
        monkeypatch.setitem(sys.modules, name, module)
    library.load.cache_clear()
    yield library.load()
    library.load.cache_clear()


class TestAbsent:
    @pytest.fixture(params=['rados', 'rbd'])
    def absent(self, request, monkeypatch):
        """The name of the library that cannot be imported."""
        for name in ('rados', 'rbd'):
            module = None if name == request.param else types.SimpleNamespace()
            monkeypatch.setitem(sys.modules, name, module)
        library.load.cache_clear()
        yield request.param
        library.load.cache_clear()

    def check(self, error, absent):
        said = str(error)
        assert f'the Python library {absent} is not installed' in said
        assert 'python3-rados and python3-rbd' in said

    def test_source(self, absent):
        with pytest.raises(exception.MissingDependency) as caught:
            stores.open_source('rbd://fsid/images/i/snap')
        self.check(caught.value, absent)

    def test_copy(self, absent, tmp_path):
        with pytest.raises(exception.MissingDependency) as caught:
            with (tmp_path / 'target').open('wb') as writer:
                move.Mover('rbd://fsid/images/i/snap').copy(writer)
        self.check(caught.value, absent)

    def test_writer_is_lazy(self, absent):
        with stores.open_writer('rbd:///vms/disk') as writer:
            with pytest.raises(exception.MissingDependency) as caught:
                writer.write(b'data')
        self.check(caught.value, absent)

    def test_delete(self, absent):
        with pytest.raises(exception.MissingDependency) as caught:
            stores.delete('rbd://fsid/images/i/snap')
        self.check(caught.value, absent)

    def test_other_stores_do_not_care(self, absent, tmp_path):
        (tmp_path / 'source').write_bytes(b'data')
        with (tmp_path / 'target').open('wb') as writer:
            result = move.Mover(f'file://{tmp_path}/source').copy(writer)
        assert result.success


@pytest.mark.parametrize('module', [types.SimpleNamespace(), None])
def test_another_module_of_that_name(module, monkeypatch, tmp_path):
    """A program may have a module rbd of its own."""
    monkeypatch.setitem(sys.modules, 'rbd', module)
    (tmp_path / 'source').write_bytes(b'data')
    with (tmp_path / 'target').open('wb') as writer:
        assert move.Mover(f'file://{tmp_path}/source').copy(writer).success


class TestErrors:
    @pytest.mark.parametrize('which', ['rados', 'rbd'])
    @pytest.mark.parametrize('sign', [1, -1])
    @pytest.mark.parametrize(
        ('number', 'side', 'kind'),
        [
            (errno.ENOENT, 'source', exception.ImageNotFound),
            (errno.ENOENT, 'destination', exception.DestinationError),
            (errno.EEXIST, 'destination', exception.DestinationExists),
            (errno.EPERM, 'source', exception.PermissionDenied),
            (errno.EACCES, 'destination', exception.PermissionDenied),
            (errno.ENOSPC, 'destination', exception.NoSpace),
            (errno.EDQUOT, 'destination', exception.NoSpace),
            (errno.EIO, 'source', exception.SourceError),
            (errno.EIO, 'destination', exception.DestinationError),
            (errno.ETIMEDOUT, 'source', exception.SourceUnavailable),
            (errno.ESHUTDOWN, 'source', exception.SourceUnavailable),
            (errno.ENOTCONN, 'source', exception.SourceUnavailable),
        ],
    )
    def test_kind(self, libraries, which, sign, number, side, kind):
        raised = getattr(libraries, which).Error('librbd says', sign * number)

        with pytest.raises(kind) as caught:
            with library.mapped(side, offset=7):
                raise raised

        assert (caught.value.errno, caught.value.side) == (number, side)
        assert caught.value.offset == 7
        assert caught.value.__cause__ is raised

    @pytest.mark.parametrize('side', ['source', 'destination'])
    @pytest.mark.parametrize(
        ('number', 'passing'),
        [
            (errno.ETIMEDOUT, True),
            (errno.ESHUTDOWN, True),
            (errno.ENOTCONN, True),
            (errno.EAGAIN, True),
            (errno.EIO, False),
            (errno.ENOSPC, False),
            (errno.EROFS, False),
        ],
    )
    def test_temporary(self, side, number, passing):
        assert library.error_of(number, side).temporary == passing

    @pytest.mark.parametrize(
        ('number', 'said'),
        [
            (errno.ESHUTDOWN, 'has shut this client out (blocklisted)'),
            (errno.ETIMEDOUT, 'did not answer in time'),
            (errno.EDQUOT, "the pool's quota is reached"),
            (errno.ENOSPC, 'the pool or the cluster is full'),
            (errno.EROFS, 'read-only or locked by another client'),
        ],
    )
    def test_words(self, number, said):
        assert said in str(library.error_of(number, 'destination'))

    @pytest.mark.parametrize(
        ('side', 'kind'),
        [
            ('source', exception.SourceError),
            ('destination', exception.DestinationError),
        ],
    )
    def test_message_alone(self, libraries, side, kind):
        with pytest.raises(kind, match='no arguments') as caught:
            with library.mapped(side):
                raise libraries.rbd.Error('no arguments')
        assert caught.value.errno is None

    def test_what_is_not_theirs_passes(self, libraries):
        with pytest.raises(KeyError):
            with library.mapped('source'):
                raise KeyError
