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

"""The URIs of objects in S3, as glance_store has them.

::

    s3://host/bucket/key                 over http, as glance_store has it
    s3+http://host/bucket/key
    s3+https://host/bucket/key
    s3://access:secret@host/bucket/key   read, and never written

The last piece is the key and the one before it the bucket, so that a host may
have a path, and a secret a slash. A slash in a key is written %2F. For what
looks into a whole bucket the key may be missing.
"""

from __future__ import annotations

import urllib.parse
from typing import NamedTuple

from oslo_image import exception, masking

SCHEMES = ('s3', 's3+http', 's3+https')
_WANTED = 'it wants host, bucket and key'
#: What stays as it is in a key.
_PLAIN = "-_.~!*'()"


class Spec(NamedTuple):
    """What a URI names.

    :param endpoint: ``http://host[:port][/path]``.
    :param key: '' for the bucket.
    :param access, secret: the keys that an old URI carries, else ''.
    """

    endpoint: str
    bucket: str
    key: str
    access: str = ''
    secret: str = ''

    def __repr__(self) -> str:
        return f'<S3 object {self.key} of {self.bucket} at {self.endpoint}>'


def parse(uri: str) -> Spec:
    """Take a URI apart.

    :raises InvalidLocation: saying which piece is wrong.
    """
    scheme, _, rest = uri.partition('://')
    pieces = rest.rstrip('/').rsplit('/', 2)
    if len(pieces) == 2:
        pieces.append('')
    if len(pieces) != 3 or not all(pieces[:2]):
        raise _malformed(uri, _WANTED)
    place, bucket, key = pieces
    userinfo, _, host = place.rpartition('@')
    access = secret = ''
    if userinfo:
        access, colon, secret = userinfo.partition(':')
        if not (access and colon and secret):
            raise _malformed(uri, 'before the @ stand access and secret key')
    if not host or any(one in host for one in '?# '):
        raise _malformed(uri, 'the host is none')
    protocol = 'https' if scheme.lower() == 's3+https' else 'http'
    return Spec(
        f'{protocol}://{host.strip("/")}',
        bucket,
        urllib.parse.unquote(key),
        urllib.parse.unquote(access),
        urllib.parse.unquote(secret),
    )


def parse_object(uri: str) -> Spec:
    """Take the URI of an object apart.

    :raises InvalidLocation: as :func:`parse`, and where there is no key.
    """
    spec = parse(uri)
    if not spec.key:
        raise _malformed(uri, _WANTED)
    return spec


def build(spec: Spec) -> str:
    """Return the URI of an object, without keys."""
    protocol, _, host = spec.endpoint.partition('://')
    scheme = 's3+https' if protocol == 'https' else 's3'
    key = urllib.parse.quote(spec.key, _PLAIN)
    return f'{scheme}://{host}/{spec.bucket}/{key}'


def endpoint(host: str) -> str:
    """Return the endpoint that ``s3_store_host`` names."""
    text = host.strip().rstrip('/')
    return text if '://' in text else f'http://{text}'


def _malformed(uri: str, why: str) -> exception.InvalidLocation:
    return exception.InvalidLocation(
        f'malformed URI {masking.mask_uri(uri)!r}: {why}'
    )
