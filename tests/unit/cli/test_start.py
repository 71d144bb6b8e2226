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

"""A command starts quickly, and imports no more than it needs."""

import os
import subprocess
import sys

import pytest

SLOW = ('cmd2', 'prettytable', 'rich', 'urllib3', 'oslo_utils', 'requests')
LIBRARIES = ('boto3', 'fs', 'rados', 'rbd', 'swiftclient')


def loaded_after(*arguments, **variables):
    code = (
        'import sys\n'
        'from oslo_image.cli.main import main\n'
        'try: code = main(sys.argv[1:])\n'
        'except SystemExit as end: code = end.code\n'
        'print(code, *sys.modules, file=sys.stderr)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, *arguments],
        capture_output=True,
        env={**os.environ, **variables},
    )
    code, *names = done.stderr.decode().splitlines()[-1].split()
    assert code == '0', done.stderr
    return {name.partition('.')[0] for name in names}


@pytest.mark.parametrize('command', ['--help', 'copy', 'copy --help'])
def test_what_is_slow_is_not_imported(image, target, command):
    arguments = command.split()
    if command == 'copy':
        arguments += [str(image), str(target)]
    assert not loaded_after(*arguments) & {*SLOW, *LIBRARIES}


@pytest.mark.parametrize(
    'arguments', [['strategies'], ['strategies', '-f', 'json'], ['complete']]
)
def test_no_stores_library_is_imported_to_list_them(arguments):
    assert not loaded_after(*arguments) & set(LIBRARIES)


@pytest.mark.parametrize('command', ['copy', 'plan', 'gc', 'image list', ''])
@pytest.mark.parametrize('variable', ['OS_CLOUD', 'OS_AUTH_URL'])
def test_a_cloud_of_the_environment_is_left_alone(
    image, target, tmp_path, command, variable
):
    """By what does not ask it: it costs no time, and may be a wrong one."""
    config = tmp_path / 'mover.conf'
    config.write_text('[oslo_image]\ncatalog = memory\n')
    arguments = {
        'copy': [image, target],
        'plan': [image, target],
        'gc': [target],
        'image list': ['--config-file', config],
        '': ['strategies'],
    }[command]
    loaded = loaded_after(
        *command.split(), *map(str, arguments), **{variable: 'nowhere'}
    )
    assert not loaded & {'openstack', 'keystoneauth1', *LIBRARIES}


def test_without_the_extra_the_command_says_so():
    code = (
        'import sys\n'
        "sys.modules['cliff'] = None\n"
        'from oslo_image.cli.main import main\n'
        'raise SystemExit(main())'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True)
    assert done.returncode == 1
    assert done.stderr == (
        b'oslo-image: there is no cliff: install oslo.image[cli]\n'
    )
