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

"""Every error has its exit code, and --help and the docs say the same."""

import pathlib
import re

import pytest

from oslo_image import exception
from oslo_image.cli import codes, main, supervise

PAGE = (
    pathlib.Path(__file__).parents[3] / 'doc' / 'source' / 'user' / 'cli.rst'
)

EXPECTED = {
    'Cancelled': 1,
    'CatalogError': 1,
    'CatalogUnavailable': 5,
    'DestinationError': 1,
    'DestinationExists': 4,
    'DigestMismatch': 7,
    'ImageError': 1,
    'ImageInvalidApi': 1,
    'ImageNotFound': 3,
    'InUse': 1,
    'IntegrityError': 7,
    'InvalidLocation': 2,
    'InvalidOption': 2,
    'InvalidSource': 1,
    'InvalidWriter': 1,
    'LocationDenied': 8,
    'MissingDependency': 1,
    'NoSpace': 12,
    'PermissionDenied': 11,
    'ProtocolViolation': 7,
    'SizeMismatch': 7,
    'SourceChanged': 7,
    'SourceError': 1,
    'SourceUnavailable': 5,
    'TooLarge': 9,
    'Truncated': 5,
    'UnknownScheme': 2,
    'UnsafeImage': 8,
}


@pytest.mark.parametrize('name', sorted(EXPECTED))
def test_code_of_an_error(name):
    error = getattr(exception, name)('what happened')
    assert codes.code_of(error) == EXPECTED[name]


def test_every_code_has_its_meaning():
    assert list(codes.MEANINGS) == sorted(codes.Code)
    for signum in supervise._SIGNALS:
        assert codes.code_of_signal(signum) in codes.MEANINGS
    assert main._INTERRUPTED == codes.Code.INTERRUPTED
    assert main._BROKEN_PIPE == codes.Code.BROKEN_PIPE


def test_what_the_server_asks_to_repeat_is_temporary():
    error = exception.from_http_status(503, 'destination', retry_after=3)
    assert codes.code_of(error) == 5


def test_every_code_is_in_the_docs_with_its_meaning():
    text = PAGE.read_text()
    rows = dict(re.findall(r'^   \* - (\d+)\n     - (.+)$', text, re.M))
    assert rows == {
        str(int(code)): meaning for code, meaning in codes.MEANINGS.items()
    }


@pytest.mark.parametrize(
    'arguments',
    [['--help'], ['copy', '--help'], ['help', 'plan'], ['gc', '-h'], ['help']],
)
def test_help_lists_the_codes(run, arguments):
    answer = run(*arguments)
    assert answer.code == 0
    assert 'Exit codes: 0 done; 1 anything else; 2 usage' in answer.out
