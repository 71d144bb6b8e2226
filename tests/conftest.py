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

import hypothesis
import pytest

pytest_plugins = ('pytester',)

# A loaded machine is no reason for a test to fail.
hypothesis.settings.register_profile('oslo', deadline=None)
hypothesis.settings.load_profile('oslo')


@pytest.fixture(scope='session', autouse=True)
def no_catalogue_of_this_machine(tmp_path_factory):
    """Keep the tests off whatever images the user has."""
    with pytest.MonkeyPatch.context() as patched:
        home = tmp_path_factory.getbasetemp() / 'no-catalogue'
        patched.setenv('XDG_DATA_HOME', str(home))
        yield
