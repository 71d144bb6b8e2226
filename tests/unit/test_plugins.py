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

"""No mistake in a plugin takes anything else down."""

import io
from importlib import metadata

import pytest
import stevedore

from oslo_image import move
from oslo_image.move import strategies
from oslo_image.move.strategies.base import Cost, Strategy, Yes
from oslo_image.stores import registry
from oslo_image.stores.base import Store


class Base(Store):
    schemes = ('strange',)

    def parse(self, uri):
        raise NotImplementedError

    def open_source(self, location, *, auth=None):
        raise KeyError('open')


class NoStore:
    schemes = ('strange',)


class NoScheme(Base):
    schemes = ()


class BadOptions(Base):
    @classmethod
    def list_opts(cls):
        raise KeyError('options')


class BadInit(Base):
    def __init__(self, options):
        raise KeyError('init')


class Greedy(Base):
    """Claims what is ours."""

    schemes = ('file', 'http')


class BadOpen(Base):
    def parse(self, uri):
        from oslo_image.image import Location

        return Location(uri)


class Eager(Strategy):
    name = 'eager'
    cost = Cost.METADATA

    def offer(self, source, writer, needs):
        return Yes()

    def run(self, source, writer, pipe):
        raise NotImplementedError


class NoName(Eager):
    name = None


class NoCost(Eager):
    cost = 99


class BadOffer(Eager):
    def offer(self, source, writer, needs):
        raise KeyError('offer')


class NoStrategy:
    name = 'eager'
    cost = Cost.METADATA


@pytest.fixture
def install(monkeypatch):
    """Install entry points beside those that are there."""
    added = []
    real = stevedore.ExtensionManager.list_entry_points

    def add(namespace, name, target):
        added.append(metadata.EntryPoint(name, target, namespace))
        for one in (registry, strategies):
            one.plugins.cache_clear()

    monkeypatch.setattr(
        stevedore.ExtensionManager,
        'list_entry_points',
        lambda self: [
            *real(self),
            *(one for one in added if one.group == self.namespace),
        ],
    )
    yield add
    monkeypatch.undo()
    for one in (registry, strategies):
        one.plugins.cache_clear()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'image'
    path.write_bytes(b'bits')
    return f'file://{path}'


def copy(uri, **keywords):
    target = io.BytesIO()
    result = move.Mover(uri, **keywords).copy(target)
    assert target.getvalue() == b'bits'
    return ' | '.join(map(str, result.refusals))


HERE = __name__
STORES = {
    'no_such_module_at_all:X': 'ModuleNotFoundError',
    f'{HERE}:Missing': 'Missing',
    f'{HERE}:NoStore': 'not a subclass',
    f'{HERE}:NoScheme': 'serves no scheme',
    f'{HERE}:BadOptions': "KeyError: 'options'",
    f'{HERE}:BadInit': "KeyError: 'init'",
}
STRATEGIES = {
    'no_such_module_at_all:X': 'ModuleNotFoundError',
    f'{HERE}:NoStrategy': 'not a Strategy',
    f'{HERE}:NoName': 'no name',
    f'{HERE}:NoCost': 'no name or no cost',
    f'{HERE}:BadOffer': "failed to answer (KeyError: 'offer')",
    f'{HERE}:Base': 'TypeError',
}


@pytest.mark.parametrize('target', STORES)
def test_a_broken_store_is_a_refusal(install, image, target):
    install(registry.NAMESPACE, 'strange', target)
    assert STORES[target] in copy(image)


@pytest.mark.parametrize('target', STRATEGIES)
def test_a_broken_strategy_is_a_refusal(install, image, target):
    install(strategies.NAMESPACE, 'eager', target)
    assert STRATEGIES[target] in copy(image)


@pytest.mark.parametrize('name', ['greedy', 'file', 'zzz'])
def test_our_own_schemes_stay_ours(install, image, name):
    install(registry.NAMESPACE, name, f'{HERE}:Greedy')
    copy(image)


def test_a_name_that_is_taken_is_told(install, image):
    install(registry.NAMESPACE, 'file', f'{HERE}:BadOpen')
    assert "the name 'file' is taken" in copy(image)


def test_a_store_that_fails_to_open_leaves_the_other_locations(install, image):
    install(registry.NAMESPACE, 'strange', f'{HERE}:BadOpen')
    record = {'locations': [{'url': 'strange://x'}]}
    assert "KeyError: 'open'" in copy(image, image=record)
