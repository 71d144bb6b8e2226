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

import errno
import hashlib
import io
import threading

import pytest

from oslo_image import exception, move
from oslo_image.move import exception as mexc
from oslo_image.move import strategies
from oslo_image.move.strategies.base import Cost, Moved, Strategy, Yes
from oslo_image.testing.memory import MemorySource, MemoryWriter

BITS = hashlib.shake_128(b'bits').digest(3_000_000)
SHA = hashlib.sha256(BITS).hexdigest()
QUICK = {'retry_pause': 0.0}
IMAGE = {'size': len(BITS), 'os_hash_algo': 'sha256', 'os_hash_value': SHA}


def at(*names):
    return {'locations': [{'url': f'shelf://{name}'} for name in names]}


def test_the_call_of_the_mailing_list(shelf, tmp_path):
    shelf['a'] = MemorySource(BITS)
    writer = io.BufferedWriter(io.FileIO(tmp_path / 'disk', mode='wb'))
    success, bytes_written = move.Mover('shelf://a', {}).copy(writer)
    writer.close()
    assert (success, bytes_written) == (True, len(BITS))
    assert (tmp_path / 'disk').read_bytes() == BITS


def test_an_id_takes_its_locations_from_image(shelf):
    shelf['b'] = MemorySource(BITS)
    mover = move.Mover('an-id', image={'id': 'an-id', **at('a', 'b')})
    writer = MemoryWriter()
    result = mover.copy(writer)
    assert writer.published == BITS
    assert str(result.source) == 'shelf://b'
    assert [str(one) for one in result.refusals] == [
        'not used for shelf://a: it is not on the shelf',
        *(
            f'{name} refused for shelf://b: {reason}'
            for name, reason in (
                ('kernel_copy', 'the source is not a file of this machine'),
                ('rbd_clone', 'the source is not an image in Ceph'),
                (
                    'reflink',
                    'the source is not a regular file of this machine',
                ),
                ('s3_copy', 'the source is not an object in S3'),
                ('swift_copy', 'the source is not an object in Swift'),
            )
        ),
    ]


def test_an_unknown_id_is_not_found():
    with pytest.raises(mexc.ImageNotFound, match='no-such-id'):
        move.Mover('no-such-id')


def test_no_location_at_all_is_not_found():
    with pytest.raises(mexc.ImageNotFound, match='no location'):
        move.Mover('an-id', image={'locations': None}).copy(MemoryWriter())


def test_every_location_gone_is_not_found(shelf):
    mover = move.Mover('an-id', image=at('a', 'b'))
    with pytest.raises(mexc.ImageNotFound, match='none of the 2') as caught:
        mover.copy(MemoryWriter())
    assert len(caught.value.__notes__) == 2


def test_who_may_come_back_has_not_lost_the_image(shelf):
    shelf['b'] = exception.SourceUnavailable('try later')
    mover = move.Mover('an-id', image=at('a', 'b'))
    with pytest.raises(exception.SourceUnavailable, match='try later'):
        mover.copy(MemoryWriter())


def test_the_uri_comes_first_and_is_trusted(shelf):
    shelf['own'] = MemorySource(BITS)
    shelf['a'] = MemorySource(BITS)
    mover = move.Mover('shelf://own', image=at('a', 'own', 'a'))
    locations = [
        (str(offer.source), offer.source.trusted)
        for offer in mover.plan(MemoryWriter(positioned=False)).offers
    ]
    assert locations == [('shelf://own', True), ('shelf://a', False)]


class TestZeroCopyRequired:
    def test_no_offer_is_a_clean_no(self, shelf):
        shelf['a'] = MemorySource(BITS)
        writer = MemoryWriter()
        result = move.Mover('shelf://a', image={'disk_format': 'raw'}).copy(
            writer, zero_copy='require'
        )
        assert tuple(result) == (False, 0)
        assert {one.strategy for one in result.refusals} >= {
            'reflink',
            'parallel',
            'stream',
        }
        assert shelf['a'].reads == 0
        assert writer.published is None

    def test_the_writer_can_be_used_afterwards(self, shelf):
        shelf['a'] = MemorySource(BITS)
        mover, writer = move.Mover('shelf://a'), MemoryWriter()
        assert not mover.copy(writer, zero_copy='require').success
        assert mover.copy(writer).success
        assert writer.published == BITS


class Choosy(Strategy):
    """Refuses when it runs; before or after it wrote something."""

    name = 'choosy'
    cost = Cost.METADATA
    zero_copy = True

    def __init__(self, writes=False):
        self.writes = writes

    def offer(self, source, writer, needs):
        return Yes()

    def run(self, source, writer, pipe):
        if self.writes:
            writer.put(0, memoryview(b'half'))
        raise exception.Refused('it would rather not', 'ask again')


class Cloner(Choosy):
    name = 'cloner'

    def run(self, source, writer, pipe):
        writer.put(0, memoryview(BITS))
        return Moved(source.size, 0, parent=('pool', 'image', 'snap'))


@pytest.fixture
def strategy(monkeypatch):
    """Add strategies to those that are installed."""

    def add(*more):
        found, broken = strategies.plugins()
        monkeypatch.setattr(
            strategies, 'plugins', lambda: ((*more, *found), broken)
        )

    return add


class TestOutcomes:
    def test_a_refusal_falls_through_and_is_told(self, shelf, strategy):
        strategy(Choosy())
        shelf['a'] = MemorySource(BITS)
        writer = MemoryWriter()
        result = move.Mover('shelf://a').copy(writer)
        assert (result.strategy, writer.published) == ('parallel', BITS)
        assert (
            'choosy refused for shelf://a: it would rather not (ask again)'
        ) in map(str, result.refusals)

    def test_who_asks_is_told_the_plan_and_every_turn(
        self, shelf, strategy, breaking
    ):
        strategy(Choosy())
        shelf['a'] = breaking(BITS, exception.SourceError, 2_000_000)
        shelf['b'] = MemorySource(BITS)
        told = []
        move.Mover('an-id', image=at('a', 'b')).copy(
            MemoryWriter(), notify=told.append
        )
        assert isinstance(told[0], move.Plan)
        assert [
            (type(one).__name__, one.strategy, str(one.source))
            for one in told[1:]
        ] == [
            ('Offer', 'choosy', 'shelf://a'),
            ('Refusal', 'choosy', 'shelf://a'),
            ('Offer', 'choosy', 'shelf://b'),
            ('Refusal', 'choosy', 'shelf://b'),
            ('Offer', 'parallel', 'shelf://a'),
            ('Refusal', 'parallel', 'shelf://a'),
            ('Offer', 'parallel', 'shelf://b'),
        ]

    def test_what_is_refused_at_the_commit_falls_through(
        self, shelf, strategy
    ):
        strategy(Cloner())
        shelf['a'] = MemorySource(BITS)

        class Guarded(MemoryWriter):
            commits = 0

            def commit(self, size=None):
                self.commits += 1
                if self.commits == 1:
                    raise exception.Refused('it takes no clone')
                return super().commit(size)

        writer = Guarded()
        result = move.Mover('shelf://a').copy(writer)
        assert (result.strategy, writer.published) == ('parallel', BITS)
        assert 'it takes no clone' in {one.reason for one in result.refusals}

    def test_a_refusal_after_writing_in_place_is_an_error(
        self, shelf, strategy
    ):
        strategy(Choosy(writes=True))
        shelf['a'] = MemorySource(BITS)
        with pytest.raises(exception.DestinationError) as caught:
            move.Mover('shelf://a').copy(MemoryWriter(stale=b'old bits'))
        assert caught.value.destination_state == 'modified'
        assert caught.value.strategy == 'choosy'

    def test_a_refusal_after_writing_what_can_be_dropped_falls_through(
        self, shelf, strategy
    ):
        strategy(Choosy(writes=True))
        shelf['a'] = MemorySource(BITS)
        writer = MemoryWriter()
        assert move.Mover('shelf://a').copy(writer).strategy == 'parallel'
        assert writer.published == BITS

    def test_a_clone_writes_no_bytes_and_names_its_parent(
        self, shelf, strategy
    ):
        strategy(Cloner())
        shelf['a'] = MemorySource(BITS)
        result = move.Mover('shelf://a', image=IMAGE).copy(MemoryWriter())
        assert tuple(result) == (True, 0)
        assert result.zero_copy
        assert result.parent == ('pool', 'image', 'snap')
        assert result.digest_state == 'carried'
        assert not result.verified

    def test_what_the_writer_raises_ends_the_copy(self, shelf):
        class Full(MemoryWriter):
            def put(self, offset, data):
                raise exception.NoSpace('full', side='destination', errno=28)

        shelf['a'], shelf['b'] = MemorySource(BITS), MemorySource(BITS)
        with pytest.raises(exception.NoSpace) as caught:
            move.Mover('an-id', image=at('a', 'b')).copy(Full())
        assert caught.value.errno == 28
        assert caught.value.strategy == 'parallel'
        assert shelf['b'].reads == 0

    def test_an_interrupt_takes_everything_back(self, shelf):
        class Interrupted(MemoryWriter):
            def commit(self, size=None):
                raise KeyboardInterrupt

        shelf['a'] = MemorySource(BITS)
        writer = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            move.Mover('shelf://a').copy(writer)
        assert not writer.puts
        assert not writer.writable()

    def test_sources_are_closed(self, shelf):
        shelf['a'] = MemorySource(BITS)
        mover = move.Mover('shelf://a')
        mover.plan(MemoryWriter())
        assert shelf['a'].closed


class TestManyLocations:
    @pytest.mark.parametrize('ranged', [True, False])
    def test_a_broken_one_hands_over_in_the_middle(
        self, shelf, breaking, ranged
    ):
        shelf['a'] = breaking(
            BITS, exception.SourceUnavailable, 2_500_000, ranged=ranged
        )
        shelf['b'] = breaking(BITS, None, 0, times=0)
        writer = MemoryWriter(positioned=ranged)
        result = move.Mover(
            'an-id', {**QUICK, 'retries': 1}, image={**IMAGE, **at('a', 'b')}
        ).copy(writer)
        assert writer.published == BITS
        assert result.verified
        assert str(result.source) == 'shelf://b'
        assert min(shelf['b'].offsets) == 2_500_000
        assert isinstance(result.error, exception.SourceUnavailable)
        assert 'went on at shelf://b' in str(result.refusals[-1])

    @pytest.mark.parametrize(
        'declared', [{}, {'checksum': hashlib.md5(BITS).hexdigest()}]
    )
    def test_without_a_strong_digest_the_next_starts_at_byte_0(
        self, shelf, breaking, declared
    ):
        shelf['a'] = breaking(BITS, exception.SourceError, 2_500_000)
        shelf['b'] = breaking(BITS, exception.SourceError, 0, times=0)
        writer = MemoryWriter()
        result = move.Mover(
            'an-id', QUICK, image={**declared, **at('a', 'b')}
        ).copy(writer)
        assert writer.published == BITS
        assert str(result.source) == 'shelf://b'
        assert min(shelf['b'].offsets) == 0
        assert isinstance(result.error, exception.SourceError)

    def test_wrong_bytes_are_made_good_by_the_next(self, shelf):
        shelf['a'] = MemorySource(BITS[:-1] + b'!')
        shelf['b'] = MemorySource(BITS)
        writer = MemoryWriter()
        result = move.Mover('an-id', image={**IMAGE, **at('a', 'b')}).copy(
            writer
        )
        assert writer.published == BITS
        assert result.verified
        assert isinstance(result.error, exception.DigestMismatch)

    def test_bytes_of_two_versions_are_never_a_success(self, shelf, breaking):
        shelf['a'] = breaking(BITS, exception.SourceError, 1_000_000)
        shelf['b'] = MemorySource(b'?' * len(BITS))
        writer = MemoryWriter()
        with pytest.raises(exception.IntegrityError) as caught:
            move.Mover('an-id', image={**IMAGE, **at('a', 'b')}).copy(writer)
        assert caught.value.destination_state == 'untouched'
        assert writer.published is None

    @pytest.mark.parametrize('name', ['md5', 'MD5', 'SHA1', 'md5-sha1'])
    def test_a_weak_digest_joins_no_two_locations(self, shelf, breaking, name):
        value = hashlib.new(name, BITS).hexdigest()
        image = {'os_hash_algo': name, 'os_hash_value': value}
        shelf['a'] = breaking(BITS, exception.SourceError, 2_500_000)
        shelf['b'] = breaking(BITS, None, 0, times=0)
        result = move.Mover(
            'an-id', QUICK, image={**image, **at('a', 'b')}
        ).copy(MemoryWriter())
        assert result.verified
        assert min(shelf['b'].offsets) == 0

    def test_one_that_took_over_and_broke_is_tried_alone(
        self, shelf, breaking
    ):
        shelf['a'] = breaking(BITS, exception.SourceError, 1_000_000)
        shelf['b'] = breaking(BITS, exception.SourceError, 2_000_000, times=1)
        writer = MemoryWriter(positioned=False)
        result = move.Mover(
            'an-id', QUICK, image={**IMAGE, **at('a', 'b')}
        ).copy(writer)
        assert writer.published == BITS
        assert result.verified

    def test_one_given_up_need_not_be_unchanged(self, shelf, breaking):
        class Gone(breaking):
            def check_unchanged(self):
                raise exception.SourceChanged('gone', side='source')

        shelf['a'] = Gone(BITS, exception.SourceError, 1_000_000)
        shelf['b'] = MemorySource(BITS)
        writer = MemoryWriter()
        assert (
            move.Mover('an-id', QUICK, image={**IMAGE, **at('a', 'b')})
            .copy(writer)
            .verified
        )

    def test_the_state_is_that_after_the_last_one(self, shelf, breaking):
        shelf['a'] = breaking(BITS, exception.SourceError, 0)
        shelf['b'] = breaking(BITS, exception.SourceError, 2_000_000)
        with pytest.raises(exception.SourceError) as caught:
            move.Mover('an-id', QUICK, image=at('a', 'b')).copy(
                MemoryWriter(stale=b'old')
            )
        assert caught.value.destination_state == 'modified'

    @pytest.mark.parametrize(
        'entry',
        [
            {'url': 'file:///a%00b'},
            {'url': 'file:///proc/self/fd/0'},
            {'url': 'file://host/x'},
            {'url': 'file:///x', 'metadata': {'store': ['x']}},
            {'url': 'file:///x', 'metadata': 'text'},
            {'url': 'gopher://x'},
        ],
        ids=str,
    )
    def test_a_nonsensical_one_is_not_used(self, shelf, entry):
        shelf['b'] = MemorySource(BITS)
        record = {'locations': [entry, {'url': 'shelf://b'}]}
        writer = MemoryWriter()
        assert move.Mover('x', image=record).copy(writer).success
        assert writer.published == BITS

    def test_all_wrong_raises_the_first_error(self, shelf):
        shelf['a'] = MemorySource(BITS[:-1] + b'!')
        shelf['b'] = MemorySource(BITS[:-1] + b'?')
        with pytest.raises(exception.DigestMismatch) as caught:
            move.Mover('an-id', image={**IMAGE, **at('a', 'b')}).copy(
                MemoryWriter()
            )
        assert str(caught.value.source) == 'shelf://a'
        assert 'shelf://b' in caught.value.__notes__[0]

    def test_a_writer_that_cannot_go_back_raises(self, shelf, breaking):
        shelf['a'] = breaking(BITS, exception.SourceError, 2_000_000)
        shelf['b'] = MemorySource(BITS)
        with pytest.raises(exception.SourceError) as caught:
            move.Mover('an-id', image=at('a', 'b')).copy(
                MemoryWriter(stale=b'old')
            )
        assert caught.value.destination_state == 'modified'
        assert caught.value.side == 'source'

    def test_a_location_of_another_size_is_not_used(self, shelf):
        shelf['a'], shelf['b'] = MemorySource(BITS[1:]), MemorySource(BITS)
        writer = MemoryWriter()
        result = move.Mover(
            'an-id', image={'size': len(BITS), **at('a', 'b')}
        ).copy(writer)
        assert writer.published == BITS
        assert 'it has 2999999 bytes and the image 3000000' in str(
            result.refusals[0]
        )


class TestResuming:
    def test_from_the_byte_delivered(self, shelf, breaking):
        shelf['a'] = breaking(
            BITS, exception.Truncated, 1_234_567, times=2, ranged=True
        )
        writer = MemoryWriter(positioned=False)
        result = move.Mover('shelf://a', {**QUICK, 'retries': 2}).copy(writer)
        assert writer.published == BITS
        assert result.error is None
        assert shelf['a'].offsets.count(1_234_567) == 3

    def test_not_for_ever(self, shelf, breaking):
        shelf['a'] = breaking(BITS, exception.SourceUnavailable, 5)
        with pytest.raises(exception.SourceUnavailable) as caught:
            move.Mover('shelf://a', {**QUICK, 'retries': 3}).copy(
                MemoryWriter(positioned=False)
            )
        assert shelf['a'].offsets.count(5) == 4
        assert caught.value.offset == 5
        assert caught.value.destination_state == 'untouched'

    def test_never_what_will_not_mend(self, shelf, breaking):
        shelf['a'] = breaking(BITS, exception.SourceChanged, 5)
        with pytest.raises(exception.SourceChanged):
            move.Mover('shelf://a', QUICK).copy(MemoryWriter(positioned=False))
        assert shelf['a'].offsets.count(5) == 1

    def test_a_stream_of_a_pinned_version_is_read_again(self, shelf, breaking):
        shelf['a'] = breaking(
            BITS, exception.Truncated, 2_000_000, times=1, ranged=False
        )
        writer = MemoryWriter()
        assert move.Mover('shelf://a', QUICK).copy(writer).success
        assert writer.published == BITS
        assert shelf['a'].offsets.count(0) == 2

    def test_a_stream_without_a_version_is_not(self, shelf, breaking):
        shelf['a'] = breaking(
            BITS,
            exception.Truncated,
            2_000_000,
            times=1,
            ranged=False,
            version=None,
        )
        with pytest.raises(exception.Truncated):
            move.Mover('shelf://a', QUICK).copy(MemoryWriter())

    def test_a_server_that_asks_for_too_much_patience_is_gone(
        self, shelf, breaking
    ):
        def unavailable(message):
            return exception.SourceUnavailable(message, retry_after=3600)

        shelf['a'] = breaking(BITS, unavailable, 5)
        with pytest.raises(exception.SourceUnavailable):
            move.Mover('shelf://a').copy(MemoryWriter(positioned=False))
        assert shelf['a'].offsets.count(5) == 1


class TestData:
    @pytest.mark.parametrize(
        'data',
        [
            lambda: io.BytesIO(BITS),
            lambda: (BITS[at : at + 777] for at in range(0, len(BITS), 777)),
            lambda: [b'', bytearray(BITS[:5]), memoryview(BITS)[5:], b''],
        ],
        ids=['reader', 'iterator', 'list'],
    )
    def test_it_is_the_last_location(self, data):
        writer = MemoryWriter()
        result = move.Mover('an-id', data=data, image=IMAGE).copy(writer)
        assert writer.published == BITS
        assert (result.strategy, result.verified) == ('stream', True)

    def test_it_is_called_only_when_it_is_needed(self, shelf):
        calls = []
        shelf['a'] = MemorySource(BITS)
        mover = move.Mover(
            'an-id', image=at('a'), data=lambda: calls.append(1)
        )
        mover.plan(MemoryWriter())
        assert mover.copy(MemoryWriter()).success
        assert not calls

    def test_it_takes_over_from_byte_0(self, shelf, breaking):
        shelf['a'] = breaking(BITS, exception.SourceError, 2_000_000)
        calls = []

        def data():
            calls.append(1)
            return io.BytesIO(BITS)

        writer = MemoryWriter()
        mover = move.Mover('an-id', image={**IMAGE, **at('a')}, data=data)
        assert mover.copy(writer).verified
        assert writer.published == BITS
        assert len(calls) == 1

    def test_too_few_bytes_are_truncated(self):
        mover = move.Mover('x', image=IMAGE, data=lambda: [BITS[:-1]])
        with pytest.raises(exception.Truncated, match='2999999 bytes came'):
            mover.copy(MemoryWriter())

    def test_too_many_bytes_are_a_mismatch(self):
        mover = move.Mover('x', image=IMAGE, data=lambda: [BITS, b'!'])
        with pytest.raises(exception.SizeMismatch, match='more than'):
            mover.copy(MemoryWriter())

    def test_size_0_is_unknown(self):
        writer = MemoryWriter()
        mover = move.Mover('x', image={'size': 0}, data=lambda: [BITS])
        assert tuple(mover.copy(writer)) == (True, len(BITS))

    @pytest.mark.parametrize('what', ['text', 7, None])
    def test_what_is_not_bytes_is_refused(self, what):
        for data in ([what], what):
            if data == 'text':
                continue  # an iterable of what is no bytes
            mover = move.Mover('x', data=lambda data=data: data)
            with pytest.raises(exception.InvalidSource):
                mover.copy(MemoryWriter())

    def test_a_reader_that_has_nothing_yet_is_not_at_its_end(self):
        class Slow:
            pieces = [b'abc', None, b'def', b'']

            def read(self, length):
                return self.pieces.pop(0)

        with pytest.raises(exception.InvalidSource):
            move.Mover('x', data=Slow).copy(MemoryWriter())

    def test_plain_bytes_will_do(self):
        writer = MemoryWriter()
        assert move.Mover('x', data=lambda: BITS).copy(writer).success
        assert writer.published == BITS

    @pytest.mark.parametrize('where', ['call', 'read', 'iterate'])
    def test_an_os_error_of_the_callers_is_the_sources(self, where):
        def fail(*_):
            raise OSError(errno.EPIPE, 'Corrupt image download')

        class Reader:
            read = fail

        def iterate():
            yield b'some'
            fail()

        data = {'call': fail, 'read': Reader, 'iterate': iterate}[where]
        with pytest.raises(exception.SourceError) as caught:
            move.Mover('x', data=data).copy(MemoryWriter())
        assert caught.value.errno == errno.EPIPE
        assert caught.value.side == 'source'
        assert isinstance(caught.value.__cause__, OSError)


class TestDigests:
    def copy(self, image, **needs):
        return move.Mover('x', image=image, data=lambda: [BITS]).copy(
            MemoryWriter(), **needs
        )

    def test_the_strong_one_counts(self):
        found = self.copy({**IMAGE, 'checksum': '0' * 32})
        assert found.digests == {'sha256': SHA}
        assert (found.digest_state, found.verified) == ('computed', True)

    def test_else_the_checksum(self):
        value = hashlib.md5(BITS).hexdigest()
        assert self.copy({'checksum': value}).digests == {'md5': value}

    def test_none_is_absent(self):
        found = self.copy({})
        assert (found.digests, found.digest_state) == ({}, 'absent')
        assert not found.verified

    def test_always_computes_one(self):
        found = self.copy({}, verify='always')
        assert found.digests == {'sha512': hashlib.sha512(BITS).hexdigest()}
        assert (found.digest_state, found.verified) == ('computed', False)

    def test_never_carries_it(self):
        wrong = {**IMAGE, 'os_hash_value': '0' * 64}
        found = self.copy(wrong, verify='never')
        assert (found.digests, found.digest_state) == ({}, 'carried')

    def test_an_unknown_algorithm_is_named(self):
        strange = {'os_hash_algo': 'crc7', 'os_hash_value': '00'}
        with pytest.raises(exception.InvalidOption, match='crc7'):
            self.copy(strange)
        assert self.copy(strange, verify='never').success

    def test_a_verifier_gets_every_byte_in_order(self):
        class Verifier(list):  # an empty list is false
            seen = b''

            def update(self, data):
                self.seen += data

        verifier = Verifier()
        assert self.copy({}, verifier=verifier).success
        assert verifier.seen == BITS

    def test_a_verifier_gets_no_byte_twice(self, shelf, breaking):
        """It cannot forget what it had, so no other location begins anew."""

        class Verifier:
            seen = b''

            def update(self, data):
                self.seen += data

        verifier = Verifier()
        shelf['a'] = breaking(BITS, exception.SourceError, 2_500_000)
        shelf['b'] = MemorySource(BITS)
        with pytest.raises(exception.SourceError) as caught:
            move.Mover('x', QUICK, image=at('a', 'b')).copy(
                MemoryWriter(positioned=False), verifier=verifier
            )
        assert 'verifier' in caught.value.__notes__[0]
        assert BITS.startswith(verifier.seen)
        assert not shelf['b'].reads

    def test_one_that_had_none_may_begin_elsewhere(self, shelf, breaking):
        verifier = hashlib.sha256()
        shelf['a'] = breaking(BITS, exception.SourceError, 0)
        shelf['b'] = MemorySource(BITS)
        result = move.Mover('x', QUICK, image=at('a', 'b')).copy(
            MemoryWriter(), verifier=verifier
        )
        assert result.success
        assert verifier.hexdigest() == SHA


class TestLimits:
    def test_the_cap_holds_before_a_byte_moves(self, shelf):
        shelf['a'] = MemorySource(BITS)
        mover = move.Mover('shelf://a', {'image_size_cap': 2_999_999})
        for call in (mover.plan, mover.copy):
            with pytest.raises(exception.TooLarge):
                call(MemoryWriter())
        assert shelf['a'].reads == 0

    def test_max_size_holds_on_a_stream(self):
        mover = move.Mover('x', data=lambda: [BITS])
        with pytest.raises(exception.TooLarge):
            mover.copy(MemoryWriter(), max_size=2_999_999)
        assert mover.copy(MemoryWriter(), max_size=3_000_000).success

    def test_max_size_does_not_lift_the_cap(self):
        mover = move.Mover('x', {'image_size_cap': 9}, data=lambda: [BITS])
        with pytest.raises(exception.TooLarge):
            mover.copy(MemoryWriter(), max_size=1 << 40)

    def test_a_declared_virtual_size_counts(self):
        mover = move.Mover(
            'x', image={'virtual_size': 1 << 41}, data=lambda: [BITS]
        )
        with pytest.raises(exception.TooLarge):
            mover.copy(MemoryWriter())

    def test_an_unsafe_image_is_not_tried_elsewhere(self, shelf):
        content = b'QFI\xfb' + bytes(4096)
        shelf['a'] = MemorySource(content)
        shelf['b'] = MemorySource(content)
        writer = MemoryWriter()
        with pytest.raises(exception.UnsafeImage) as caught:
            move.Mover('x', image={'disk_format': 'raw', **at('a', 'b')}).copy(
                writer
            )
        assert caught.value.destination_state == 'untouched'
        assert shelf['b'].reads == 0

    def test_a_clone_is_inspected_too(self, shelf, strategy):
        strategy(Cloner())
        shelf['a'] = MemorySource(b'QFI\xfb' + bytes(1 << 20))
        mover = move.Mover('shelf://a', image={'disk_format': 'raw'})
        writer = MemoryWriter()
        with pytest.raises(exception.UnsafeImage):
            mover.copy(writer)
        assert not writer.puts
        assert mover.copy(writer := MemoryWriter(), inspect='never').zero_copy

    @pytest.mark.parametrize('off', [[], ['parallel']])
    def test_other_bytes_than_those_inspected(self, shelf, off):
        class TwoFaced(MemorySource):
            def read_into(self, offset, buffer):
                count = super().read_into(offset, buffer)
                if self.reads > 1 and not offset:
                    buffer[:4] = b'QFI\xfb'
                return count

        shelf['a'] = TwoFaced(BITS)
        writer = MemoryWriter()
        mover = move.Mover('shelf://a', image={'disk_format': 'raw'})
        with pytest.raises(exception.UnsafeImage, match='other bytes'):
            mover.copy(writer, disabled=off)
        assert writer.published is None

    def test_an_unsafe_stream_is_not_even_begun(self):
        written = []

        class Pipe:
            def write(self, data):
                written.append(data)

        with pytest.raises(exception.UnsafeImage):
            move.Mover(
                'x',
                image={'disk_format': 'raw'},
                data=lambda: [b'QFI\xfb' + bytes(1 << 22)],
            ).copy(Pipe())
        assert not written


class TestContext:
    """An error says what was copied where, how, and which side failed."""

    def test_the_source_side(self, shelf, breaking):
        shelf['a'] = breaking(BITS, exception.SourceError, 2_000_000)
        with pytest.raises(exception.SourceError) as caught:
            move.Mover('shelf://a').copy(MemoryWriter(positioned=False))
        assert str(caught.value) == (
            'reading the source: it broke [source shelf://a; destination '
            'memory://destination; strategy stream; offset 2000000; '
            'destination state untouched]'
        )

    def test_the_destination_side(self, shelf, tmp_path):
        shelf['a'] = MemorySource(BITS)
        with open('/dev/full', 'wb') as writer:
            with pytest.raises(exception.NoSpace) as caught:
                move.Mover('shelf://a').copy(writer)
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.side == 'destination'
        text = str(caught.value)
        assert 'file:///dev/full; strategy stream; offset 0' in text

    def test_a_foreign_object(self, shelf):
        class Broken:
            def write(self, data):
                raise OSError(errno.EIO, 'no')

        shelf['a'] = MemorySource(BITS)
        with pytest.raises(exception.DestinationError) as caught:
            move.Mover('shelf://a').copy(Broken())
        assert 'destination a Broken; strategy stream' in str(caught.value)

    def test_what_is_no_writer(self, shelf):
        with pytest.raises(exception.InvalidWriter, match='source shelf://a'):
            move.Mover('shelf://a').copy(None)

    def test_an_open_file_is_named_in_the_result(self, shelf, tmp_path):
        shelf['a'] = MemorySource(BITS)
        with open(tmp_path / 'x', 'wb') as writer:
            result = move.Mover('shelf://a').copy(writer)
        assert str(result.destination) == f'file://{tmp_path}/x'


class TestProgress:
    def test_it_ends_at_the_total(self, shelf):
        shelf['a'] = MemorySource(BITS)
        seen = []
        move.Mover('shelf://a').copy(
            MemoryWriter(), progress=lambda *one: seen.append(one)
        )
        assert seen == sorted(seen)
        assert seen[-1] == (len(BITS), len(BITS))

    def test_of_an_empty_image_too(self, shelf):
        shelf['a'] = MemorySource(b'')
        seen = []
        result = move.Mover('shelf://a').copy(
            MemoryWriter(), progress=lambda *one: seen.append(one)
        )
        assert tuple(result) == (True, 0)
        assert not result.zero_copy
        assert seen == [(0, 0)]

    def test_a_cancellation_is_seen_between_two_parts_of_a_hole(self, shelf):
        size = 1 << 40
        shelf['a'] = MemorySource(b'', extents=[(0, size, True)])
        shelf['a'].size = size
        cancel = threading.Event()

        class Writer(MemoryWriter):
            def put_zeros(self, offset, length):
                if offset:
                    cancel.set()

        with pytest.raises(exception.Cancelled):
            move.Mover('shelf://a').copy(Writer(), cancel=cancel)

    def test_a_cancellation_at_the_last_byte_commits_nothing(self, shelf):
        shelf['a'] = MemorySource(BITS)
        cancel = threading.Event()
        writer = MemoryWriter()

        def progress(done, total):
            if done == total:
                cancel.set()

        with pytest.raises(exception.Cancelled):
            move.Mover('shelf://a').copy(
                writer, cancel=cancel, progress=progress
            )
        assert writer.published is None

    @pytest.mark.parametrize('call', ['begin', 'put', 'commit'])
    @pytest.mark.parametrize('positioned', [True, False])
    def test_a_cancellation_wakes_a_destination_that_waits(
        self, shelf, call, positioned
    ):
        """Whatever the call, and whichever thread it is in."""
        woken, cancel = threading.Event(), threading.Event()

        class Writer(MemoryWriter):
            def interrupt(self):
                woken.set()

        def wait(self, *ignored):
            cancel.set()
            assert woken.wait(20)
            raise exception.DestinationError('broken off', side='destination')

        setattr(Writer, call, wait)
        shelf['a'] = MemorySource(BITS)
        writer = Writer()
        writer.positioned = positioned

        with pytest.raises(exception.Cancelled) as caught:
            move.Mover('shelf://a').copy(writer, cancel=cancel)

        assert caught.value.destination_state == 'untouched'
        assert writer.published is None

    def test_what_is_refused_when_it_is_cancelled_is_tried_no_other_way(
        self, shelf
    ):
        cancel, woken = threading.Event(), threading.Event()

        class Writer(MemoryWriter):
            def interrupt(self):
                woken.set()

            def commit(self, size=None):
                cancel.set()
                assert woken.wait(20)
                raise exception.Refused('not after all')

        shelf['a'] = MemorySource(BITS)
        with pytest.raises(exception.Cancelled):
            move.Mover('shelf://a').copy(Writer(), cancel=cancel)

    def test_a_copy_that_is_done_is_not_undone(self, shelf):
        cancel = threading.Event()

        class Writer(MemoryWriter):
            def commit(self, size=None):
                cancel.set()
                return super().commit(size)

        shelf['a'] = MemorySource(BITS)
        writer = Writer()
        assert move.Mover('shelf://a').copy(writer, cancel=cancel).success
        assert bytes(writer.published) == BITS


def test_a_writer_declared_for_another_size_moves_nothing(shelf):
    shelf['a'] = MemorySource(BITS)
    with pytest.raises(exception.SizeMismatch, match='declared for 5'):
        move.Mover('shelf://a').copy(MemoryWriter(size=5))
    assert not shelf['a'].reads


def test_a_second_ctrl_c_leaves_no_thread_that_writes(shelf):
    """Two interrupts, the second while the workers are awaited."""
    entered, go_on = threading.Event(), threading.Event()

    class Slow(MemorySource):
        def read_into(self, offset, buffer):
            entered.set()
            go_on.wait(10)
            return super().read_into(offset, buffer)

        def interrupt(self):
            timer = threading.Timer(0.2, go_on.set)
            timer.start()
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt  # the second one

    def interrupted(done, total):
        raise KeyboardInterrupt

    shelf['a'] = Slow(bytes(100) + BITS * 8)
    writer = MemoryWriter()
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises((KeyboardInterrupt, exception.Cancelled)):
        move.Mover('shelf://a').copy(writer, cancel=cancel)
    assert not [
        one
        for one in threading.enumerate()
        if one.name.startswith('oslo-image')
    ]


class TestBadInput:
    @pytest.mark.parametrize(
        'uri',
        [
            'file://',
            'file://host/path',
            'file:///a\0b',
            'file:///a\nb',
            'file:///dir/',
            'file:///a://b',
            'http://',
            'http://host:99999/x',
            'http://host:port/x',
            '://x',
            '',
        ],
    )
    def test_a_malformed_uri(self, uri):
        with pytest.raises(exception.InvalidLocation):
            move.Mover(uri)

    def test_an_unknown_scheme_lists_the_known(self):
        with pytest.raises(exception.UnknownScheme, match='gopher.*file'):
            move.Mover('gopher://x/y')

    def test_an_unknown_need(self):
        with pytest.raises(exception.InvalidOption, match='allow_clone'):
            move.Mover('file:///x').copy(io.BytesIO(), allow_clone=True)

    @pytest.mark.parametrize(
        'needs',
        [
            {'zero_copy': 'maybe'},
            {'verify': True},
            {'inspect': None},
            {'rate_limit': 0},
            {'max_size': -1},
            {'disabled': 'stream'},
            {'disabled': ['clone']},
            {'max_size': '1G'},
            {'rate_limit': 1.5},
            {'verifier': object()},
        ],
    )
    def test_a_need_out_of_bounds(self, needs):
        with pytest.raises(exception.InvalidOption):
            move.Mover('file:///x').copy(io.BytesIO(), **needs)

    @pytest.mark.parametrize(
        'image',
        [
            [],
            {'size': '3'},
            {'size': -1},
            {'locations': ['shelf://a']},
            {'locations': [{'uri': 'shelf://a'}]},
        ],
    )
    def test_a_record_that_is_none(self, image):
        with pytest.raises(
            (exception.InvalidOption, exception.InvalidLocation)
        ):
            move.Mover('x', image=image)

    def test_a_digest_without_a_value_is_named_before_the_copy(self, shelf):
        shelf['a'] = MemorySource(BITS)
        image = {'os_hash_algo': 'shake_128', 'os_hash_value': '00'}
        writer = MemoryWriter()
        with pytest.raises(exception.InvalidOption, match='shake_128'):
            move.Mover('shelf://a', image=image).copy(writer)
        assert shelf['a'].reads == 0

    def test_control_characters_are_not_repeated(self):
        for name in ('an\nid', 'shelf://a\nb', 'x\x1b[2J'):
            with pytest.raises(exception.ImageError) as caught:
                move.Mover(name)
            assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        'writer', [None, 'path', io.StringIO(), io.BytesIO, object()]
    )
    def test_what_is_no_writer(self, shelf, writer):
        shelf['a'] = MemorySource(BITS)
        with pytest.raises(exception.InvalidWriter):
            move.Mover('shelf://a').copy(writer)
