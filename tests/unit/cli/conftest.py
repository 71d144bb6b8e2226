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

import json
import logging
import os
import subprocess
import sys

import pytest

from oslo_image.cli import main as cli

COMMAND = [sys.executable, '-m', 'oslo_image.cli.main']
DATA = bytes(range(256)) * 4096


@pytest.fixture(autouse=True)
def _logging():
    """Put the log back as it was: a command sets it up for its process."""
    logger, root = logging.getLogger('oslo_image'), logging.getLogger()
    before = logger.handlers, logger.propagate, logger.level, root.handlers
    yield
    logger.handlers, logger.propagate, logger.level, root.handlers = before


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'image.raw'
    path.write_bytes(DATA)
    return path


@pytest.fixture
def target(tmp_path):
    directory = tmp_path / 'target'
    directory.mkdir()
    return directory / 'copy.raw'


class Answer:
    """What a command answered: exit code, stdout, stderr."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def events(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def kinds(self):
        return [event['event'] for event in self.events]


@pytest.fixture
def run(capsys):
    """Run a command in this process."""

    def call(*arguments):
        try:
            code = cli.main([os.fspath(one) for one in arguments])
        except SystemExit as end:
            code = end.code
        return Answer(code, *capsys.readouterr())

    return call


@pytest.fixture
def start():
    """Start a command in a process of its own, which does not outlive us."""
    processes = []

    def call(*arguments, command=COMMAND, **keywords):
        process = subprocess.Popen(
            [*command, *map(os.fspath, arguments)],
            **{
                'stdin': subprocess.DEVNULL,
                'stdout': subprocess.PIPE,
                'stderr': subprocess.PIPE,
                **keywords,
            },
        )
        processes.append(process)
        return process

    yield call
    for process in processes:
        process.kill()
        process.communicate()
