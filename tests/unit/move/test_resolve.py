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


"""From an id, a URI and a record to the locations, in order."""

import io
import types

import pytest

from oslo_image import exception, move
from oslo_image.catalog.sqlite import SqliteDriver
from oslo_image.image import Image, Location
from oslo_image.move.preference import preferred
from oslo_image.testing.memory import MemorySource, MemoryWriter

BITS = b'the bits'


@pytest.fixture
def config(tmp_path):
    return {'catalog_database': str(tmp_path / 'catalog.sqlite')}


@pytest.fixture
def driver(config):
    return SqliteDriver(types.SimpleNamespace(**config))


def sources(mover):
    writer = MemoryWriter(positioned=False)
    return [str(offer.source) for offer in mover.plan(writer).offers]


class TestCatalogue:
    def test_an_id_is_asked_of_the_catalogue(self, shelf, driver, config):
        shelf['a'] = MemorySource(BITS)
        image_id = driver.create(Image()).id
        driver.add_location(image_id, Location('shelf://a', name='eu'))
        writer = io.BytesIO()
        result = move.Mover(image_id, config).copy(writer)
        assert writer.getvalue() == BITS
        assert not result.source.trusted
        assert result.source.name == 'eu'

    def test_a_catalogue_that_is_not_there_is_empty(self, config, tmp_path):
        with pytest.raises(exception.ImageNotFound, match='an-id'):
            move.Mover('an-id', config)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        'name', ['/etc/passwd', './disk.raw', '../disk', 'a/b', 'a b', '.']
    )
    def test_a_path_is_no_id(self, config, name):
        with pytest.raises(exception.InvalidLocation, match='file:///path'):
            move.Mover(name, config)

    def test_an_image_without_bits(self, driver, config):
        image_id = driver.create(Image()).id
        with pytest.raises(exception.SourceUnavailable, match='is queued'):
            move.Mover(image_id, config)

    def test_who_brings_a_record_or_data_needs_no_catalogue(self, shelf):
        shelf['a'] = MemorySource(BITS)
        config = {'catalog': 'no-such-driver'}
        record = {'locations': [{'url': 'shelf://a'}]}
        assert sources(move.Mover('any id', config, image=record))
        assert sources(move.Mover('any id', config, data=lambda: [BITS]))
        assert sources(move.Mover('shelf://a', config))
        with pytest.raises(exception.InvalidOption, match='no-such-driver'):
            move.Mover('an-id', config)


class TestNamedLocation:
    RECORD = {
        'locations': [
            {'url': 'shelf://a', 'name': 'us'},
            {'url': 'shelf://b', 'name': 'eu'},
            {'url': 'shelf://c'},
        ]
    }

    def test_no_other_is_used(self, shelf):
        shelf.update({name: MemorySource(BITS) for name in 'abc'})
        mover = move.Mover(
            'an-id', image=self.RECORD, data=lambda: [BITS], location='eu'
        )
        assert sources(mover) == ['shelf://b']

    def test_not_even_when_it_fails(self, shelf):
        shelf.update({name: MemorySource(BITS) for name in 'ac'})
        mover = move.Mover('an-id', image=self.RECORD, location='eu')
        with pytest.raises(exception.ImageNotFound):
            mover.copy(MemoryWriter())

    def test_an_unknown_name_says_what_there_is(self):
        with pytest.raises(exception.ImageNotFound, match='eu, us'):
            move.Mover('an-id', image=self.RECORD, location='asia')
        with pytest.raises(exception.ImageNotFound, match='none with a name'):
            move.Mover('an-id', image={}, location='asia')


class TestImage:
    def test_an_image_is_as_good_as_a_mapping(self, shelf):
        shelf['a'] = MemorySource(BITS)
        image = Image(locations=(Location('shelf://a', trusted=True),))
        mover = move.Mover('an-id', image=image)
        assert sources(mover) == ['shelf://a']
        source = mover.copy(MemoryWriter()).source
        assert not source.trusted


class TestPreference:
    LOCATIONS = tuple(
        Location(uri)
        for uri in (
            'https://h/1',
            'file:///2',
            'swift+https://h/3',
            'rbd://4',
            'http://h/5',
            'filesystem:///6',
        )
    )

    @pytest.mark.parametrize(
        ('strategy', 'types_', 'order'),
        [
            ('location_order', [], '123456'),
            ('location_order', ['rbd'], '123456'),
            ('store_type', [], '123456'),
            ('store_type', ['rbd'], '412356'),
            ('store_type', ['file', 'http'], '261534'),
            ('store_type', [' Filesystem ', 'swift'], '263145'),
            ('store_type', ['cinder', 'https'], '152346'),
        ],
    )
    def test_order(self, strategy, types_, order):
        options = types.SimpleNamespace(
            location_strategy=strategy, store_type_preference=types_
        )
        found = preferred(self.LOCATIONS, options)
        assert ''.join(str(one)[-1] for one in found) == order

    CONFIG = {
        'location_strategy': 'store_type',
        'store_type_preference': ['shelf', 'http'],
    }
    RECORD = {'locations': [{'url': 'other+shelf://b'}, {'url': 'shelf://a'}]}

    def test_it_breaks_ties(self, shelf):
        shelf.update({name: MemorySource(BITS) for name in 'ab'})
        mover = move.Mover('an-id', self.CONFIG, image=self.RECORD)
        assert sources(mover) == ['shelf://a', 'other+shelf://b']

    def test_cost_still_comes_first(self, shelf):
        """A preferred location that can only be streamed is not cheaper."""
        shelf['a'] = MemorySource(BITS, ranged=False)
        shelf['b'] = MemorySource(BITS)
        plan = move.Mover('an-id', self.CONFIG, image=self.RECORD).plan(
            MemoryWriter()
        )
        assert [
            (offer.strategy, str(offer.source)) for offer in plan.offers
        ] == [
            ('parallel', 'other+shelf://b'),
            ('stream', 'shelf://a'),
            ('stream', 'other+shelf://b'),
        ]

    def test_the_callers_own_uri_stays_first(self, shelf):
        shelf.update({name: MemorySource(BITS) for name in 'ab'})
        mover = move.Mover(
            'other+shelf://b',
            self.CONFIG,
            image={'locations': [{'url': 'shelf://a'}]},
        )
        assert sources(mover) == ['other+shelf://b', 'shelf://a']


class TestExternal:
    """A path that does not see the bits takes none that may have changed."""

    RECORD = {
        'os_hash_algo': 'sha256',
        'os_hash_value': '0' * 64,
        'locations': [{'url': 'file:///x', 'external': True}],
    }

    @pytest.fixture
    def plan(self, tmp_path):
        (tmp_path / 'bits').write_bytes(BITS)

        def plan(external=True, verify='auto', **record):
            uri = f'file://{tmp_path}/bits'
            image = {
                **self.RECORD,
                'locations': [{'url': uri, 'external': external}],
                **record,
            }
            config = {'filesystem_store_datadir': str(tmp_path)}
            with open(tmp_path / 'copy', 'wb') as writer:
                mover = move.Mover('an-id', config, image=image)
                found = mover.plan(writer, verify=verify)
            return [offer.strategy for offer in found.offers], found

        return plan

    def test_external_bits_are_seen(self, plan):
        offers, found = plan()
        assert offers == ['parallel', 'stream']
        refusal = next(
            one for one in found.refusals if one.strategy == 'kernel_copy'
        )
        assert 'may have changed' in str(refusal)
        assert 'verify="never"' in refusal.remedy

    def test_our_own_are_not(self, plan):
        assert 'kernel_copy' in plan(external=False)[0]

    def test_who_wants_no_digest_gets_none(self, plan):
        assert 'kernel_copy' in plan(verify='never')[0]

    def test_without_a_digest_there_is_nothing_to_check(self, plan):
        assert 'kernel_copy' in plan(os_hash_value=None)[0]
