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

"""What is public is what is said to be public, and importing it is cheap."""

import importlib
import subprocess
import sys
import types

import pytest

PUBLIC = [
    'oslo_image.catalog',
    'oslo_image.catalog.base',
    'oslo_image.testing.catalog',
    'oslo_image.exception',
    'oslo_image.image',
    'oslo_image.move',
    'oslo_image.move.exception',
    'oslo_image.move.pipe',
    'oslo_image.move.strategies.base',
    'oslo_image.stores',
    'oslo_image.stores.base',
    'oslo_image.stores.facets',
    'oslo_image.testing.faults',
    'oslo_image.testing.memory',
    'oslo_image.testing.scripted',
]
#: What only those who use a certain store, or the command line, need.
OPTIONAL = ('boto3', 'cliff', 'fs', 'rados', 'rbd', 'rich', 'swiftclient')


@pytest.mark.parametrize('name', PUBLIC)
def test_all_names_exist(name):
    module = importlib.import_module(name)
    assert all(hasattr(module, one) for one in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize('name', PUBLIC)
def test_what_a_module_defines_is_exported_or_private(name):
    module = importlib.import_module(name)
    defined = {
        key
        for key, one in vars(module).items()
        if not key.startswith('_')
        and isinstance(one, type | types.FunctionType)
        and one.__module__ == name
    }
    assert defined <= set(module.__all__)


def test_every_error_is_exported_and_drawn_in_the_tree():
    from oslo_image import exception

    errors = {
        name
        for name, one in vars(exception).items()
        if isinstance(one, type) and issubclass(one, Exception)
    }
    assert errors < set(exception.__all__)
    assert all(name in exception.__doc__ for name in errors)


def test_the_movers_errors_are_the_same_classes():
    from oslo_image import exception
    from oslo_image.move import exception as mexc

    assert mexc.ImageNotFound is exception.ImageNotFound
    assert mexc.ImageInvalidApi is exception.ImageInvalidApi


def loaded_after(statement: str) -> set[str]:
    code = f'import sys; {statement}; print(*sys.modules)'
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, check=True
    )
    return {name.partition('.')[0] for name in done.stdout.decode().split()}


def test_importing_the_mover_loads_no_client_library():
    loaded = loaded_after('import oslo_image.move')
    heavy = {*OPTIONAL, 'oslo_config', 'oslo_utils', 'requests', 'urllib3'}
    assert not loaded & heavy


def test_making_a_mover_loads_no_client_library():
    loaded = loaded_after(
        "from oslo_image import move; move.Mover('file:///x')"
    )
    assert not loaded & {*OPTIONAL, 'urllib3'}
