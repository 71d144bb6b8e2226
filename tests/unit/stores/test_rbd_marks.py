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


"""The marked names of what is not finished."""

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image.stores.rbd import marks

KINDS = ('partial', 'replaced', 'pin')


@hypothesis.given(st.sampled_from(KINDS), st.text(min_size=1))
def test_a_mark_says_whose_it_is(kind, name):
    assert marks.read(marks.image(kind, name)) == marks.Mark(kind, name)


def test_a_snapshot_belongs_to_its_image():
    assert marks.read(marks.snapshot()) == marks.Mark('pin', '')


def test_no_two_are_alike():
    assert len({marks.image('partial', 'disk') for _ in range(100)}) == 100
    assert len({marks.snapshot() for _ in range(100)}) == 100


def test_a_mark_of_a_mark():
    """A leftover may be what another copy was to replace."""
    inner = marks.image('partial', 'disk')
    assert marks.read(marks.image('replaced', inner)) == marks.Mark(
        'replaced', inner
    )


@pytest.mark.parametrize(
    'name',
    [
        '',
        'disk',
        'oslo-image',
        'oslo-image.partial.disk',
        'oslo-image.partial.0123456789abcde.disk',
        'oslo-image.partial.0123456789ABCDEF.disk',
        'oslo-image.partial.0123456789abcdef0.disk',
        'oslo-image.other.0123456789abcdef.disk',
        'x.oslo-image.partial.0123456789abcdef.disk',
        'oslo-image.pin.0123456789abcdef.',
        'oslo-image.pin.0123456789abcdef\n',
    ],
)
def test_others_are_left_alone(name):
    assert marks.read(name) is None


def test_rbd_takes_the_name():
    assert not set(marks.image('partial', 'disk')) & set('/@')
