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

"""The URIs of images in Glance.

::

    glance://<id>                        in the Glance that is configured
    glance+http://endpoint/<id>
    glance+https://endpoint/<id>
    glance://*                           what is said of all images

An endpoint is ``host[:port][/path]``; a version at its end is left out.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from oslo_image import exception, masking

SCHEMES: Final = ('glance', 'glance+http', 'glance+https')
_VERSION: Final = re.compile(r'/v[0-9.]+\Z')
_ID: Final = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z')


class Spec(NamedTuple):
    """What a URI names.

    :param image_id: '' is all images.
    :param endpoint: ``http://host[:port][/path]``; '' is the configured one.
    """

    image_id: str
    endpoint: str = ''


def parse(uri: str) -> Spec:
    """Take a URI apart.

    :raises InvalidLocation: saying which piece is wrong.
    """
    scheme, _, rest = uri.partition('://')
    place, _, image_id = rest.rpartition('/')
    if image_id == '*':
        image_id = ''
    elif not _ID.match(image_id):
        raise _malformed(uri, 'it ends in no id of an image')
    if scheme.lower() == 'glance':
        if place:
            raise _malformed(uri, 'glance://<id> has no host')
        return Spec(image_id)
    if not place.partition('/')[0] or any(one in place for one in '@?# \\'):
        raise _malformed(uri, 'it wants an endpoint, without a user')
    protocol = scheme.lower().partition('+')[2]
    return Spec(image_id, normal(f'{protocol}://{place}'))


def build(endpoint: str, image_id: str) -> str:
    """Return the URI of an image at an endpoint."""
    return f'glance+{normal(endpoint)}/{image_id}'


def normal(endpoint: str) -> str:
    """Return an endpoint as all its spellings have it."""
    scheme, _, rest = endpoint.strip().rstrip('/').partition('://')
    host, slash, path = rest.partition('/')
    text = f'{scheme.lower()}://{host.lower()}{slash}{path}'
    return _VERSION.sub('', text).rstrip('/')


def _malformed(uri: str, why: str) -> exception.InvalidLocation:
    return exception.InvalidLocation(
        f'malformed URI {masking.mask_uri(uri)!r}: {why}'
    )
