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

import argparse

import pytest

from oslo_image.cli import sizes


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('0', 0),
        ('512', 512),
        ('1k', 1024),
        ('50M', 50 << 20),
        ('50MiB', 50 << 20),
        ('1.5G', 3 << 29),
        ('2 TiB', 2 << 40),
    ],
)
def test_size(text, expected):
    assert sizes.size(text) == expected


@pytest.mark.parametrize('text', ['', 'M', '-1', '50MB', '1e3', '5X', '1,5G'])
def test_no_size(text):
    with pytest.raises(argparse.ArgumentTypeError, match='no size'):
        sizes.size(text)


@pytest.mark.parametrize('text', ['9' * 400, '9' * 308 + 'G', '8E'])
def test_no_such_size(text):
    with pytest.raises(argparse.ArgumentTypeError, match='so large'):
        sizes.size(text)


def test_rate_is_above_zero():
    with pytest.raises(argparse.ArgumentTypeError, match='above 0'):
        sizes.rate('0')


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        *(('0', 0), ('90', 90), ('90s', 90), ('1.5m', 90), ('2h', 7200)),
        ('9' * 400 + 'd', 1e9),
    ],
)
def test_duration(text, expected):
    assert sizes.duration(text) == expected


def test_no_duration():
    with pytest.raises(argparse.ArgumentTypeError, match='no duration'):
        sizes.duration('soon')


@pytest.mark.parametrize(
    ('count', 'expected'),
    [
        (0, '0 B'),
        (1023, '1023 B'),
        (1024, '1.0 KiB'),
        (3 << 29, '1.5 GiB'),
        (1 << 70, '1024.0 EiB'),
    ],
)
def test_show_size(count, expected):
    assert sizes.show_size(count) == expected


def test_show_duration():
    assert sizes.show_duration(3725.4) == '1:02:05'
