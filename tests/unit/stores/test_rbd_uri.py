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


"""The URIs of images in Ceph, taken apart and built."""

import hypothesis
import pytest
from hypothesis import strategies as st

from oslo_image import exception
from oslo_image.stores.rbd import uri
from oslo_image.stores.rbd.uri import Spec

FSID = 'c2f1b5a6-0b25-4b39-8f0a-8d2d1a0c6d35'

names = st.text(
    st.characters(blacklist_categories=['Cs'], blacklist_characters='/@\0'),
    min_size=1,
    max_size=20,
)


@pytest.mark.parametrize(
    ('text', 'spec'),
    [
        ('rbd://image', Spec(image='image')),
        ('rbd://a%20b', Spec(image='a b')),
        ('rbd:///vms/disk', Spec('', 'vms', '', 'disk')),
        (f'rbd://{FSID}/vms', Spec(FSID, 'vms')),
        (f'rbd://{FSID}/vms/disk', Spec(FSID, 'vms', '', 'disk')),
        (
            f'rbd://{FSID}/images/an-id/snap',
            Spec(FSID, 'images', '', 'an-id', 'snap'),
        ),
        (
            f'rbd://{FSID}/vms%2Fns/disk',
            Spec(FSID, 'vms', 'ns', 'disk'),
        ),
        # As glance_store writes them: what it quotes, and what it does not.
        (
            'rbd://f%20s/po%20ol/im%25age/%C3%BC%3A%23%3F',
            Spec('f s', 'po ol', '', 'im%age', 'ü:#?'),
        ),
        ('rbd://f/p/a+b&c/s', Spec('f', 'p', '', 'a+b&c', 's')),
        ('rbd://f/p/a%252Fb', Spec('f', 'p', '', 'a%2Fb')),
        # A name may look like a mark or a path.
        ('rbd://f/p/.hidden', Spec('f', 'p', '', '.hidden')),
        ('rbd://f/p/..', Spec('f', 'p', '', '..')),
    ],
)
def test_parse(text, spec):
    assert uri.parse(text) == spec


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('rbd://', 'the image is empty'),
        ('rbd:///', 'the pool is empty'),
        ('rbd://f//image', 'the pool is empty'),
        ('rbd://f/p/', 'the image is empty'),
        ('rbd://f/p/i/', 'the snapshot is empty'),
        ('rbd://f/p/i/s/t', 'it has 5 pieces'),
        ('rbd://%FF', 'a piece is not UTF-8'),
        ('rbd://f/p/i%00', 'a piece holds a NUL'),
        ('rbd://a%2Fb', 'has no "/" or "@"'),
        ('rbd://f/p/a@b', 'has no "/" or "@"'),
        ('rbd://f/p/i/s%40t', 'has no "/" or "@"'),
    ],
)
def test_malformed(text, reason):
    with pytest.raises(exception.InvalidLocation) as caught:
        uri.parse(text)
    assert reason in str(caught.value)
    assert 'malformed URI' in str(caught.value)


@pytest.mark.parametrize(
    ('spec', 'text', 'path'),
    [
        (Spec(FSID, 'vms', '', 'disk'), f'rbd://{FSID}/vms/disk', 'vms/disk'),
        (
            Spec(FSID, 'vms', 'ns', 'disk', 'snap'),
            f'rbd://{FSID}/vms%2Fns/disk/snap',
            'vms/ns/disk@snap',
        ),
        (Spec('', 'p', '', 'a b%'), 'rbd:///p/a%20b%25', 'p/a b%'),
    ],
)
def test_build(spec, text, path):
    assert uri.build(spec) == text
    assert spec.path == path


@hypothesis.given(
    names, names, st.just('') | names, names, st.just('') | names
)
def test_what_is_built_is_parsed(fsid, pool, namespace, image, snapshot):
    spec = Spec(fsid, pool, namespace, image, snapshot)
    assert uri.parse(uri.build(spec)) == spec


@hypothesis.given(st.text(max_size=40))
def test_no_other_error(rest):
    try:
        spec = uri.parse(f'rbd://{rest}')
    except exception.InvalidLocation:
        return
    assert spec.image or spec.pool
