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

"""What becomes of a cloud that is named, by clouds.yaml or variables."""

import argparse
import os

import pytest

from oslo_image import exception
from oslo_image.cli import cloud, needs

CLOUDS = """\
clouds:
  one:
    auth:
      auth_url: https://keystone/v3
      username: me
      password: c4n4ry
      project_name: mine
      user_domain_name: Default
      project_domain_name: Default
    region_name: Here
    interface: internal
    cacert: /etc/ca.pem
  scoped:
    auth_type: v3password
    auth:
      auth_url: https://keystone/v3
      user_id: u-1
      password: c4n4ry
      trust_id: t-1
      system_scope: all
      domain_id: d-1
    interface: [internal, public]
  named:
    auth_type: v3applicationcredential
    auth:
      auth_url: https://keystone/v3
      username: me
      user_domain_id: d-1
      application_credential_name: mine
      application_credential_secret: c4n4ry
  federated:
    auth_type: v3oidcaccesstoken
    auth:
      auth_url: https://keystone/v3
      identity_provider: them
      protocol: openid
      access_token: c4n4ry
  bare:
    auth_type: none
    image_endpoint_override: http://glance:9292
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No cloud of whoever runs the tests."""
    path = tmp_path / 'clouds.yaml'
    path.write_text(CLOUDS)
    for name in [one for one in os.environ if one.startswith('OS_')]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(path))
    return path


def config(name=None, files=()):
    return needs.config_of(
        argparse.Namespace(
            os_cloud=name, config_file=[str(one) for one in files]
        )
    )


def test_no_cloud():
    assert config() is None


def test_a_cloud_by_its_name():
    found = config('one')
    assert found['oslo_image'] == {'catalog': 'glance'}
    assert found['glance_store'] == {
        'glance_auth_url': 'https://keystone/v3',
        'glance_username': 'me',
        'glance_password': 'c4n4ry',
        'glance_project_name': 'mine',
        'glance_user_domain_name': 'Default',
        'glance_project_domain_name': 'Default',
        'glance_region_name': 'Here',
        'glance_interface': 'internal',
        'glance_ca_certificates_file': '/etc/ca.pem',
    }


def test_a_glance_without_keystone():
    found = config('bare')['glance_store']
    assert found['glance_endpoint'] == 'http://glance:9292'
    assert 'glance_auth_url' not in found


@pytest.mark.parametrize(
    ('name', 'wanted'),
    [
        (
            'scoped',
            {
                'glance_auth_url': 'https://keystone/v3',
                'glance_user_id': 'u-1',
                'glance_password': 'c4n4ry',
                'glance_trust_id': 't-1',
                'glance_system_scope': 'all',
                'glance_domain_id': 'd-1',
                'glance_interface': 'internal',
            },
        ),
        (
            'named',
            {
                'glance_auth_url': 'https://keystone/v3',
                'glance_username': 'me',
                'glance_user_domain_id': 'd-1',
                'glance_application_credential_name': 'mine',
                'glance_application_credential_secret': 'c4n4ry',
                'glance_interface': 'public',
            },
        ),
    ],
)
def test_nothing_that_it_says_is_dropped(name, wanted):
    assert config(name)['glance_store'] == wanted


def test_what_would_be_dropped_is_an_error():
    with pytest.raises(exception.InvalidOption, match='v3oidc') as it:
        config('federated')
    assert 'c4n4ry' not in str(it.value)


def test_an_endpoint_of_the_environment(monkeypatch, environment):
    environment.write_text('clouds: {}\n')
    monkeypatch.setenv('OS_AUTH_TYPE', 'none')
    monkeypatch.setenv('OS_ENDPOINT', 'http://glance:9292')
    found = config()['glance_store']
    assert found['glance_endpoint'] == 'http://glance:9292'
    assert 'glance_auth_url' not in found


def test_a_cloud_of_the_environment(monkeypatch):
    monkeypatch.setenv('OS_CLOUD', 'one')
    assert config()['glance_store']['glance_region_name'] == 'Here'


def test_variables_alone(monkeypatch, environment):
    environment.write_text('clouds: {}\n')
    for name, value in (
        ('AUTH_URL', 'https://k/v3'),
        ('USERNAME', 'you'),
        ('PASSWORD', 'c4n4ry'),
        ('PROJECT_NAME', 'yours'),
    ):
        monkeypatch.setenv(f'OS_{name}', value)
    found = config()['glance_store']
    assert found['glance_auth_url'] == 'https://k/v3'
    assert found['glance_username'] == 'you'


def test_an_unknown_cloud():
    with pytest.raises(exception.InvalidOption, match='nowhere'):
        config('nowhere')


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        (None, 'auth_url'),
        ('clouds: [', 'auth_url'),
        ('clouds: {one: {auth_type: wonderful}}', 'NoMatchingPlugin'),
    ],
)
def test_a_cloud_that_cannot_be_used(monkeypatch, environment, text, why):
    monkeypatch.setenv('OS_CLOUD', 'one')
    environment.unlink()
    if text:
        environment.write_text(text)
    with pytest.raises(exception.InvalidOption, match=why):
        config()


@pytest.mark.parametrize(
    'arguments',
    [
        ['copy', '--json', 'an-id', '{target}'],
        ['copy', '--json', 'glance://an-id', '{target}'],
        ['copy', '--json', '{image}', 'glance://new'],
        ['copy', '--json', '--os-cloud', 'nowhere', '{image}', '{target}'],
        ['plan', 'an-id', '{target}'],
        ['gc', 'glance+https://glance/'],
        ['image', 'list'],
        ['strategies', '--os-cloud', 'nowhere'],
    ],
)
def test_commands_that_ask_it_say_so(
    run, monkeypatch, image, target, arguments
):
    monkeypatch.setenv('OS_CLOUD', 'nowhere')
    answer = run(
        *(one.format(image=image, target=target) for one in arguments)
    )
    assert answer.code == 2
    assert answer.err.startswith('oslo-image: the cloud ')
    if '--json' in arguments:
        assert answer.kinds == ['start', 'error']
        assert answer.events[-1]['exit_code'] == 2


@pytest.mark.parametrize('named', ['option', 'variable'])
def test_a_file_that_names_a_catalogue(monkeypatch, tmp_path, named):
    """It stands against the environment, not against --os-cloud."""
    path = tmp_path / 'mover.conf'
    path.write_text('[oslo_image]\ncatalog = memory\n')
    if named == 'variable':
        monkeypatch.setenv('OS_CLOUD', 'one')
    conf = config('one' if named == 'option' else None, [path])
    wanted = 'glance' if named == 'option' else 'memory'
    assert conf.oslo_image.catalog == wanted


def test_without_openstacksdk(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'openstack', None)
    with pytest.raises(exception.MissingDependency, match='openstacksdk'):
        cloud.settings('one')
