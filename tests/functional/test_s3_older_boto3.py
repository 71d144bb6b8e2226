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

"""The S3 store with the boto3 of OpenStack's upper constraints."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.servers import base

ROOT = pathlib.Path(__file__).parents[2]
OLDER = base.ENVIRONMENT / 'boto3-1.35'


@pytest.fixture
def run():
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('PYTEST_', 'COV_'))
    }

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**kept, 'PYTHONPATH': str(OLDER)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    return run


def test_it_is_the_older_one(run):
    found = run('-c', 'import boto3; print(boto3.__version__)').stdout
    assert found.startswith('1.35.')


@pytest.mark.parametrize(
    ('tests', 'which'),
    [
        ('unit/stores/test_s3.py', ''),
        (
            'functional/test_conformance_s3.py::TestRclone',
            'written_is_read or abandoned or pinned or replace or delete',
        ),
        ('functional/test_s3_copy.py', 'TestFaults'),
        ('functional/test_s3_faults.py', 'Unheard or Completing'),
    ],
    ids=['unit', 'conformance', 'copies', 'faults'],
)
def test_the_store_works_with_it(run, tests, which):
    done = run(
        *('-m', 'pytest', '-q', '-p', 'no:cacheprovider'),
        *(f'tests/{tests}', '-k', which),
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    assert ' passed' in done.stdout
    assert 'skipped' not in done.stdout
