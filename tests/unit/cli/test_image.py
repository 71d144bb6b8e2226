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

"""``oslo-image image …``, over a catalogue of its own."""

import json
import os
import signal
import subprocess
import time

import pytest
from oslo_config import cfg

from oslo_image import catalog
from oslo_image.testing.scripted import ScriptedServer
from tests.unit.cli.conftest import COMMAND, DATA

ABSENT = '00000000-0000-4000-8000-000000000000'


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'image.conf'
    path.write_text(
        '[oslo_image]\n'
        f'catalog_database = {tmp_path}/state/catalog.sqlite\n'
        '[glance_store]\n'
        f'filesystem_store_datadir = {tmp_path}\n'
        'http_allow_local_addresses = true\n'
    )
    return path


@pytest.fixture
def call(run, config):
    """Run an image command; return what -f json printed."""

    def do(*arguments, code=0, formatted=True):
        answer = run(
            'image', *arguments, '--config-file', config,
            *(('-f', 'json') if formatted else ()),
        )  # fmt: skip
        assert answer.code == code, answer.err
        return json.loads(answer.out) if formatted and not code else answer

    return do


@pytest.fixture
def bits(tmp_path):
    return tmp_path / 'state' / 'images'


def test_life_of_an_image(call, run, config, image, target, bits):
    made = call(
        *('create', 'disk', '--file', image, '--disk-format', 'raw'),
        *('--container-format', 'bare', '--property', 'os_distro=debian'),
        *('--tag', 'b', '--tag', 'a', '--public', '--min-disk', '5'),
    )
    assert made['status'] == 'active'
    assert made['size'] == len(DATA)
    assert made['properties'] == {'os_distro': 'debian'}
    assert made['tags'] == ['a', 'b']
    assert made['visibility'] == 'public'
    assert made['min_disk'] == 5
    assert made['owner'] is None
    assert made['os_hash_algo'] == 'sha512'
    assert os.listdir(bits) == [made['id']]

    assert call('show', made['id']) == call('show', 'disk') == made
    assert call('list') == [
        {'ID': made['id'], 'Name': 'disk', 'Status': 'active'}
    ]
    flags = ['--config-file', config, made['id'], target]
    assert run('plan', *flags).code == 0
    assert run('copy', *flags).code == 0
    assert target.read_bytes() == DATA

    call(
        *('set', 'disk', '--name', 'new', '--tag', 'c', '--protected'),
        *('--property', 'os_version=12', '--private'),
        formatted=False,
    )
    changed = call('show', 'new')
    assert changed['tags'] == ['a', 'b', 'c']
    assert changed['properties'] == {
        'os_distro': 'debian',
        'os_version': '12',
    }
    assert changed['visibility'] == 'private'
    call('delete', 'new', code=11, formatted=False)
    call('set', 'new', '--unprotected', formatted=False)
    call('delete', 'new', formatted=False)
    assert call('list') == []
    assert os.listdir(bits) == []


def test_defaults_are_those_of_openstack(call):
    made = call('create', 'empty')
    assert made['status'] == 'queued'
    assert (made['disk_format'], made['container_format']) == ('raw', 'bare')


def test_filters_and_pages(call):
    for name, flags in (
        ('one', ['--tag', 'x', '--property', 'k=v']),
        ('two', ['--tag', 'x', '--public']),
        ('three', ['--hidden']),
    ):
        call('create', name, *flags)

    def names(*flags):
        return [row['Name'] for row in call('list', *flags)]

    assert names() == ['two', 'one']
    assert names('--hidden') == ['three']
    assert names('--property', 'k=v') == ['one']
    assert names('--tag', 'x', '--public') == ['two']
    assert names('--name', 'one') == ['one']
    assert names('--status', 'active') == []
    assert names('--limit', '1') == ['two']
    first = call('list', '--limit', '1')[0]['ID']
    assert names('--marker', first) == ['one']


def test_order(call, image):
    for name, flags in (
        ('b', ['--min-disk', '1', '--file', image]),
        ('a', ['--min-disk', '1']),
        ('c', ['--min-disk', '2']),
    ):
        call('create', name, *flags)

    def names(*flags):
        return ''.join(row['Name'] for row in call('list', *flags))

    assert names('--sort', 'name') == names('--sort', 'name:asc') == 'abc'
    assert names('--sort', 'name:desc') == 'cba'
    assert names('--sort', 'min_disk:desc,name') == 'cab'
    assert names('--sort', 'size')[0] == 'b'
    assert names('--sort', 'created_at') == 'bac'
    assert names('--sort', 'name', '--limit', '2') == 'ac'
    for wrong in ('nonsense', 'name:up', 'tags', ''):
        call('list', '--sort', wrong, code=2, formatted=False)


def test_projects(call):
    made = call('create', 'disk', '--project', 'mine')
    assert made['owner'] == 'mine'
    call('create', 'other')
    assert [row['Name'] for row in call('list', '--project', 'mine')] == [
        'disk'
    ]
    call('set', 'disk', '--project', 'yours', formatted=False)
    assert call('show', 'disk')['owner'] == 'yours'
    (row,) = call('list', '--long', '--project', 'yours')
    assert row['Project'] == 'yours'


def test_long_table(call, image):
    call('create', 'disk', '--file', image, '--tag', 'a')
    answer = call('list', '--long', formatted=False)
    assert 'Container Format' in answer.out
    assert str(len(DATA)) in answer.out
    assert 'None' not in answer.out


def test_locations(call, image, target, tmp_path):
    call('create', 'disk', '--file', image)
    target.write_bytes(DATA)
    made = call('add', 'location', 'disk', target, '--name', 'eu')
    own, other = made['locations']
    assert (own['external'], other['external']) == (False, True)
    assert other['name'] == 'eu'
    table = call('show', 'disk', formatted=False).out
    assert f'eu: file://{target} (external)' in table
    wrong = tmp_path / 'wrong'
    wrong.write_bytes(DATA[1:])
    call('add', 'location', 'disk', wrong, code=7)
    call('delete', 'disk', formatted=False)
    assert target.read_bytes() == DATA


def test_names_that_are_not_one_image(call):
    for name in ('same', 'same', 'other'):
        call('create', name)
    call('show', 'same', code=2)
    call('show', 'none', code=3)
    call('show', ABSENT, code=3)
    call('show', '/etc/passwd', code=3)
    answer = call('delete', 'none', 'other', 'nor', code=3, formatted=False)
    assert answer.err.count('\n') == 2
    assert [row['Name'] for row in call('list')] == ['same', 'same']


def test_what_fails_leaves_nothing(call, image, bits):
    call('create', 'disk', '--file', '/no/such/file', code=3)
    image.write_bytes(b'QFI\xfb\0\0\0\3' + bytes(4088))
    call('create', 'disk', '--file', image, code=8)
    call('create', 'disk', '--property', 'novalue', code=2, formatted=False)
    call('create', 'disk', '--property', 'size=1', code=2)
    call('create', 'disk', '--id', '../x', code=2)
    assert call('list') == []
    assert not bits.exists() or os.listdir(bits) == []


def test_hidden_images_have_names_too(call):
    call('create', 'disk', '--hidden')
    assert call('list') == []
    assert call('show', 'disk')['os_hidden']
    call('set', 'disk', '--unhidden', formatted=False)
    assert [row['Name'] for row in call('list')] == ['disk']
    call('delete', 'disk', formatted=False)


@pytest.mark.parametrize('name', ['size', 'file', 'schema', 'os_glance_a'])
def test_what_is_no_property_of_ones_own(call, name):
    call('create', 'disk', '--property', f'{name}=x', code=2)
    assert call('list') == []
    call('create', 'disk')
    call('set', 'disk', '--property', f'{name}=x', code=2, formatted=False)
    assert call('show', 'disk')['properties'] == {}


def test_a_name_that_is_no_text(call, config):
    strict = {**os.environ, 'PYTHONIOENCODING': 'utf-8:strict'}
    for action in ('create', 'show'):
        done = subprocess.run(
            [*COMMAND, 'image', action, b'n\xff', '--config-file', config],
            env=strict,
            capture_output=True,
        )
        assert done.returncode == 2
        assert done.stderr.endswith(b'is no text in Unicode\n')
    assert call('list') == []


def test_from_standard_input(config):
    done = subprocess.run(
        [*COMMAND, 'image', 'create', 'disk', '--file', '-', '-f', 'json',
         '--config-file', config],
        input=DATA,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['size'] == len(DATA)


def test_interrupted(start, call, config, bits):
    process = start(
        *('image', 'create', 'disk', '--file', '-', '--config-file', config),
        stdin=subprocess.PIPE,
    )
    process.stdin.write(DATA)
    process.stdin.flush()
    while not call('list'):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    # Not communicate(), which would close its standard input.
    assert process.wait(timeout=20) == 143
    out, err = process.communicate()
    assert out == b''
    assert b'the copy was cancelled' in err
    assert call('list') == []
    assert os.listdir(bits) == []


def test_interrupted_while_a_location_is_read(start, call, config):
    call('create', 'disk')
    before = call('show', 'disk')

    def silence(exchange):
        exchange.send_head()
        exchange.send(b'x')
        time.sleep(15)

    def script(number, request):
        return silence if number else None

    with ScriptedServer(DATA, script) as server:
        process = start(
            *('image', 'add', 'location', 'disk', server.url),
            *('--config-file', config),
        )
        while len(server.requests) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, b'')
    assert b'the copy was cancelled' in err
    assert b'destination' not in err
    assert call('show', 'disk') == before


def test_copies_of_bits_that_have_changed(call, run, config, target, image):
    """Whatever is asked for, but for verify="never"."""
    call('create', 'disk')
    call('add', 'location', 'disk', image)
    image.write_bytes(DATA[::-1])
    flags = ['--config-file', config, call('show', 'disk')['id'], target]
    for how in ('auto', 'always'):
        answer = run('copy', '--json', '--verify', how, *flags)
        assert answer.code == 7
        assert answer.events[-1]['error'] == 'DigestMismatch'
        assert not target.exists()
    assert run('copy', '--verify', 'never', *flags).code == 0
    assert target.read_bytes() == DATA[::-1]


def test_copies_of_a_deactivated_image(call, run, config, target, image):
    made = call('create', 'disk', '--file', image)
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(config)])
    catalog.API(conf).update(made['id'], {'status': 'deactivated'})
    answer = run('copy', '--config-file', config, made['id'], target)
    assert answer.code == 11
    assert 'is deactivated' in answer.err
    assert not target.exists()


def test_secrets_of_locations_are_not_shown(call, config, monkeypatch):
    images = catalog.API

    def add_location(self, image_id, url, **_):
        from oslo_image.image import Location

        image = self.get(image_id)
        return type(image)(
            id=image_id, locations=(Location(url, external=True),)
        )

    monkeypatch.setattr(images, 'add_location', add_location)
    call('create', 'disk')
    url = 'https://user:hunter2@example.org/d'
    for formatted in (True, False):
        answer = call('add', 'location', 'disk', url, formatted=formatted)
        shown = json.dumps(answer) if formatted else answer.out + answer.err
        assert 'https://***@example.org/d' in shown
        assert 'hunter2' not in shown
