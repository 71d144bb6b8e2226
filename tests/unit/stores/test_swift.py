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

"""What the Swift store says without a server."""

import types

import pytest

from oslo_image import exception, stores
from oslo_image.image import Location
from oslo_image.stores.registry import Stores
from oslo_image.stores.swift import SwiftAuth, account, marks, tenants, uri

CONFIG = {
    'swift_store_auth_address': 'https://auth.example.org:5000/v3',
    'swift_store_user': 'tenant:user',
    'swift_store_key': 'c4n4ry',
}


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (
            'swift://a:u:k@h/v3/c/o',
            ('https://h/v3', 'c', 'o', 'a:u', 'k', ''),
        ),
        (
            'swift+http://a%3Au:k@h:81/auth/v1.0/c/o',
            ('http://h:81/auth/v1.0', 'c', 'o', 'a:u', 'k', ''),
        ),
        (
            'swift+https://t@x.org:u@y.org:k%40@h/c/o%2Fp%20q',
            ('https://h', 'c', 'o/p q', 't@x.org:u@y.org', 'k@', ''),
        ),
        (
            'swift+http://u:k/ey%3A@h/c/o',
            ('http://h', 'c', 'o', 'u', 'k/ey:', ''),
        ),
        ('swift+config://ref/c/o', ('', 'c', 'o', '', '', 'ref')),
        (
            'swift+https://h/v1/AUTH_x/c%20c/o',
            ('https://h/v1/AUTH_x', 'c c', 'o', '', '', ''),
        ),
        ('swift:///an-id', ('', '', 'an-id', '', '', '')),
    ],
)
def test_uris(text, expected):
    assert tuple(uri.parse(text)) == expected


@pytest.mark.parametrize(
    'text',
    [
        'swift://h',
        'swift://h/c',
        'swift://h/c/',
        'swift:///',
        'swift:///a/b',
        'swift://user@h/c/o',
        'swift://user:@h/c/o',
        'swift://a:k@/c/o',
        'swift://h/c%2Fd/o',
        'swift+config://a@ref/c/o',
        'swift+config://ref/more/c/o',
        'swift+config:///c/o',
        'swift+http:///c/o',
    ],
)
def test_malformed_uris(text):
    with pytest.raises(exception.InvalidLocation):
        uri.parse(text)


@pytest.mark.parametrize(
    ('place', 'expected'),
    [
        ('ref', 'swift+config://ref/c/a%2Fb%25'),
        ('http://h:81/v1/AUTH_x', 'swift+http://h:81/v1/AUTH_x/c/a%2Fb%25'),
        ('https://h/swift/v1', 'swift+https://h/swift/v1/c/a%2Fb%25'),
    ],
)
def test_what_is_built_is_read(place, expected):
    assert uri.build(place, 'c', 'a/b%') == expected
    found = uri.parse(expected)
    assert (found.url or found.reference, found.name) == (place, 'a/b%')


@pytest.mark.parametrize(
    ('one', 'other', 'same'),
    [
        ('http://h/v1/AUTH_a', 'http://H:80/v1/AUTH_b', True),
        ('https://h:443', 'https://h/x', True),
        ('http://h', 'https://h', False),
        ('http://h', 'http://h.example.org', False),
        ('http://h:80', 'http://h:8080', False),
        ('http://h:8080', 'http://h', False),
    ],
)
def test_origins(one, other, same):
    assert (uri.origin(one) == uri.origin(other)) is same


@pytest.mark.parametrize(
    ('url', 'expected'),
    [
        ('http://h/v1/AUTH_x', 'http://h'),
        ('http://h/swift/v1', 'http://h/swift'),
        ('http://h/swift/v1/AUTH_v1', 'http://h/swift'),
        ('http://h/account', 'http://h/account'),
    ],
)
def test_clusters(url, expected):
    assert uri.cluster(url) == expected


@pytest.mark.parametrize(
    'text',
    ['swift://a:u:c4n4ry@h/c/o', 'swift+http://u@x:c4n4ry/x@h/c/o'],
)
def test_keys_are_masked(text):
    location = Location(text)
    assert 'c4n' not in f'{location} {location!r} {uri.parse(text)!r}'


def test_no_secret_is_shown():
    settings = account.Settings(
        auth_url='https://h',
        version='3',
        key='c4n4ry',
        application_credential_secret='c4n4ry',
    )
    auth = SwiftAuth('c4n4ry', 'https://h/v1/AUTH_x')
    assert 'c4n4ry' not in f'{settings!r} {auth!r}'


class TestReferences:
    @staticmethod
    def references(**options):
        found = Stores({**CONFIG, **options})
        store = found.find(Location('swift+config://ref1/c/o'))
        return store._access._references

    def test_options(self):
        found = self.references()
        assert list(found) == ['ref1']
        assert found['ref1'].user == 'tenant:user'
        assert found['ref1'].user_domain_id == 'default'

    @pytest.mark.parametrize(
        ('address', 'version', 'url'),
        [
            ('https://h:5000/v3', '3', 'https://h:5000/v3'),
            ('https://h:5000/v3/', '3', 'https://h:5000/v3'),
            ('http://h:5000', '3', 'http://h:5000/v3'),
            ('h/identity', '3', 'https://h/identity/v3'),
            ('http://h/auth/v1.0', '1', 'http://h/auth/v1.0'),
            ('http://h/auth/v1/', '1', 'http://h/auth/v1'),
        ],
    )
    def test_addresses(self, address, version, url):
        found = self.references(swift_store_auth_address=address)['ref1']
        assert (found.version, found.auth_url) == (version, url)

    def test_incomplete_options_are_none(self):
        assert self.references(swift_store_key='') == {}
        assert self.references(swift_store_auth_address='') == {}

    def test_a_file(self, tmp_path):
        path = tmp_path / 'swift.conf'
        path.write_text(
            '[one]\nauth_address = http://h\nuser = "t:u"\nkey = %k\n'
            'project_domain_name = Mine\n'
            '[two]\nauth_address = http://h\n'
            'application_credential_id = id\n'
            'application_credential_secret = s\n'
        )
        found = self.references(swift_store_config_file=str(path))
        assert list(found) == ['one', 'two']
        assert (found['one'].user, found['one'].key) == ('t:u', '%k')
        assert found['one'].project_domain_name == 'Mine'
        assert found['one'].project_domain_id == ''
        assert found['two'].application_credential_id == 'id'

    @pytest.mark.parametrize(
        'text',
        ['[one]\nuser = a:b\n', 'nonsense', '[one]\nauth_address = h\n', None],
    )
    def test_a_wrong_file(self, tmp_path, text):
        path = tmp_path / 'swift.conf'
        if text:
            path.write_text(text)
        with pytest.raises(exception.InvalidOption, match='config_file'):
            self.references(swift_store_config_file=str(path))


class TestTokens:
    """One refused token is one new one."""

    class Tokens:
        def __init__(self):
            self.given = 1

        def token(self, side):
            return f'token {self.given}'

        def url(self, side):
            return 'http://h/v1/AUTH_x'

        def drop(self):
            self.given += 1
            return True

    def test_of_two_that_were_refused_one_renews(self):
        tokens = self.Tokens()
        first = account.Account(tokens, 'source')
        second = account.Account(tokens, 'destination')
        for one in (first, second):
            one.sign('GET', 'http://h', {})

        assert first.renew()
        assert second.renew()

        assert tokens.given == 2

    def test_a_given_token_is_all_there_is(self):
        one = account.Account(account.Given('t'), 'source', 'http://h')
        assert one.sign('GET', 'http://h', {}) == {'X-Auth-Token': 't'}
        assert not one.renew()

    def test_nobody_sends_none(self):
        one = account.Account(account.Given(), 'source', 'http://h')
        assert one.sign('GET', 'http://h', {}) == {}


class TestMarks:
    @pytest.mark.parametrize('name', ['image', 'a/b', 'a\nb', 'x/0123'])
    def test_are_read(self, name):
        token = marks.token()
        segment = marks.prefix(name, token) + '00000001'
        assert marks.read(segment) == (name, token)

    @pytest.mark.parametrize(
        'name',
        [
            'image-00001',
            'oslo-image.segment/image/0123/1',
            'x/oslo-image.segment/image/0123456789abcdef/1',
        ],
    )
    def test_are_not_in_other_names(self, name):
        assert marks.read(name) is None


@pytest.mark.parametrize(
    ('seed', 'expected'),
    [(0, 'glance'), (3, 'glance_fda'), (10, 'glance_fdae39a1-ba')],
)
def test_containers(seed, expected):
    options = types.SimpleNamespace(
        swift_store_container='glance',
        swift_store_multi_tenant=False,
        swift_store_multiple_containers_seed=seed,
    )
    name = 'FDAE39a1-bac5-4238-aba4-69bcc726e848'
    assert tenants.container(options, name) == expected


def test_an_unknown_option_of_a_writer():
    with pytest.raises(exception.InvalidOption, match='colour'):
        stores.open_writer('swift+config://r/c/o', CONFIG, colour='red')


def test_an_unknown_reference():
    with pytest.raises(exception.InvalidLocation, match='elsewhere'):
        stores.open_source('swift+config://elsewhere/c/o', CONFIG)


def test_no_account_at_all():
    with pytest.raises(exception.InvalidOption, match='names no account'):
        stores.open_source('swift:///an-id')


def test_two_backends_know_their_references():
    found = Stores(
        {
            'enabled_backends': {'one': 'swift', 'two': 'swift'},
            'one': {**CONFIG, 'default_swift_reference': 'here'},
            'two': {**CONFIG, 'default_swift_reference': 'there'},
        }
    )
    for name in ('here', 'there'):
        store = found.find(found.location(f'swift+config://{name}/c/o'))
        assert store.options.default_swift_reference == name
