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

"""The least that a transfer from and to S3 can cost."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import urllib.parse
from collections.abc import Callable

from oslo_image.bench.cell import Job, Way
from oslo_image.bench.limits import http, net
from oslo_image.bench.peers.s3 import at
from oslo_image.stores.base import MiB

_PART = 64 * MiB


def _copy(job: Job) -> None:
    place = at(job.place)
    place.client.copy_object(
        **place.where(job.target), CopySource=at(job.origin).where(job.uri)
    )


def _signed(job: Job) -> str:
    origin = at(job.origin)
    return origin.signed('get_object', **origin.where(job.uri))


def _read(take: http.Body, ranges: int) -> Callable[[Job], None]:
    fetch = http.fetch(take, ranges)

    def run(job: Job) -> None:
        fetch(dataclasses.replace(job, uri=_signed(job)))

    return run


def _told(job: Job) -> str:
    return f'url = "{_signed(job)}"'


def _send(threads: int) -> Callable[[Job], None]:
    """Parts by sendfile, signed beforehand, and nothing looked at."""

    def run(job: Job) -> None:
        place = at(job.place)
        where = place.where(job.target)
        begun = place.client.create_multipart_upload(**where)['UploadId']
        size = job.shape.size
        with (
            open(job.source, 'rb', buffering=0) as file,
            concurrent.futures.ThreadPoolExecutor(threads) as pool,
        ):

            def one(number: int) -> dict[str, object]:
                url = place.signed(
                    'upload_part',
                    **where,
                    UploadId=begun,
                    PartNumber=number,
                )
                start = (number - 1) * _PART
                length = min(_PART, size - start)
                etag = _put(url, file.fileno(), start, length)
                return {'PartNumber': number, 'ETag': etag}

            parts = list(pool.map(one, range(1, -(-size // _PART) + 1)))
        place.client.complete_multipart_upload(
            **where, UploadId=begun, MultipartUpload={'Parts': parts}
        )

    return run


def _put(url: str, fileno: int, start: int, length: int) -> str:
    """PUT a range of a file; return the ETag."""
    target = urllib.parse.urlsplit(url)
    with net.connect(target.hostname, target.port or 80) as to:
        head = (
            f'PUT {target.path}?{target.query} HTTP/1.1\r\n'
            f'Host: {target.netloc}\r\nContent-Length: {length}\r\n\r\n'
        )
        to.sendall(head.encode())
        net.send(to, fileno, start, length)
        answer = b''
        while b'\r\n\r\n' not in answer:
            more = to.recv(4096)
            net.some(len(more))
            answer += more
    status, _, fields = answer.decode().partition('\r\n')
    if ' 200' not in status:
        raise RuntimeError(status)
    [etag] = [
        line.partition(':')[2].strip()
        for line in fields.splitlines()
        if line.lower().startswith('etag:')
    ]
    return etag


COPY = Way('bare CopyObject', 'limit', _copy)
DISCARD = Way('curl to /dev/null', 'limit', net.discarded(_told), writes=False)
READ = Way('raw recv/pwrite, 4 ranges', 'limit', _read(http.write, 4))
SEND = Way('raw sendfile of parts', 'limit', _send(4))
