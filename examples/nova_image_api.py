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

"""Nova's image API over oslo.image: one call, and no location to be seen.

Callers hand over what they always have: an id, or a URI, and a writer::

    writer = io.BufferedWriter(io.FileIO(dst_path, mode='wb'))
    result = API(config, glance_url).copy(image_id_or_uri, writer)

``tests/functional/test_nova_example.py`` runs it on a real Glance.
"""

from __future__ import annotations

import http.client
import logging
import urllib.request
from collections.abc import Mapping
from typing import Any

from oslo_image import move
from oslo_image.move import exception as mexc

LOG = logging.getLogger(__name__)

_CHUNK = 1 << 20


class NotFound(Exception):
    """Stands for nova.exception.NotFound."""


class API:
    """The part of nova.image.API that moves bits.

    :param config: Nova's options, or those of oslo.image by name.
    :param glance_url: where the fallback asks, without a version.
    :param headers: a token among them, for the fallback.
    :param timeout: seconds that the fallback waits for the next bytes.
    """

    def __init__(
        self,
        config: Any,
        glance_url: str,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._config = config
        self._glance_url = glance_url
        self._headers = dict(headers or {})
        self._timeout = timeout

    def copy(self, image_id_or_uri: str, stream_writer: Any) -> bool:
        """Copy an image; return whether it was.

        :raises NotFound:
        """
        success: bool
        bytes_written: int
        try:
            mover = move.Mover(image_id_or_uri, self._config)
            success, bytes_written = mover.copy(stream_writer)
            if success:
                if bytes_written == 0:
                    LOG.info(
                        'Copied image %s using zero-copy transfer.',
                        image_id_or_uri,
                    )
                else:
                    LOG.info(
                        'Copied image %s using standard filesystem copy. '
                        'Copied %d bytes.',
                        image_id_or_uri,
                        bytes_written,
                    )
            return success
        except mexc.ImageNotFound:
            raise NotFound(image_id_or_uri) from None
        except mexc.ImageInvalidApi:
            return self._pull(image_id_or_uri, stream_writer)

    def _pull(self, image_id: str, stream_writer: Any) -> bool:
        """Pull the image from Glance's API over HTTP, and write it."""
        url = f'{self._glance_url}/v2/images/{image_id}/file'
        request = urllib.request.Request(  # noqa: S310 - the operator's URL
            url, headers=self._headers
        )
        try:
            with urllib.request.urlopen(  # noqa: S310
                request, timeout=self._timeout
            ) as answer:
                # Read in pieces, a body that ends early is no error.
                expected = answer.length
                received = 0
                while chunk := answer.read(_CHUNK):
                    received += len(chunk)
                    stream_writer.write(chunk)
                if expected not in (None, received):
                    raise http.client.IncompleteRead(b'', expected - received)
        except (OSError, http.client.HTTPException):
            LOG.exception('Image %s was not copied.', image_id)
            return False
        return True
