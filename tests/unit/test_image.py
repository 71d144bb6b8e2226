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
import datetime
import json

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image import exception
from oslo_image.image import Image, Location, unique

THEN = datetime.datetime(2015, 11, 29, 22, 21, 42, tzinfo=datetime.UTC)
IMAGE = Image(
    id='an-id',
    size=5,
    tags=('a', 'b'),
    properties={'hw_disk_bus': 'virtio'},
    status='active',
    created_at=THEN,
    locations=(
        Location('s3://key:secret@h/b/k', {'store': 's'}, name='eu'),
        Location('https://h/a', external=True),
    ),
)


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
            'visibility': 'public',
            'tags': ['b', 'a'],
            'min_disk': 1,
            'min_ram': 512,
            'protected': True,
            'os_hidden': True,
            'created_at': '2015-11-29T22:21:42Z',
            'updated_at': '2015-11-29T23:21:42+01:00',
            'hw_disk_bus': 'virtio',
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
        status='active',
        owner='somebody',
        visibility='public',
        tags=('a', 'b'),
        min_disk=1,
        min_ram=512,
        protected=True,
        os_hidden=True,
        created_at=THEN,
        updated_at=THEN,
    )
    assert urls(image) == ['rbd://a']
    assert image.locations[0].metadata == {'store': 'ceph'}
    assert not image.locations[0].trusted


def test_empty_record():
    assert Image.from_mapping({}) == Image()


def test_shown_as_glance_does():
    shown = IMAGE.to_mapping()
    assert json.loads(json.dumps(shown)) == shown
    assert 'secret' not in str(shown)
    assert shown['hw_disk_bus'] == 'virtio'
    assert shown['tags'] == ['a', 'b']
    assert shown['created_at'] == '2015-11-29T22:21:42Z'
    assert shown['updated_at'] is None
    assert shown['protected'] is False
    assert shown['locations'] == [
        {
            'url': 's3://***@h/b/k',
            'metadata': {'store': 's'},
            'name': 'eu',
            'external': False,
        },
        {
            'url': 'https://h/a',
            'metadata': {},
            'name': None,
            'external': True,
        },
    ]


def test_what_is_shown_can_be_read():
    again = Image.from_mapping(IMAGE.to_mapping(reveal=True), custom=True)
    assert again == IMAGE
    assert [(one.name, one.external) for one in again.locations] == [
        ('eu', False),
        (None, True),
    ]


def test_an_image_can_stand_in_a_set():
    assert len({IMAGE, dataclasses.replace(IMAGE)}) == 1


def test_custom_properties_are_asked_for():
    record = {
        'hw_disk_bus': 'virtio',
        'number': 7,
        'self': '/v2/images/x',
        'os_glance_failed_import': '',
        'properties': {'nested': 'as Nova has them', 'none': None},
    }
    nested = {'nested': 'as Nova has them'}
    assert Image.from_mapping(record).properties == nested
    image = Image.from_mapping(record, custom=True)
    assert image.properties == {**nested, 'hw_disk_bus': 'virtio'}


@pytest.mark.parametrize(
    'odd',
    [
        {'created_at': 'yesterday'},
        {'created_at': 5},
        {'tags': 'text'},
        {'tags': None},
        {'properties': None},
        {'properties': 'text'},
        {'visibility': None},
        {'protected': None},
    ],
    ids=str,
)
def test_odd_values_are_left_alone(odd):
    """Movers take what Nova and Cinder hand over."""
    assert Image.from_mapping(odd) == Image()


def test_a_time_without_a_zone_is_in_utc():
    naive = THEN.replace(tzinfo=None)
    assert Image.from_mapping({'created_at': naive}).created_at == THEN


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
