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

"""``oslo-image bench`` with an operator's own Glance."""

import pathlib
import subprocess
import sys

import pytest

from oslo_image.bench import glance as bench
from oslo_image.bench import shape, shared
from oslo_image.bench.places import Directory, Missing
from oslo_image.catalog import API
from tests.servers import policy

BENCH = (sys.executable, '-m', 'oslo_image.cli.main', 'bench')


@pytest.fixture(autouse=True, scope='module')
def bindings() -> None:
    policy.imported('rbd')


@pytest.fixture
def own(xfs, tmp_path):
    """A directory on the filesystem of Glance's files."""
    path = xfs / tmp_path.name
    path.mkdir()
    yield path
    path.rmdir()


def run(*arguments):
    done = subprocess.run([*BENCH, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def conf(path: pathlib.Path, **options: str) -> pathlib.Path:
    lines = (f'{name} = {text}' for name, text in options.items())
    path.write_text(
        '[oslo_image]\ncatalog = glance\n[glance_store]\n' + '\n'.join(lines)
    )
    return path


def ids(config):
    return {image.id for image in API(config).get_all()}


def test_no_image_but_its_own_is_touched(glance, own, tmp_path):
    config = {'catalog': 'glance', 'glance_endpoint': glance.url}
    before = ids(config)
    more = conf(tmp_path / 'mover.conf', glance_endpoint=glance.url)

    done = run(
        *('--config-file', glance.conf, '--config-file', more),
        *('glance-*', '--quick', '--directory', own),
    )

    for way in (
        'Mover.copy | ours',
        'curl | peer',
        'raw FICLONE, two requests | limit',
        'two requests | limit',
        'curl, discarded | limit',
        'raw sha512 | limit',
    ):
        assert f'| {way} |' in done.stdout
    # Glance's default store is not Ceph.
    assert 'Not here: rbd_clone' in done.stdout
    assert ids(config) == before


def test_who_asks_is_shown_to_no_other(
    glance_keystone, keystone, keystone_user, tmp_path
):
    path = conf(
        tmp_path / 'mover.conf',
        glance_auth_url=keystone.url,
        glance_username=keystone_user.name,
        glance_password=keystone_user.password,
        glance_project_name=keystone_user.project,
    )

    done = run(
        *('--config-file', path, 'glance-api*', 'memory-glance'),
        *('--quick', '--directory', tmp_path),
    )

    assert '| curl | peer |' in done.stdout
    assert '| curl, discarded | limit |' in done.stdout
    assert 'missing: curl' not in done.stdout
    for text in (keystone_user.password, 'X-Auth-Token', 'gAAAA'):
        assert text not in done.stdout + done.stderr


def test_a_cloud_of_the_environment_alone_is_not_meant(keystone, monkeypatch):
    monkeypatch.setenv('OS_AUTH_URL', keystone.url)

    done = run('--list')

    assert 'file-here' in done.stdout
    assert 'glance' not in done.stdout


def test_the_next_run_removes_what_a_killed_one_left(
    glance, tmp_path, monkeypatch
):
    config = {'catalog': 'glance', 'glance_endpoint': glance.url}
    others = ids(config)
    place = Directory(tmp_path)
    made = bench.GlanceImages(config, place).put(shape.dense(shape.MiB))

    with bench.GlanceImages(config, place):
        assert ids(config) == {*others, made}
    monkeypatch.setattr(shared, '_OLD', -3600)
    with bench.GlanceImages(config, place):
        assert ids(config) == others


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'no Glance is configured'),
        ({'glance_endpoint': 'http://127.0.0.1:9'}, '127.0.0.1:9'),
    ],
)
def test_a_glance_that_is_not_there_is_missing(tmp_path, options, message):
    config = {'catalog': 'glance', 'retries': 0, **options}

    with (
        pytest.raises(Missing, match=message),
        bench.GlanceImages(config, Directory(tmp_path)),
    ):
        pass
