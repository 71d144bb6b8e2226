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

"""The conformance suite of the stores, for pytest.

One subclass runs it; needed is the extra ``oslo.image[test]``::

    from oslo_image.testing.conformance import Harness, StoreConformance


    class TestMyStore(StoreConformance):
        lacks = {'in_place': 'objects are immutable'}

        @pytest.fixture
        def harness(self, server):
            return Harness(
                store=MyStore(options),
                uri=lambda name: f'my://{server}/{urllib.parse.quote(name)}',
                listing=server.everything,
            )

What a store cannot do it says in ``lacks``, with the reason
(:data:`CAPABILITIES` lists the words). Tests that need it are then not
collected, and where it can be seen, a test checks that the store does lack it:
a capability is promised if and only if it works.

The docstring of each test is the statement that it checks.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f'{__name__}.{module}'
        for module in (
            'bounds',
            'copying',
            'deleting',
            'harness',
            'leftovers',
            'locations',
            'publishing',
            'reading',
            'spans',
            'writing',
        )
    )
)

from oslo_image.testing.conformance.bounds import (  # noqa: E402
    BoundsConformance,
)
from oslo_image.testing.conformance.copying import (  # noqa: E402
    CopyingConformance,
)
from oslo_image.testing.conformance.deleting import (  # noqa: E402
    DeletingConformance,
)
from oslo_image.testing.conformance.harness import (  # noqa: E402
    CAPABILITIES,
    Harness,
)
from oslo_image.testing.conformance.leftovers import (  # noqa: E402
    LeftoversConformance,
)
from oslo_image.testing.conformance.locations import (  # noqa: E402
    LocationConformance,
)
from oslo_image.testing.conformance.publishing import (  # noqa: E402
    PublishingConformance,
)
from oslo_image.testing.conformance.reading import (  # noqa: E402
    ReadingConformance,
)
from oslo_image.testing.conformance.spans import (  # noqa: E402
    SpansConformance,
)
from oslo_image.testing.conformance.writing import (  # noqa: E402
    WritingConformance,
)

__all__ = ['CAPABILITIES', 'Harness', 'StoreConformance']


class StoreConformance(
    LocationConformance,
    ReadingConformance,
    WritingConformance,
    SpansConformance,
    PublishingConformance,
    CopyingConformance,
    DeletingConformance,
    LeftoversConformance,
    BoundsConformance,
):
    """All that a store must do; subclass it and give it a ``harness``."""
