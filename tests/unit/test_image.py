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

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image import exception
from oslo_image.image import Image, Location, unique


def urls(image):
    return [location.reveal() for location in image.locations]


def test_glance_record():
    image = Image.from_mapping(
        {
            'id': '71c675ab',
            'name': 'cirros',
            'size': 10,
            'virtual_size': 20,
            'disk_format': 'qcow2',
            'container_format': 'bare',
            'checksum': 'AB' * 16,
            'os_hash_algo': 'sha512',
            'os_hash_value': 'CD' * 64,
            'locations': [{'url': 'rbd://a', 'metadata': {'store': 'ceph'}}],
            'status': 'active',
            'owner': 'somebody',
        }
    )
    assert dataclasses.replace(image, locations=()) == Image(
        id='71c675ab',
        name='cirros',
        size=10,
        virtual_size=20,
        disk_format='qcow2',
        container_format='bare',
        checksum='AB' * 16,
        os_hash_algo='sha512',
        os_hash_value='CD' * 64,
    )
    assert urls(image) == ['rbd://a']
    assert image.locations[0].metadata == {'store': 'ceph'}
    assert not image.locations[0].trusted


def test_empty_record():
    assert Image.from_mapping({}) == Image()


@pytest.mark.parametrize('size', [0, None])
def test_size_of_zero_is_unknown(size):
    """Nova's snapshots in rbd have a size of 0, whatever they hold."""
    image = Image.from_mapping({'size': size, 'virtual_size': size})
    assert image.size is None
    assert image.virtual_size is None


@pytest.mark.parametrize(
    ('record', 'expected'),
    [
        ({'locations': None}, []),
        ({'locations': []}, []),
        ({'direct_url': None}, []),
        ({'direct_url': 'b'}, ['b']),
        ({'locations': [{'url': 'a'}], 'direct_url': 'b'}, ['a', 'b']),
        ({'locations': [{'url': 'a'}], 'direct_url': 'a'}, ['a']),
        ({'locations': [{'url': u} for u in 'abac']}, ['a', 'b', 'c']),
    ],
)
def test_locations(record, expected):
    assert urls(Image.from_mapping(record)) == expected


def test_first_of_equal_locations_stays():
    entries = [
        {'url': 'a', 'metadata': {'store': 'first'}},
        {'url': 'a', 'metadata': {'store': 'second'}},
    ]
    (location,) = Image.from_mapping({'locations': entries}).locations
    assert location.metadata == {'store': 'first'}


@pytest.mark.parametrize('entry', [{}, {'url': None}, {'url': 1}])
def test_location_without_url(entry):
    with pytest.raises(exception.InvalidLocation, match='url'):
        Image.from_mapping({'locations': [entry]})


@pytest.mark.parametrize(
    ('record', 'digest'),
    [
        ({}, None),
        ({'checksum': 'AB'}, ('md5', 'ab')),
        (
            {'checksum': 'AB', 'os_hash_algo': 'sha256', 'os_hash_value': 'C'},
            ('sha256', 'c'),
        ),
        ({'checksum': 'AB', 'os_hash_algo': 'sha256'}, ('md5', 'ab')),
        ({'checksum': 'AB', 'os_hash_value': 'C'}, ('md5', 'ab')),
        ({'os_hash_algo': '', 'os_hash_value': ''}, None),
    ],
)
def test_strong_digest_precedes_checksum(record, digest):
    assert Image.from_mapping(record).digest == digest


def test_location_is_its_uri():
    """Equality, and so the dropping of duplicates, is by URI alone."""
    one = Location('RBD://a?b', {'store': 'x'}, trusted=True, name='n')
    assert one == Location('RBD://a?b')
    assert hash(one) == hash(Location('RBD://a?b'))
    assert one.scheme == 'rbd'
    assert one.reveal() == 'RBD://a?b'
    assert repr(one) == '<Location RBD://a?b trusted>'
    assert (
        repr(Location('s3://k:s@h/b')) == '<Location s3://***@h/b untrusted>'
    )


@hypothesis.given(st.lists(st.text('ab', max_size=2)))
def test_unique_keeps_the_first_in_order(texts):
    found = unique(Location(text) for text in texts)
    assert [one.reveal() for one in found] == list(dict.fromkeys(texts))
