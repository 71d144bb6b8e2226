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


"""The conformance suite on images in Ceph: disks, and Glance images."""

import pytest

from oslo_image.stores.rbd import marks
from oslo_image.stores.registry import Stores
from oslo_image.testing.conformance import (
    DeletingConformance,
    Harness,
    LeftoversConformance,
    LocationConformance,
    PublishingConformance,
    ReadingConformance,
    StoreConformance,
)
from oslo_image.testing.conformance.harness import NAMES

MiB = 1 << 20
_LACKS = {
    'secrets': 'the keys are in files',
    'descriptors': 'librbd takes bytes',
    'grows': 'the size of a disk is for its owner to say',
}


class Images:
    """What holds of both."""

    names = tuple(name for name in NAMES if '@' not in name)
    malformed = (
        'rbd://fsid/pool/image/snapshot/more',
        'rbd://fsid/pool/',
        'rbd://fsid//image',
        'rbd://fsid/pool/image/',
        'rbd://fsid/pool/a%2Fb',
        'rbd://fsid/pool/a%40b',
        'rbd://fsid/pool/%FF',
        'rbd://fsid/pool/%00',
    )
    snapshot = ''

    @pytest.fixture
    def harness(self, pools):
        pool = self.pool(pools)

        def abandon(name):
            pool.make(marks.image('partial', name), MiB, {0: b'half'})

        def overwrite(name, data):
            with pool.open(name) as image:
                image.resize(len(data))
                image.write(data, 0)

        stores = Stores(pools.config)
        return Harness(
            store=stores.find(stores.location('rbd://image')),
            uri=lambda name: pool.uri(name, self.snapshot),
            listing=pool.state,
            abandon=abandon,
        )


class TestDisk(Images, StoreConformance):
    """Without a snapshot: pinned when a copy begins."""

    # What is on its way at once is 32 MiB.
    chunk = 16 * MiB

    lacks = {
        **_LACKS,
        'pinned': 'the snapshot that pins is made when a copy begins',
    }

    @staticmethod
    def pool(pools):
        return pools.volumes


class TestGlanceImage(
    Images,
    LocationConformance,
    ReadingConformance,
    PublishingConformance,
    DeletingConformance,
    LeftoversConformance,
):
    """At a snapshot, in a namespace; bytes are written as to a disk."""

    # Around an object.
    sizes = (8 * MiB - 1, 8 * MiB, 8 * MiB + 1)

    lacks = {
        **_LACKS,
        'in_place': 'a snapshot never changes',
    }
    snapshot = 'snap'

    @staticmethod
    def pool(pools):
        return pools.get('images', 'conformance')
