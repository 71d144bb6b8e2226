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


"""Clones under odd names, in namespaces, of a huge image, and many at once."""

import concurrent.futures
import time
import urllib.parse

import pytest

from oslo_image import exception
from tests.functional import images
from tests.functional.images import MiB

TiB = 1 << 40
DATA = images.noise(MiB)
ODD = (
    'a space',
    'per%cent%41',
    'plus+and&',
    'a:colon',
    '.leading-dot',
    '-dash',
    'hash#question?',
    'quote\'and"',
    'üñí-代码',
    'oslo-image.partial.',
)


@pytest.mark.parametrize('name', ODD)
def test_odd_names(pools, name):
    """Of the image, of its snapshot and of the clone."""
    snapshot = f'{name}!'
    source = pools.images.make(name, MiB, {0: DATA}, snapshot)
    target = pools.vms.uri(name)

    result = pools.copy(source, target)

    assert result.strategy == 'rbd_clone'
    assert result.parent == ('images', name, snapshot)
    assert result.destination.reveal() == target
    assert pools.vms.state() == [name]
    with pools.vms.open(name) as image:
        assert image.parent_info() == ('images', name, snapshot)
    assert pools.vms.read(name) == DATA


def test_names_are_quoted_as_glance_does_it(pools):
    """A name that holds an escape is another than the one it stands for."""
    pools.images.make('a b', MiB, {0: DATA}, 'snap')
    pools.images.make('a%20b', MiB, {0: DATA[::-1]}, 'snap')
    quoted = urllib.parse.quote('a%20b', '')

    pools.copy(
        f'rbd://{pools.cluster.fsid}/images/{quoted}/snap',
        pools.vms.uri('disk'),
    )

    assert pools.vms.parent('disk') == ('images', 'a%20b', 'snap')
    assert pools.vms.read('disk') == DATA[::-1]


@pytest.mark.parametrize('name', ['a/b', 'a@b'])
def test_names_that_are_none(pools, name):
    with pytest.raises(exception.InvalidLocation, match='name of an image'):
        pools.copy(pools.vms.uri('any'), pools.vms.uri(name))


class TestNamespaces:
    @pytest.mark.parametrize(
        ('origin', 'target'),
        [
            (('images', 'one'), ('images', 'one')),
            (('images', 'one'), ('images', 'two')),
            (('images', 'one'), ('vms', 'three')),
            (('images', 'one'), ('vms', '')),
            (('images', ''), ('vms', 'three')),
        ],
    )
    @pytest.mark.parametrize('version', [1, 2])
    def test_clone(self, pools, origin, target, version):
        """What Ceph clones is cloned; what it does not is copied.

        Version 1 knows no namespaces but the parent's own.
        """
        source = pools.get(*origin).make('image', MiB, {0: DATA}, 'snap')
        pool = pools.get(*target)

        plan = pools.plan(source, pool.uri('disk'), clone_format=version)
        result = pools.copy(source, pool.uri('disk'), clone_format=version)

        assert result.success
        assert pool.read('disk') == DATA
        assert pool.state() == (
            ['disk', 'image', 'image@snap'] if origin == target else ['disk']
        )
        if version == 2 or origin[1] == target[1]:
            assert result.strategy == 'rbd_clone'
            path = pools.get(*origin).path
            assert pool.parent('disk') == (path, 'image', 'snap')
            assert result.parent == (path, 'image', 'snap')
            assert plan.offers[0].note == f'depends on {path}/image@snap'
        else:
            assert result.strategy == 'parallel'
            assert pool.parent('disk') is None
            said = [one.reason for one in result.refusals]
            assert any('would not clone' in one for one in said)

    def test_absent(self, pools):
        source = pools.images.make('image', MiB, {0: DATA}, 'snap')
        uri = f'rbd://{pools.cluster.fsid}/vms%2Fabsent/disk'

        with pytest.raises(exception.DestinationError):
            pools.copy(source, uri)


class TestHuge:
    @pytest.fixture
    def huge(self, pools):
        pools.cluster.rbd('create', '--size', '1T', 'images/huge')
        with pools.images.open('huge') as image:
            image.write(DATA, TiB - MiB)
            image.create_snap('snap')
            image.protect_snap('snap')
        return pools.images.uri('huge', 'snap')

    def test_clone(self, pools, huge):
        started = time.monotonic()

        result = pools.copy(huge, pools.vms.uri('disk'))

        assert time.monotonic() - started < 2
        assert tuple(result) == (True, 0)
        assert result.size == TiB
        with pools.vms.open('disk') as image:
            assert image.size() == TiB
            assert image.read(TiB - MiB, MiB) == DATA

    def test_grown(self, pools, huge):
        started = time.monotonic()

        pools.copy(huge, pools.vms.uri('disk'), disk_size=2 * TiB)

        assert time.monotonic() - started < 2
        with pools.vms.open('disk') as image:
            assert image.size() == 2 * TiB


class TestManyAtOnce:
    MANY = 16

    def test_clones(self, pools):
        source = pools.images.make('image', MiB, {0: DATA}, 'snap')
        names = [f'disk-{number:02}' for number in range(self.MANY)]

        def clone(name):
            return pools.copy(source, pools.vms.uri(name))

        with concurrent.futures.ThreadPoolExecutor(self.MANY) as executor:
            results = list(executor.map(clone, names))

        assert {one.strategy for one in results} == {'rbd_clone'}
        assert sorted(pools.vms.state()) == names
        for name in names:
            assert pools.vms.read(name) == DATA

    @pytest.mark.parametrize('strategy', ['rbd_clone', 'parallel'])
    def test_to_one_name(self, pools, strategy):
        """One makes it, the others find it there."""
        source = pools.images.make('image', MiB, {0: DATA}, 'snap')
        target = pools.vms.uri('disk')
        needs = {} if strategy == 'rbd_clone' else {'zero_copy': 'avoid'}

        def copy(_):
            try:
                return pools.copy(source, target, needs).strategy
            except exception.DestinationExists:
                return 'exists'

        with concurrent.futures.ThreadPoolExecutor(self.MANY) as executor:
            outcomes = list(executor.map(copy, range(self.MANY)))

        assert sorted(outcomes) == sorted(
            [strategy, *['exists'] * (self.MANY - 1)]
        )
        assert pools.vms.state() == ['disk']
        assert pools.vms.read('disk') == DATA
