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

"""A new file appears whole, once, and without anything beside it.

Also where several are written at once, where the filesystem knows no nameless
files or no links, and where the writer is interrupted or killed.
"""

import contextlib
import errno
import os
import signal
import threading

import pytest

from oslo_image import exception, move, stores
from tests.functional import images
from tests.functional.faulty import (
    grow,
    once,
    without_links,
    without_nameless_files,
)
from tests.functional.images import MiB

pytestmark = pytest.mark.usefixtures('nothing_stays_open')


class TestAtOnce:
    """Several copies to one name, all of them in the middle together."""

    COUNT = 6

    def race(self, place, if_exists, strategy):
        barrier = threading.Barrier(self.COUNT, timeout=30)
        outcomes = [None] * self.COUNT
        contents = [images.noise(MiB, seed) for seed in range(self.COUNT)]

        def copy(number):
            source = place / f'source{number}'
            source.write_bytes(contents[number])
            try:
                outcomes[number] = images.mover(source).copy(
                    stores.open_writer(
                        images.uri(place / 'target'), if_exists=if_exists
                    ),
                    progress=once(barrier.wait),
                    disabled=images.all_but(strategy),
                )
            except exception.ImageError as error:
                outcomes[number] = error
            source.unlink()

        threads = [
            threading.Thread(target=copy, args=[number])
            for number in range(self.COUNT)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert os.listdir(place) == ['target']
        found = (place / 'target').read_bytes()
        winners = [
            number
            for number, outcome in enumerate(outcomes)
            if isinstance(outcome, move.CopyResult)
        ]
        return winners, outcomes, contents.index(found)

    @pytest.fixture(params=['nameless', 'named', 'no links'])
    def kind(self, request, monkeypatch):
        """What the filesystem knows: nameless files, links, neither."""
        if request.param != 'nameless':
            without_nameless_files(monkeypatch)
        if request.param == 'no links':
            without_links(monkeypatch)

    def test_exactly_one_wins(self, place, strategy, kind):
        winners, outcomes, found = self.race(place, 'fail', strategy)

        assert winners == [found]
        for number, outcome in enumerate(outcomes):
            if number != found:
                assert isinstance(outcome, exception.DestinationExists)
                assert outcome.destination_state == 'untouched'

    def test_the_last_to_replace_stays(self, place, strategy, kind):
        winners, _, found = self.race(place, 'replace', strategy)

        assert winners == list(range(self.COUNT))
        assert 0 <= found < self.COUNT


class TestPlainFilesystem:
    """Without O_TMPFILE a temporary name stands beside the final one."""

    @pytest.fixture(autouse=True, params=['links', 'no links'])
    def old(self, request, monkeypatch, source):
        without_nameless_files(monkeypatch)
        if request.param == 'no links':
            without_links(monkeypatch)

    @pytest.fixture(params=['fail', 'replace'])
    def if_exists(self, request):
        return request.param

    def copy(self, place, source, if_exists, **more):
        return images.mover(source).copy(
            stores.open_writer(
                images.uri(place / 'target'), if_exists=if_exists
            ),
            **more,
        )

    def test_it_arrives(self, place, source, if_exists, strategy):
        result = self.copy(
            place, source, if_exists, disabled=images.all_but(strategy)
        )

        assert result.success
        assert (place / 'target').read_bytes() == source.read_bytes()
        assert sorted(os.listdir(place)) == ['source', 'target']

    def test_the_temporary_name_is_known_by_its_marker(
        self, place, source, if_exists
    ):
        names = []
        self.copy(
            place,
            source,
            if_exists,
            zero_copy='avoid',
            progress=lambda *call: names.extend(os.listdir(place)),
        )
        (name,) = set(names) - {'source'}
        assert name.startswith('.target.oslo-image-')

    def test_a_failure_leaves_nothing(self, place, source, if_exists):
        with pytest.raises(exception.SourceChanged):
            self.copy(
                place,
                source,
                if_exists,
                zero_copy='avoid',
                progress=once(lambda: grow(source)),
            )
        assert os.listdir(place) == ['source']

    def test_the_old_one_stays(self, place, source, if_exists):
        (place / 'target').write_bytes(b'old')
        kind = (
            exception.DestinationExists
            if if_exists == 'fail'
            else exception.SourceChanged
        )
        with pytest.raises(kind):
            self.copy(
                place,
                source,
                if_exists,
                zero_copy='avoid',
                progress=once(lambda: grow(source)),
            )
        assert (place / 'target').read_bytes() == b'old'
        assert sorted(os.listdir(place)) == ['source', 'target']

    def test_what_cannot_be_removed_is_named(
        self, place, source, if_exists, monkeypatch
    ):
        def unlink(*arguments, **options):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def fail():
            monkeypatch.setattr(os, 'unlink', unlink)
            grow(source)

        with pytest.raises(exception.SourceChanged) as caught:
            self.copy(
                place,
                source,
                if_exists,
                zero_copy='avoid',
                progress=once(fail),
            )
        monkeypatch.undo()

        (left,) = set(os.listdir(place)) - {'source'}
        assert caught.value.__notes__ == [f'left behind: {place / left}']


class TestKilledWithATemporaryName:
    """It stays for the next writer of the same name, which removes it."""

    @pytest.fixture(params=['nameless', 'named'])
    def left(self, request, place, source, monkeypatch):
        """Die between naming the new file and replacing the old one."""
        if request.param == 'named':
            without_nameless_files(monkeypatch)
        child = os.fork()
        if not child:
            try:
                os.replace = lambda *args, **options: os.kill(
                    os.getpid(), signal.SIGKILL
                )
                self.copy(place, source, 'replace')
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        (left,) = set(os.listdir(place)) - {'source'}
        return left

    @staticmethod
    def copy(place, source, if_exists):
        return images.mover(source).copy(
            stores.open_writer(
                images.uri(place / 'target'), if_exists=if_exists
            ),
            zero_copy='avoid',
        )

    def test_it_is_gone_after_the_next_copy(self, place, source, left):
        assert self.copy(place, source, 'replace').success
        assert sorted(os.listdir(place)) == ['source', 'target']

    def test_it_is_gone_though_the_next_copy_fails(self, place, source, left):
        with (
            stores.open_writer(
                images.uri(place / 'target'), if_exists='replace'
            ) as writer,
        ):
            writer.write(b'never to be committed')
        assert os.listdir(place) == ['source']

    def test_those_of_others_stay(self, place, source, left):
        others = {'.other.oslo-image-0123', '.target.other', 'x' + left}
        for other in others:
            (place / other).write_bytes(b'')

        assert self.copy(place, source, 'replace').success

        assert set(os.listdir(place)) == {'source', 'target', *others}

    @pytest.mark.parametrize('nameless', [True, False])
    def test_who_still_writes_is_left_alone(
        self, place, source, monkeypatch, nameless
    ):
        if not nameless:
            without_nameless_files(monkeypatch)
        target = images.uri(place / 'target')
        with stores.open_writer(target, if_exists='replace') as writer:
            writer.write(b'slow')
            assert self.copy(place, source, 'replace').success
            writer.write(b' writer')
            writer.commit()
        assert (place / 'target').read_bytes() == b'slow writer'
        assert sorted(os.listdir(place)) == ['source', 'target']


class TestInterrupted:
    """A KeyboardInterrupt between a call and its answer, or before it."""

    @pytest.mark.parametrize('strategy', images.STRATEGIES)
    @pytest.mark.parametrize('old', [None, b'old'])
    @pytest.mark.parametrize(
        'call', ['open', 'fsync', 'link', 'replace', 'rename', 'ftruncate']
    )
    @pytest.mark.parametrize('nameless', [True, False])
    @pytest.mark.parametrize('when', ['before', 'after'])
    def test_around_any_call(
        self, place, source, monkeypatch, strategy, old, call, nameless, when
    ):
        """Old, or new; and nothing beside it."""
        target = place / 'target'
        if old is not None:
            target.write_bytes(old)
        if not nameless:
            without_nameless_files(monkeypatch)
        real = getattr(os, call)

        def interrupted(*arguments, **options):
            if when == 'after' and call != 'open':
                real(*arguments, **options)
            elif when == 'after':
                # The descriptor itself is lost, as it is with a signal.
                fd = real(*arguments, **options)
                if not arguments[1] & os.O_RDWR:
                    return fd
                os.close(fd)
            elif call == 'open' and not arguments[1] & os.O_RDWR:
                return real(*arguments, **options)
            raise KeyboardInterrupt

        monkeypatch.setattr(os, call, interrupted)
        with contextlib.suppress(KeyboardInterrupt):
            images.mover(source).copy(
                stores.open_writer(
                    images.uri(target),
                    if_exists='fail' if old is None else 'replace',
                ),
                disabled=images.all_but(strategy),
            )
        monkeypatch.undo()

        assert set(os.listdir(place)) <= {'source', 'target'}
        found = target.read_bytes() if target.exists() else None
        assert found in (old, source.read_bytes())
