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
    body = ast.parse((ROOT / path).read_text()).body
    for name in names:
        found = [one for one in body if getattr(one, 'name', None) == name]
        assert found, f'{path} has no {name}'
        body = found[0].body
    tests = [
        one
        for top in body
        for one in ast.walk(top)
        if isinstance(one, ast.FunctionDef | ast.ClassDef)
    ]
    assert tests or names


def test_there_are_promises():
    assert len(PROOFS) > 20
