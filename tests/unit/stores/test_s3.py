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

"""What the S3 store says without a server."""

import pytest

from oslo_image import exception, stores
from oslo_image.image import Location
from oslo_image.stores.registry import Stores
from oslo_image.stores.s3 import S3Auth, uri

HOST = 'https://s3.example.org'
CONFIG = {
    's3_store_host': HOST,
    's3_store_access_key': 'configured',
    's3_store_secret_key': 'c4n4ry',
}


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('s3://h/b/k', ('http://h', 'b', 'k', '', '')),
        ('s3+http://h:81/b/k', ('http://h:81', 'b', 'k', '', '')),
        ('s3+https://h/path/b/k', ('https://h/path', 'b', 'k', '', '')),
        ('s3://h/b/a%2Fb%20c', ('http://h', 'b', 'a/b c', '', '')),
        ('s3://AK:se/cr+et@h/b/k', ('http://h', 'b', 'k', 'AK', 'se/cr+et')),
        ('s3://AK:se%2Fcret@h/b/k', ('http://h', 'b', 'k', 'AK', 'se/cret')),
    ],
)
def test_uris(text, expected):
    assert tuple(uri.parse(text)) == expected


@pytest.mark.parametrize(
    'text',
    ['s3://h', 's3://h/b', 's3:///b/k', 's3://AK@h/b/k', 's3://AK:@h/b/k'],
)
def test_malformed_uris(text):
    with pytest.raises(exception.InvalidLocation):
        uri.parse(text)


def test_what_is_built_has_no_keys():
    spec = uri.parse('s3+https://AK:secret@h/b/a%2Fb')
    assert uri.build(spec) == 's3+https://h/b/a%2Fb'
    assert 'secret' not in repr(spec)


@pytest.mark.parametrize('text', ['s3://AK:c4n4ry@h/b/k', 's3://A:c4/n@h/b/k'])
def test_keys_are_masked(text):
    location = Location(text)
    assert 'c4' not in f'{location} {location!r}'


class TestKeys:
    """The keys of the options are for the endpoint of the options."""

    @staticmethod
    def keys(text, *, auth=None, trusted=True):
        found = Stores(CONFIG)
        location = found.location(text, trusted=trusted)
        spec = uri.parse(text)
        return found.find(location)._service(location, spec, auth)

    def test_configured_endpoint(self):
        service = self.keys('s3+https://s3.example.org/b/k', trusted=False)
        assert service.settings.auth == S3Auth('configured', 'c4n4ry')

    def test_another_endpoint(self):
        service = self.keys('s3+https://elsewhere.example.org/b/k')
        assert service.settings.auth is None

    def test_the_same_host_over_http(self):
        service = self.keys('s3://s3.example.org/b/k')
        assert service.settings.auth is None

    def test_the_callers_own_come_first(self):
        own = S3Auth('own', 'secret')
        text = 's3+https://uri:other@s3.example.org/b/k'
        assert self.keys(text, auth=own).settings.auth == own
        assert self.keys(text).settings.auth == S3Auth('uri', 'other')

    @pytest.mark.parametrize('auth', [None, S3Auth('own', 'secret')])
    def test_a_catalogue_names_no_endpoint(self, auth):
        with pytest.raises(exception.LocationDenied):
            self.keys('s3://elsewhere/b/k', auth=auth, trusted=False)

    def test_no_secret_is_shown(self):
        service = self.keys('s3+https://s3.example.org/b/k')
        assert 'c4n4ry' not in f'{service!r} {service.settings!r}'


def test_an_unknown_option_of_a_writer():
    with pytest.raises(exception.InvalidOption, match='colour'):
        stores.open_writer('s3://h/b/k', colour='red')
