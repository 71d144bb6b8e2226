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

"""Images in a Glance of the tests, made by plain requests."""

import dataclasses
import json
import pathlib
import random
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

MiB = 1 << 20
_PATCH = 'application/openstack-images-v2.1-json-patch'


@dataclasses.dataclass
class Glances:
    """One Glance, as whoever has these headers sees it."""

    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: Any = None, **more: str
    ) -> Any:
        """Send a request; return what is answered, as JSON or bytes."""
        headers = {**self.headers, **more}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault('Content-Type', 'application/json')
        request = urllib.request.Request(
            f'{self.url}/v2{path}', body, headers, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            data = answer.read()
        if answer.headers.get_content_type() == 'application/json':
            return json.loads(data)
        return data

    def queued(self, **fields: Any) -> str:
        """Make an image without bits; return its id."""
        fields = {'disk_format': 'raw', 'container_format': 'bare', **fields}
        made: str = self.ask('POST', '/images', fields)['id']
        return made

    def stored(self, data: bytes, store: str = 'fast', **fields: Any) -> str:
        """Make an image with these bits in a store; return its id."""
        image_id = self.queued(**fields)
        self.ask(
            'PUT',
            f'/images/{image_id}/file',
            data,
            **{
                'Content-Type': 'application/octet-stream',
                'X-Image-Meta-Store': store,
            },
        )
        return image_id

    def show(self, image_id: str) -> Any:
        """Return an image's record."""
        return self.ask('GET', f'/images/{image_id}')

    def status(self, image_id: str) -> str:
        """Return an image's status; "" when there is no such image."""
        try:
            status: str = self.show(image_id)['status']
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return ''
        return status

    def patch(self, image_id: str, *steps: Mapping[str, Any]) -> None:
        """Change a record by a JSON patch."""
        kind = {'Content-Type': _PATCH}
        self.ask('PATCH', f'/images/{image_id}', list(steps), **kind)


def operator(glance: Any, path: pathlib.Path, more: str = '') -> Any:
    """Return the ConfigOpts of Glance's own file, and of one for the mover.

    :param path: where the mover's is written.
    :param more: what else that says, which begins in ``[glance_store]``.
    """
    path.write_text(
        '[oslo_image]\ncatalog = glance\nretry_pause = 0.01\n'
        f'[glance_store]\nglance_endpoint = {glance.url}\n{more}'
    )
    found = cfg.ConfigOpts()
    found(
        [f'--config-file={one}' for one in (glance.conf, path)],
        project='glance',
        default_config_files=[],
    )
    return found


def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes that are the same for the same size and seed."""
    return random.Random(f'{size}-{seed}').randbytes(size)
