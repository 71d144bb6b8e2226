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

import errno
import pickle

import pytest

from oslo_image import exception
from oslo_image.image import Location


def subclasses(kind):
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


KINDS = sorted(subclasses(exception.ImageError), key=lambda one: one.__name__)


def test_text_has_the_context():
    error = exception.NoSpace(
        'full',
        source=Location('s3://key:secret@host/bucket/key'),
        destination=Location('file:///new'),
        strategy='parallel',
        offset=0,
        side='destination',
    )
    error.destination_state = 'restored'
    assert str(error) == (
        'writing the destination: full [source s3://***@host/bucket/key; '
        'destination file:///new; strategy parallel; offset 0; '
        'destination state restored]'
    )
    assert 'secret' not in repr(error)


def test_text_without_context():
    assert str(exception.ImageNotFound('no such image')) == 'no such image'
    error = exception.SourceError('broken', side='source')
    assert str(error) == 'reading the source: broken'


def test_first_annotation_stands():
    error = exception.SourceError('broken', offset=0)
    assert error.annotate(offset=7, strategy='stream') is error
    error.annotate(strategy='parallel', source='here')
    assert error.offset == 0
    assert error.strategy == 'stream'
    assert error.source == 'here'


def test_unknown_context_is_a_mistake():
    with pytest.raises(AttributeError):
        exception.SourceError('broken').annotate(ofset=7)


@pytest.mark.parametrize('kind', KINDS)
def test_every_error(kind):
    error = kind('words', side='source', errno=5, offset=3)
    assert isinstance(error, exception.ImageError)
    assert (error.errno, error.offset, error.side) == (5, 3, 'source')
    assert kind.__doc__ and kind.__doc__ != exception.ImageError.__doc__
    assert kind.__name__ in exception.__doc__, 'the tree shows it'
    assert kind.__name__ in exception.__all__
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert type(again) is kind


def test_temporary_is_what_may_pass():
    assert {kind for kind in KINDS if kind.temporary} == {
        exception.CatalogUnavailable,
        exception.SourceUnavailable,
        exception.Truncated,
    }


@pytest.mark.parametrize(
    ('kind', 'builtin'),
    [
        (exception.InvalidLocation, ValueError),
        (exception.UnknownScheme, ValueError),
        (exception.InvalidOption, ValueError),
        (exception.InvalidWriter, TypeError),
    ],
)
def test_errors_of_the_caller_are_builtin_too(kind, builtin):
    assert issubclass(kind, builtin)


def test_refused_is_control_flow():
    refused = exception.Refused('the snapshot is not protected', 'protect it')
    assert not isinstance(refused, exception.ImageError)
    assert str(refused) == 'the snapshot is not protected'
    assert refused.remedy == 'protect it'
    assert exception.Refused('no').remedy == ''


@pytest.mark.parametrize(
    ('number', 'source', 'destination'),
    [
        ('ENOENT', 'ImageNotFound', 'DestinationError'),
        ('ENOTDIR', 'ImageNotFound', 'DestinationError'),
        ('EACCES', 'PermissionDenied', 'PermissionDenied'),
        ('EPERM', 'PermissionDenied', 'PermissionDenied'),
        ('EROFS', 'PermissionDenied', 'PermissionDenied'),
        ('ENOSPC', 'NoSpace', 'NoSpace'),
        ('EDQUOT', 'NoSpace', 'NoSpace'),
        ('EFBIG', 'NoSpace', 'NoSpace'),
        ('EEXIST', 'DestinationExists', 'DestinationExists'),
        ('EISDIR', 'InvalidSource', 'InvalidWriter'),
        ('ELOOP', 'LocationDenied', 'LocationDenied'),
        ('ENAMETOOLONG', 'InvalidLocation', 'InvalidLocation'),
        ('EBUSY', 'InUse', 'InUse'),
        ('EIO', 'SourceError', 'DestinationError'),
        ('ETIMEDOUT', 'SourceUnavailable', 'DestinationError'),
        ('ECONNRESET', 'SourceUnavailable', 'DestinationError'),
        ('ECONNREFUSED', 'SourceUnavailable', 'DestinationError'),
    ],
)
def test_os_errors(number, source, destination):
    code = getattr(errno, number)
    for side, kind in (('source', source), ('destination', destination)):
        error = exception.from_os_error(
            OSError(code, 'x', '/secret/path'), side, offset=4
        )
        assert type(error).__name__ == kind
        assert error.errno == code
        assert error.side == side
        assert error.offset == 4
        assert '/secret/path' not in str(error)


def test_os_error_without_errno():
    error = exception.from_os_error(TimeoutError(), 'source')
    assert isinstance(error, exception.SourceUnavailable)
    assert error.errno is None
    assert 'TimeoutError' in str(error)


@pytest.mark.parametrize(
    ('status', 'source', 'destination'),
    [
        (400, 'SourceError', 'DestinationError'),
        (401, 'PermissionDenied', 'PermissionDenied'),
        (403, 'PermissionDenied', 'PermissionDenied'),
        (404, 'ImageNotFound', 'DestinationError'),
        (407, 'PermissionDenied', 'PermissionDenied'),
        (408, 'SourceUnavailable', 'DestinationError'),
        (409, 'InUse', 'InUse'),
        (410, 'ImageNotFound', 'DestinationError'),
        (412, 'SourceChanged', 'DestinationExists'),
        (413, 'NoSpace', 'NoSpace'),
        (425, 'SourceUnavailable', 'DestinationError'),
        (429, 'SourceUnavailable', 'DestinationError'),
        (500, 'SourceUnavailable', 'DestinationError'),
        (501, 'SourceError', 'DestinationError'),
        (503, 'SourceUnavailable', 'DestinationError'),
        (507, 'NoSpace', 'NoSpace'),
    ],
)
def test_http_statuses(status, source, destination):
    for side, kind in (('source', source), ('destination', destination)):
        error = exception.from_http_status(status, side, retry_after=2.5)
        assert type(error).__name__ == kind
        assert error.side == side
        assert error.retry_after == 2.5
        assert f'HTTP {status}' in str(error)
        assert error.temporary == (status in (408, 425, 429, 500, 503))
