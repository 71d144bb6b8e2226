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

"""Every proof that the page of promises names is there."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / 'doc/source/promises.rst').read_text()
PROOFS = re.findall(r'``(tests/[^`]+)``', PAGE)


@pytest.mark.parametrize('proof', PROOFS)
def test_the_proof_exists(proof):
    path, *names = proof.split('::')
    assert names, f'{path} is a whole file: name the test'
    body = ast.parse((ROOT / path).read_text()).body
    for name in names:
        found = [one for one in body if getattr(one, 'name', None) == name]
        assert found, f'{path} has no {name}'
        body = getattr(found[0], 'body', [])
    if isinstance(found[0], ast.ClassDef):
        # Its tests are its own, or those of the class that it is one of.
        assert names[-1].startswith('Test')
        assert found[0].bases or any(is_test(one) for one in body)
    else:
        assert is_test(found[0])


def is_test(node):
    return isinstance(node, ast.FunctionDef) and node.name.startswith('test_')


def test_there_are_promises():
    assert len(PROOFS) > 20
