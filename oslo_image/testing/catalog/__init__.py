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


"""The conformance suite of catalogue drivers, for pytest.

One subclass runs it; needed is the extra ``oslo.image[test]``::

    from oslo_image.testing.catalog import DriverConformance


    class TestMyDriver(DriverConformance):
        @pytest.fixture
        def driver(self, server):
            return MyDriver(options)

The driver may hold images of others already: the suite marks its own with a
tag and looks at no other. What a service refuses, the subclass says in
``lacks``, with the reason (:data:`oslo_image.testing.catalog.CAPABILITIES`):
then the suite checks that it is PermissionDenied and changes nothing. The
docstring of each test is the statement that it
checks.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f'{__name__}.{module}'
        for module in (
            'concurrency',
            'harness',
            'lists',
            'locations',
            'records',
        )
    )
)

from oslo_image.testing.catalog.concurrency import (  # noqa: E402
    ConcurrencyConformance,
)
from oslo_image.testing.catalog.harness import CAPABILITIES  # noqa: E402
from oslo_image.testing.catalog.lists import ListsConformance  # noqa: E402
from oslo_image.testing.catalog.locations import (  # noqa: E402
    LocationsConformance,
)
from oslo_image.testing.catalog.records import (  # noqa: E402
    RecordsConformance,
)

__all__ = ['CAPABILITIES', 'DriverConformance']


class DriverConformance(
    RecordsConformance,
    ListsConformance,
    LocationsConformance,
    ConcurrencyConformance,
):
    """All that a driver must do; subclass it and give it a ``driver``."""
