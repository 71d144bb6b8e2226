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

import string

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image.image import Location
from oslo_image.masking import mask_uri

#: S3's keys hold / and +, and passwords anything.
SECRET = st.text(
    string.ascii_letters + string.digits + '/+=@:!~-._%?&;', min_size=1
).map(lambda text: f'Qz7{text}Qz7')
CANARY = 'Qz7'
SCHEMES = ['swift', 'swift+https', 's3', 's3+http', 'ftp', 'rbd', 'myown']
WEB = ['http', 'https', 'HTTPS', 'glance+https']
#: What stands between authority and query.
PATH = st.sampled_from(['', '/', '/a', '/a/b%2Fc', '/v1/con/obj', '!/a/b'])


@pytest.mark.parametrize(
    ('uri', 'shown'),
    [
        ('file:///var/lib/image', 'file:///var/lib/image'),
        ('rbd://fsid/pool/image/snap', 'rbd://fsid/pool/image/snap'),
        ('http://host:80/path?a=1', 'http://host:80/path?a=1'),
        ('http://u:p@host/path', 'http://***@host/path'),
        ('http://u@host/path', 'http://***@host/path'),
        ('http://host/~me/a@b', 'http://host/~me/a@b'),
        ('s3://key:se/c@ret@host/b/k', 's3://***@host/b/k'),
        ('swift://acc:user:key@auth/v1/c/o', 'swift://***@auth/v1/c/o'),
        ('ftp://u:p@host/dir!/file', 'ftp://***@host/dir!/file'),
        ('http://h/p?X-Amz-Signature=abc', 'http://h/p?X-Amz-Signature=***'),
        (
            'http://h/p?temp_url_sig=abc&temp_url_expires=1',
            'http://h/p?temp_url_sig=***&temp_url_expires=1',
        ),
        ('http://h/p?plain=' + 'x' * 17, 'http://h/p?plain=***'),
        ('http://h/p?' + 'x' * 17, 'http://h/p?***'),
        ('http://h/p?versionId=3', 'http://h/p?versionId=3'),
        ('71c675ab-d94f-49cd-a114-e12490b328d9',) * 2,
    ],
)
def test_shown(uri, shown):
    assert mask_uri(uri) == shown


@hypothesis.given(
    st.sampled_from(SCHEMES), st.text('abc:', max_size=4), SECRET, PATH
)
def test_no_secret_of_a_user_is_shown(scheme, user, secret, path):
    """Legacy URIs carry keys with slashes and at-signs, unquoted."""
    assert CANARY not in mask_uri(f'{scheme}://{user}:{secret}@host{path}')


@hypothesis.given(st.sampled_from(WEB), SECRET, PATH)
def test_no_secret_of_a_web_user_is_shown(scheme, secret, path):
    """A slash or question mark makes it malformed, and no less secret."""
    assert CANARY not in mask_uri(f'{scheme}://u:{secret}@host{path}')


@hypothesis.given(
    st.sampled_from(SCHEMES + WEB),
    st.sampled_from(
        [
            'X-Amz-Signature',
            'X-Amz-Credential',
            'x-amz-security-token',
            'AWSAccessKeyId',
            'Signature',
            'temp_url_sig',
            'temp_url_key',
            'access_token',
            'password',
            'sig',
            'SessionID',
            'authcode',
            'X%2DAmz%2DSi%67nature',
        ]
    ),
    st.text(string.ascii_letters, max_size=9),
    st.sampled_from(['&', ';']),
)
def test_no_secret_of_a_query_is_shown(scheme, name, secret, separator):
    secret = CANARY + secret
    for query in (
        f'{name}={secret}',
        f'a=1{separator}{name}={secret}{separator}b=2',
        f'{name}={secret}#fragment',
    ):
        shown = mask_uri(f'{scheme}://host/path?{query}')
        assert CANARY not in shown
        assert 'host/path' in shown


@pytest.mark.parametrize('scheme', SCHEMES + WEB)
@pytest.mark.parametrize('query', ['', '?a=1', '?a=1&b'])
def test_no_secret_of_a_fragment_is_shown(scheme, query):
    """OAuth puts tokens there."""
    shown = mask_uri(f'{scheme}://host/path{query}#access_token={CANARY}')
    assert CANARY not in shown


@hypothesis.given(st.text() | st.builds('{}://{}'.format, *[st.text()] * 2))
@hypothesis.example('s3://a:b@c?d@e')
@hypothesis.example('http://a:b/c@d')
@hypothesis.example('http://a?b=***#c@d')
def test_masking_again_changes_nothing(uri):
    once = mask_uri(uri)
    assert mask_uri(once) == once


@hypothesis.given(SECRET)
def test_a_location_shows_no_secret(secret):
    location = Location(f's3://key:{secret}@host/bucket/key', trusted=True)
    for shown in (f'{location}', repr(location), f'{[location]}'):
        assert CANARY not in shown
    assert secret in location.reveal()
