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

"""The URIs of images in Ceph, as glance_store has them.

::

    rbd://image                          the pool is the configured one
    rbd://[fsid]/pool/image              a disk
    rbd://fsid/pool/image/snapshot       a Glance image

Every piece is %-quoted. A pool may be followed by a namespace,
``pool%2Fnamespace``. ``rbd://[fsid]/pool`` stands for all images of a pool.
"""

from __future__ import annotations

import urllib.parse
from typing import NamedTuple

from oslo_image import exception, masking

_SCHEME = 'rbd://'
#: librbd takes an image or snapshot by its name as it is; in its command
#: line these would part the name.
_FORBIDDEN = ('/', '@')


class Spec(NamedTuple):
    """What a URI names. Empty is what it leaves open.

    :param fsid: of the cluster.
    :param namespace: within the pool; most pools have none.
    """

    fsid: str = ''
    pool: str = ''
    namespace: str = ''
    image: str = ''
    snapshot: str = ''

    @property
    def path(self) -> str:
        """The name as the command ``rbd`` takes it, for people."""
        parts = (self.pool, self.namespace, self.image)
        name = '/'.join(part for part in parts if part)
        return f'{name}@{self.snapshot}' if self.snapshot else name


def parse(uri: str) -> Spec:
    """Take a URI apart.

    :raises InvalidLocation: saying which piece is wrong.
    """
    rest = uri.partition('://')[2]
    try:
        pieces = [
            urllib.parse.unquote(piece, errors='strict')
            for piece in rest.split('/')
        ]
    except UnicodeDecodeError:
        raise _malformed(uri, 'a piece is not UTF-8') from None
    if any('\0' in piece for piece in pieces):
        raise _malformed(uri, 'a piece holds a NUL')
    if len(pieces) == 1:
        return Spec(image=_named(uri, 'image', pieces[0]))
    if len(pieces) > 4:
        raise _malformed(
            uri,
            f'it has {len(pieces)} pieces: at most fsid, pool, image and '
            'snapshot, each %-quoted',
        )
    pool, _, namespace = _named(uri, 'pool', pieces[1]).partition('/')
    return Spec(
        pieces[0],
        pool,
        namespace,
        *(
            _named(uri, what, piece)
            for what, piece in zip(
                ('image', 'snapshot'), pieces[2:], strict=False
            )
        ),
    )


def build(spec: Spec) -> str:
    """Return the whole URI of an image."""
    pool = '/'.join(part for part in (spec.pool, spec.namespace) if part)
    pieces = [spec.fsid, pool, spec.image]
    if spec.snapshot:
        pieces.append(spec.snapshot)
    return _SCHEME + '/'.join(urllib.parse.quote(one, '') for one in pieces)


def _named(uri: str, what: str, piece: str) -> str:
    if not piece:
        raise _malformed(uri, f'the {what} is empty')
    if what != 'pool' and any(one in piece for one in _FORBIDDEN):
        raise _malformed(uri, f'the name of an {what} has no "/" or "@"')
    return piece


def _malformed(uri: str, why: str) -> exception.InvalidLocation:
    return exception.InvalidLocation(
        f'malformed URI {masking.mask_uri(uri)!r}: {why}'
    )
