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

"""The suite itself: it collects what applies, and it finds what is broken."""

import pytest

from oslo_image import exception
from oslo_image.stores.pyfilesystem import PyFilesystemStore, library, source
from oslo_image.stores.pyfilesystem import writer as writers
from oslo_image.testing.conformance import (
    CAPABILITIES,
    Harness,
    StoreConformance,
)
from oslo_image.testing.conformance.harness import pattern

fs = library.load()


def names_of(cls):
    return {
        name
        for name in dir(cls)
        if name.startswith('test') and getattr(cls, name) is not None
    }


def suite(**lacks):
    return type('OneStore', (StoreConformance,), {'lacks': lacks})


@pytest.mark.parametrize('lacks', [{'wings': 'none'}, {'write': ' '}])
def test_what_is_lacking_must_be_known_and_have_a_reason(lacks):
    with pytest.raises(TypeError, match='reason'):
        suite(**lacks)


def test_what_does_not_apply_is_not_collected():
    everything = names_of(suite())
    assert 'test_lazy' in everything
    assert 'test_says_that_it_is_read_only' not in everything
    reads = names_of(suite(write='no'))
    assert 'test_lazy' not in reads
    assert 'test_says_that_it_is_read_only' in reads
    assert 'test_says_that_it_is_not_sparse' not in reads


def test_subclass_may_lack_other_things():
    base = suite(write='no')
    again = type('Again', (base,), {'lacks': {}})
    assert names_of(again) == names_of(suite())


def test_every_capability_selects_tests():
    everything = names_of(suite())
    for word in CAPABILITIES:
        assert everything - names_of(suite(**{word: 'no'})), word


def test_every_statement_is_said():
    for name in names_of(StoreConformance):
        assert getattr(StoreConformance, name).__doc__, name


def test_a_list_that_is_empty_is_not_collected():
    assert 'test_malformed_uris_are_refused' not in names_of(suite())
    some = type('Some', (StoreConformance,), {'malformed': ('x',)})
    assert 'test_malformed_uris_are_refused' in names_of(some)


class Leaving(writers.PyFilesystemWriter):
    def _remove(self, name):
        self._passing = None


class Eager(writers.PyFilesystemWriter):
    def check(self, size):
        super().check(size)
        self._filesystem.writebytes('opened', b'')


class Direct(writers.PyFilesystemWriter):
    def begin(self, size):
        super().begin(size)
        self._filesystem.writebytes(self._path, b'')


class Unchecked(writers.PyFilesystemWriter):
    def put(self, offset, data):
        self._expected = None
        super().put(offset, data)


class Overwriting(writers.PyFilesystemWriter):
    def _move(self, old, new, replace):
        super()._move(old, new, True)


class Forgetful(writers.PyFilesystemWriter):
    def rollback(self):
        position = self._position
        state = super().rollback()
        self._position = position
        return state

    def write(self, data):
        position = self._position
        count = super().write(data)
        self._position = position + count
        return count


class Unpinned(source.PyFilesystemSource):
    def check_unchanged(self):
        pass


class Rounding(source.PyFilesystemSource):
    def read_into(self, offset, buffer):
        return super().read_into(offset // 512 * 512, buffer)


class Gapped(source.PyFilesystemSource):
    def extents(self, start, length):
        for extent in super().extents(start, length):
            yield extent._replace(length=extent.length - 1)


@pytest.mark.parametrize(
    ('broken', 'test', 'arguments'),
    [
        (Leaving, 'abandoned_leaves_nothing', {'chunks': 1, 'end': 'leave'}),
        (Leaving, 'rollback_leaves_nothing', {'spans': 1}),
        (Eager, 'lazy', {}),
        (Direct, 'not_visible_before_commit', {}),
        (Direct, 'replace_keeps_the_old_until_commit', None),
        (Unchecked, 'declared_size_must_be_right', {'extra': 1}),
        (Unchecked, 'declared_size_must_be_right', {'extra': -1}),
        (Overwriting, 'first_commit_wins', {}),
        (Forgetful, 'begins_again_after_rollback', {}),
        (
            Unpinned,
            'change_is_noticed',
            {'change': 'same size', 'when': 'during', 'image': True},
        ),
        (Rounding, 'reads_any_range', None),
        (Rounding, 'threads_read_at_once', None),
        (Gapped, 'extents_cover_the_range', None),
    ],
)
def test_finds_what_is_broken(broken, test, arguments, monkeypatch):
    """The statement holds for the store, and not for the broken one."""
    module = 'oslo_image.stores.pyfilesystem'
    cls = type('OneStore', (StoreConformance,), {'chunk': 10_000})
    arguments = {'image': True} if arguments is None else dict(arguments)
    wants_image = arguments.pop('image', False)

    def run():
        memory = fs.memoryfs.MemoryFS()
        harness = Harness(
            store=PyFilesystemStore(None),
            uri=lambda name: f'fs://memory!/{name}',
            auth=memory,
            listing=lambda: memory.listdir('/'),
            overwrite=memory.writebytes,
        )
        if wants_image:
            arguments['image'] = pattern(30_007)
            memory.writebytes('image', arguments['image'])
        getattr(cls(), f'test_{test}')(harness, name='image', **arguments)

    run()
    name = broken.__mro__[1].__name__
    monkeypatch.setattr(f'{module}.{name}', broken)
    failing = (AssertionError, pytest.fail.Exception, exception.ImageError)
    with pytest.raises(failing):
        run()
