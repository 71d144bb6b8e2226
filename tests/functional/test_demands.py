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

"""All that a caller may demand of a copy, whatever the writer."""

import contextlib
import hashlib
import io
import os
import threading

import pytest

from oslo_image import exception, move, stores
from oslo_image.move import pacer
from tests.clock import Clock
from tests.functional import images, writers
from tests.functional.images import KiB, MiB

SIZE = 4 * MiB + 123


@pytest.fixture
def source(place):
    return images.holey(place / 'source', SIZE)


@pytest.fixture
def image(source):
    return source.read_bytes()


class Recorder:
    """A verifier, as cursive's: all that it wants is update()."""

    def __init__(self):
        self.data = bytearray()

    def update(self, data):
        assert isinstance(data, bytes)
        self.data += data


class TestDemands:
    @writers.by(('parallel', 'stream'))
    def test_a_digest_always(self, place, source, image, kind, strategy):
        with kind(place) as target:
            result = images.mover(source).copy(
                target.writer,
                verify='always',
                disabled=images.all_but(strategy),
            )

        digest = hashlib.sha512(image).hexdigest()
        assert result.digests == {'sha512': digest}
        assert result.digest_state == 'computed'
        assert not result.verified  # there was nothing to compare with

    @pytest.mark.parametrize('algorithm', ['md5', 'sha256', 'sha512'])
    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_a_declared_digest(
        self, place, source, image, strategy, algorithm
    ):
        digest = hashlib.new(algorithm, image).hexdigest()
        declared = {'os_hash_algo': algorithm, 'os_hash_value': digest}

        result = images.mover(source, image=declared).copy(
            stores.open_writer(images.uri(place / 'target')),
            verify='always',
            disabled=images.all_but(strategy),
        )

        assert result.verified
        assert result.digests == {algorithm: digest}

    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_a_wrong_digest_leaves_nothing(self, place, source, strategy):
        declared = {'os_hash_algo': 'sha256', 'os_hash_value': '0' * 64}

        with pytest.raises(exception.DigestMismatch) as caught:
            images.mover(source, image=declared).copy(
                stores.open_writer(images.uri(place / 'target')),
                disabled=images.all_but(strategy),
            )

        assert caught.value.destination_state == 'untouched'
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize(
        'demand', [{'verify': 'always'}, {'verifier': Recorder()}]
    )
    def test_who_wants_the_bytes_gets_no_path_without_them(
        self, place, source, demand
    ):
        plan = images.mover(source).plan(
            stores.open_writer(images.uri(place / 'target')), **demand
        )

        offered = [offer.strategy for offer in plan.offers]
        assert offered == ['parallel', 'stream']

    @writers.by(('parallel', 'stream'))
    def test_a_verifier_gets_every_byte_in_order(
        self, place, source, image, kind, strategy
    ):
        verifier = Recorder()
        with kind(place) as target:
            result = images.mover(source).copy(
                target.writer,
                verifier=verifier,
                disabled=images.all_but(strategy),
            )

        assert result.success
        assert bytes(verifier.data) == image

    @pytest.mark.parametrize('strategy', ['parallel', 'stream'])
    def test_a_verifier_may_end_it(self, place, source, strategy):
        class Unsigned(Exception):
            pass

        class Verifier:
            def update(self, data):
                raise Unsigned

        with pytest.raises(Unsigned):
            images.mover(source).copy(
                stores.open_writer(images.uri(place / 'target')),
                verifier=Verifier(),
                disabled=images.all_but(strategy),
            )
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('strategy', images.COPYING)
    @pytest.mark.parametrize('how', ['uri', 'file'])
    def test_progress_may_end_it(self, place, source, strategy, how):
        class Enough(Exception):
            pass

        def progress(done, total):
            raise Enough

        target = place / 'target'
        with contextlib.ExitStack() as stack:
            if how == 'uri':
                writer = stores.open_writer(images.uri(target))
            else:
                writer = stack.enter_context(target.open('wb'))
            with pytest.raises(Enough):
                images.mover(source).copy(
                    writer,
                    progress=progress,
                    disabled=images.all_but(strategy),
                )
        if how == 'uri':
            assert os.listdir(place) == ['source']
        else:
            assert target.read_bytes() == b''

    @pytest.mark.parametrize('strategy', images.COPYING)
    @pytest.mark.parametrize('how', ['uri', 'file'])
    def test_cancelled_in_the_middle(self, place, strategy, how):
        size = 256 * MiB
        source = images.make(
            place / 'large', size, {0: images.noise(MiB) * 256}
        )
        cancel = threading.Event()
        seen = []

        def progress(done, total):
            seen.append(done)
            cancel.set()

        target = place / 'target'
        with contextlib.ExitStack() as stack:
            if how == 'uri':
                writer = stores.open_writer(images.uri(target))
            else:
                writer = stack.enter_context(target.open('wb'))
                writer.write(b'head')
            with pytest.raises(exception.Cancelled) as caught:
                images.mover(source).copy(
                    writer,
                    progress=progress,
                    cancel=cancel,
                    disabled=images.all_but(strategy),
                )
        assert seen[-1] <= 64 * MiB
        if how == 'uri':
            assert caught.value.destination_state == 'untouched'
            assert os.listdir(place) == ['large']
        else:
            assert caught.value.destination_state == 'restored'
            assert target.read_bytes() == b'head'

    def test_cancelled_while_the_rate_is_held_back(self, place, source):
        cancel = threading.Event()
        threading.Timer(0.1, cancel.set).start()

        # An hour and more, were it not for the event.
        with pytest.raises(exception.Cancelled):
            images.mover(source).copy(
                stores.open_writer(images.uri(place / 'target')),
                cancel=cancel,
                rate_limit=KiB,
                zero_copy='avoid',
            )
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('strategy', images.COPYING)
    def test_a_rate_limit(self, place, source, image, strategy, monkeypatch):
        clock = Clock()
        monkeypatch.setattr(pacer, 'time', clock)
        pace = []
        rate = 100 * KiB

        result = images.mover(source).copy(
            stores.open_writer(images.uri(place / 'target')),
            rate_limit=rate,
            progress=lambda done, total: pace.append((clock.now, done)),
            disabled=images.all_but(strategy),
        )

        assert result.success
        assert (place / 'target').read_bytes() == image
        assert clock.now == pytest.approx(result.bytes_moved / rate, rel=0.1)
        if strategy == 'stream':
            # At no moment far ahead: by a second's worth at the most.
            assert all(done <= rate * (at + 1) for at, done in pace)

    def test_a_rate_limit_does_not_forbid_a_clone(self, place, source):
        result = images.mover(source).copy(
            stores.open_writer(images.uri(place / 'target')), rate_limit=1
        )

        assert tuple(result) == (True, 0)

    @pytest.mark.parametrize('strategy', images.STRATEGIES)
    @pytest.mark.parametrize(
        ('config', 'demand'),
        [
            (None, {'max_size': SIZE - 1}),
            ({'image_size_cap': SIZE - 1}, {}),
            ({'image_size_cap': SIZE - 1}, {'max_size': SIZE}),
        ],
        ids=['max_size', 'image_size_cap', 'both'],
    )
    def test_too_large(self, place, source, strategy, config, demand):
        with (place / 'target').open('wb') as writer:
            with pytest.raises(exception.TooLarge) as caught:
                images.mover(source, config).copy(
                    writer, disabled=images.all_but(strategy), **demand
                )

        assert caught.value.destination_state == 'untouched'
        assert (place / 'target').read_bytes() == b''

    @pytest.mark.parametrize('strategy', images.STRATEGIES)
    def test_just_not_too_large(self, place, source, strategy):
        result = images.mover(source, {'image_size_cap': SIZE}).copy(
            stores.open_writer(images.uri(place / 'target')),
            max_size=SIZE,
            disabled=images.all_but(strategy),
        )

        assert result.success

    @writers.by(('stream',))
    def test_too_large_where_the_size_is_not_known(
        self, place, image, kind, strategy
    ):
        """It shows in the middle, and not a byte past the limit is sent."""
        most = MiB + 17
        with kind(place) as target:
            with pytest.raises(exception.TooLarge) as caught:
                move.Mover('id', data=lambda: io.BytesIO(image)).copy(
                    target.writer, max_size=most
                )
            content = target.content()

        assert caught.value.destination_state == target.state
        if target.state == 'restored':
            assert content == target.before.rstrip(b'\0')
        else:
            got = content[len(target.before) :]
            assert image.startswith(got[: len(got) - len(target.behind)])
            assert len(got) <= max(most, len(target.behind))

    def test_too_large_a_disk_in_a_small_image(self, place):
        """The cap holds for what an image describes, on fast paths too."""
        import struct

        header = struct.pack(
            '>4sIQIIQIIQQIIQ',
            b'QFI\xfb',
            2,
            0,
            0,
            16,
            1 << 50,
            0,
            1,
            65536,
            131072,
            1,
            0,
            0,
        )
        source = images.make(place / 'source', MiB, {0: header})

        for strategy in images.STRATEGIES:
            with pytest.raises(exception.TooLarge, match='describes a disk'):
                images.mover(source, image={'disk_format': 'qcow2'}).copy(
                    stores.open_writer(images.uri(place / 'target')),
                    disabled=images.all_but(strategy),
                )
        assert os.listdir(place) == ['source']

    @pytest.mark.parametrize('strategy', images.STRATEGIES)
    def test_switched_off_by_the_configuration(self, place, source, strategy):
        plan = images.mover(
            source, {'oslo_image': {'disabled_strategies': [strategy]}}
        ).plan(stores.open_writer(images.uri(place / 'target')))

        assert strategy not in [offer.strategy for offer in plan.offers]
        refused = {refusal.strategy for refusal in plan.refusals}
        assert refused & set(images.STRATEGIES) == {strategy}
