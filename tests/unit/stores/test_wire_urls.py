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

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image import exception
from oslo_image.stores.wire import urls
from tests.unit.stores.wire_help import CANARY


@pytest.mark.parametrize(
    ('url', 'origin', 'path'),
    [
        ('http://h', ('http', 'h', 80), '/'),
        ('HTTPS://H.Example./a', ('https', 'h.example.', 443), '/a'),
        ('http://h:8080/a/../b%2f', ('http', 'h', 8080), '/a/../b%2f'),
        ('http://h?q=1', ('http', 'h', 80), '/?q=1'),
        ('http://h/a?q=/b@c#frag', ('http', 'h', 80), '/a?q=/b@c'),
        ('http://[::1]:81/a', ('http', '::1', 81), '/a'),
        ('http://[0:0::0:1]/', ('http', '::1', 80), '/'),
        ('http://under_score-1/é', ('http', 'under_score-1', 80), '/%C3%A9'),
        ('http://2130706433/', ('http', '2130706433', 80), '/'),
    ],
)
def test_split(url: str, origin: tuple[str, str, int], path: str) -> None:
    target = urls.split(url)
    assert target.origin == origin
    assert target.path == path


@pytest.mark.parametrize(
    ('url', 'reason'),
    [
        ('ftp://h/a', 'not an http'),
        ('http:/h/a', 'not an http'),
        ('h/a', 'not an http'),
        ('', 'not an http'),
        ('http://', 'no host'),
        ('http:///a', 'no host'),
        ('http://user@/a', 'no host'),
        ('http://a..b/', 'no host'),
        ('http://-a/', 'no host'),
        (f'http://{"a" * 64}/', 'no host'),
        ('http://a%2eb/', 'no host'),
        ('http://１２７.0.0.1/', 'no host'),
        ('http://exämple/', 'no host'),
        ('http://[::1/', 'no host'),
        ('http://[::1]x/', 'no host'),
        ('http://[fe80::1%eth0]/', 'no host'),
        ('http://http://h/a', 'port'),
        ('http://h:/a', 'port'),
        ('http://h:0/a', 'port'),
        ('http://h:65536/a', 'port'),
        ('http://h:-1/a', 'port'),
        ('http://h:8O/a', 'port'),
        ('http://h:1:2/a', 'port'),
        ('http://h:٨٠/', 'port'),
        ('http://h/a b', 'space'),
        ('http://h/a\x00', 'space'),
        ('http://h/a\r\nHost: x', 'space'),
        ('http://h\t/', 'space'),
        ('http://good\\@evil/', 'space'),
    ],
)
def test_split_refuses(url: str, reason: str) -> None:
    with pytest.raises(exception.InvalidLocation, match=reason):
        urls.split(url)


@pytest.mark.parametrize(
    'url',
    [
        f'http://user:{CANARY}@h:x/',
        f'http://user:p/{CANARY}@h/',
        f'http://user:p/{CANARY}@h:/?sig={CANARY}',
        f'http://h:x/?X-Amz-Signature={CANARY}',
    ],
)
def test_a_refusal_shows_no_secret(url: str) -> None:
    with pytest.raises(exception.InvalidLocation) as info:
        urls.split(url)
    assert CANARY not in repr(info.value)


def test_userinfo_is_taken_out_and_decoded() -> None:
    target = urls.split('http://good@evil:p%40%3A@h/a')
    assert target.userinfo == ('good@evil', 'p@:')
    assert target.origin.host == 'h'
    assert target.url == 'http://h/a'
    assert repr(target) == '<Target http://h>'


@hypothesis.given(st.text(), st.sampled_from(['', 'http://', 'https://h']))
def test_split_raises_nothing_else(text: str, prefix: str) -> None:
    try:
        target = urls.split(prefix + text)
    except exception.InvalidLocation:
        return
    assert urls.split(target.url) == urls.Target(target.origin, target.path)


@pytest.mark.parametrize(
    ('place', 'expected'),
    [
        ('/b', 'http://h:81/b'),
        ('b?x=1', 'http://h:81/a/b?x=1'),
        ('//other/b', 'http://other/b'),
        ('https://other/b#f', 'https://other/b'),
        ('http://user:pw@other/', 'http://other/'),
        ('/a b', 'http://h:81/a%20b'),
        ('/\xc3\xa9', 'http://h:81/%C3%A9'),
    ],
)
def test_follow(place: str, expected: str) -> None:
    target = urls.split('http://me:secret@h:81/a/x')
    found = urls.follow(target, place)
    assert found.url == expected
    assert found.userinfo is None


@pytest.mark.parametrize(
    ('place', 'kind'),
    [
        ('file:///etc/passwd', exception.LocationDenied),
        ('ftp://h/a', exception.LocationDenied),
        ('gopher://h/a', exception.LocationDenied),
        ('javascript:1', exception.LocationDenied),
        ('http://h/downgrade', exception.LocationDenied),
        ('https://h:port/', exception.ProtocolViolation),
        ('https://[h/', exception.ProtocolViolation),
        ('https://good\\@evil/', exception.ProtocolViolation),
    ],
)
def test_follow_refuses(place: str, kind: type[exception.ImageError]) -> None:
    with pytest.raises(kind) as info:
        urls.follow(urls.split('https://h/a'), place)
    assert info.value.__context__ is None


@hypothesis.given(st.text(st.characters(max_codepoint=255)))
def test_follow_raises_nothing_else(place: str) -> None:
    try:
        urls.follow(urls.split('https://h/a'), place)
    except (exception.LocationDenied, exception.ProtocolViolation):
        pass
