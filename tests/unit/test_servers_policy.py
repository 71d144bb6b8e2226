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

"""A test that needs a server never passes by: it fails, or says why not."""

import pytest

from tests.servers import policy

SUITE = """
    import contextlib
    import pytest
    from tests.servers import base, policy

    @contextlib.contextmanager
    def absent():
        raise base.Unavailable('mkfs.xfs is not installed')
        yield

    @contextlib.contextmanager
    def broken():
        raise base.StartError('nginx: ended instead of starting')
        yield

    @pytest.fixture(scope='session', params=[{server}])
    def server(request):
        with policy.provided(request.param()) as server:
            yield server

    def test_one(server):
        pass

    def test_another(server):
        pass
"""


def test_a_missing_server_fails_every_test_where_it_is_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(policy.VARIABLE, 'required')
    pytester.makepyfile(SUITE.replace('{server}', 'absent'))
    result = pytester.runpytest()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(['required here*mkfs.xfs is not installed'])


def test_a_missing_server_skips_elsewhere_with_the_reason_in_print(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(policy.VARIABLE, raising=False)
    pytester.makepyfile(SUITE.replace('{server}', 'absent'))
    result = pytester.runpytest('-rs')
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(['SKIPPED*mkfs.xfs is not installed*'])


@pytest.mark.parametrize('value', ['required', ''])
def test_a_server_that_does_not_start_is_an_error_everywhere(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(policy.VARIABLE, value)
    pytester.makepyfile(SUITE.replace('{server}', 'broken'))
    result = pytester.runpytest()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(['*nginx: ended instead of starting'])


def test_bare_pytest_prints_the_reasons_of_skips(
    pytestconfig: pytest.Config,
) -> None:
    assert '-rs' in pytestconfig.getini('addopts')
