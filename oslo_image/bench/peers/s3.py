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

"""Peers that read from and write to S3."""

from __future__ import annotations

import concurrent.futures
import functools
import hashlib
import importlib.util
import os
import pathlib
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any

from oslo_image.bench.cell import Cannot, Job, Way
from oslo_image.bench.peers.programs import call, found
from oslo_image.bench.places import Place
from oslo_image.bench.s3 import S3Bucket
from oslo_image.stores.base import MiB

#: glance_store's chunk of a read, and the size of its parts.
_CHUNK = 64 * 1024
_PART = 10 * MiB
_THREADS = 10
Command = Callable[[Job], Sequence[str]]


def at(place: Place) -> S3Bucket:
    """Return the bucket that an end of a job is."""
    if not isinstance(place, S3Bucket):
        raise Cannot('it is not in S3')
    return place


def _program(
    name: str, place: Callable[[Job], Place], command: Command
) -> Way:
    own = name.split()[0]

    def run(job: Job) -> None:
        env = at(place(job)).environment
        call(found(own) or own, *command(job), env=env)

    def missing() -> str:
        return '' if found(own) else f'{own} is not installed'

    return Way(name, 'peer', run, missing)


def _origin(job: Job) -> Place:
    return job.origin


def _place(job: Job) -> Place:
    return job.place


def _s3_url(place: Place, location: str) -> str:
    where = at(place).where(location)
    return f's3://{where["Bucket"]}/{where["Key"]}'


def _remote(place: Place, location: str) -> str:
    where = at(place).where(location)
    return f'bench:{where["Bucket"]}/{where["Key"]}'


def _s5cmd(place: Place, *ends: str) -> Sequence[str]:
    return '--endpoint-url', at(place).endpoint, 'cp', *ends


def _library(
    name: str, library: str, run: Callable[[Job], float | None]
) -> Way:
    return Way(name, 'peer', run, functools.partial(_no_library, library))


def _no_library(name: str) -> str:
    found = importlib.util.find_spec(name)
    return '' if found else f'{name} is not installed'


def _boto3_copy(job: Job) -> None:
    """In parts of 8 MiB, as its defaults are."""
    place = at(job.place)
    where = place.where(job.target)
    place.client.copy(at(job.origin).where(job.uri), *where.values())


def _boto3_download(job: Job) -> None:
    origin = at(job.origin)
    origin.client.download_file(*origin.where(job.uri).values(), job.path)


def _boto3_upload(job: Job) -> None:
    place = at(job.place)
    place.client.upload_file(job.source, *place.where(job.target).values())


def _glance_read(job: Job) -> None:
    """One GET, a chunk at a time, as its iterator does."""
    origin = at(job.origin)
    body = origin.client.get_object(**origin.where(job.uri))['Body']
    with open(job.path, 'wb') as file:
        while chunk := body.read(_CHUNK):
            file.write(chunk)
    body.close()


def _glance_write(job: Job) -> None:
    """Parts read one by one, and sent by a pool of threads, as it does."""
    place = at(job.place)
    where = place.where(job.target)
    begun = place.client.create_multipart_upload(**where)['UploadId']
    digests = [hashlib.md5(usedforsecurity=False), hashlib.sha512()]

    def one(number: int, data: bytes) -> dict[str, Any]:
        answer = place.client.upload_part(
            **where, UploadId=begun, PartNumber=number, Body=data
        )
        return {'PartNumber': number, 'ETag': answer['ETag']}

    with (
        open(job.source, 'rb') as file,
        concurrent.futures.ThreadPoolExecutor(_THREADS) as pool,
    ):
        futures: list[concurrent.futures.Future[dict[str, Any]]] = []
        while data := file.read(_PART):
            for digest in digests:
                digest.update(data)
            futures.append(pool.submit(one, len(futures) + 1, data))
        parts = [future.result() for future in futures]
    place.client.complete_multipart_upload(
        **where, UploadId=begun, MultipartUpload={'Parts': parts}
    )


def _obstore(place: S3Bucket) -> Any:
    import obstore.store

    return obstore.store.S3Store(
        place.bucket,
        endpoint=place.endpoint,
        access_key_id=place.access,
        secret_access_key=place.secret,
        region='us-east-1',
        virtual_hosted_style_request=False,
        client_options={'allow_http': True},
    )


def _obstore_read(job: Job) -> None:
    import obstore

    origin = at(job.origin)
    answer = obstore.get(_obstore(origin), origin.key(job.uri))
    with open(job.path, 'wb') as file:
        for chunk in answer.stream(min_chunk_size=10 * MiB):
            file.write(chunk)


def _obstore_copy(job: Job) -> None:
    import obstore

    place = at(job.place)
    ends = at(job.origin).key(job.uri), place.key(job.target)
    obstore.copy(_obstore(place), *ends)


def _obstore_write(job: Job) -> None:
    import obstore

    place = at(job.place)
    obstore.put(
        _obstore(place), place.key(job.target), pathlib.Path(job.source)
    )


def _crt(place: S3Bucket, method: str, location: str, **more: Any) -> None:
    """One request, which awscrt cuts into parts."""
    from awscrt import auth, http, io, s3

    loop = io.EventLoopGroup()
    bootstrap = io.ClientBootstrap(loop, io.DefaultHostResolver(loop))
    keys = auth.AwsCredentialsProvider.new_static(place.access, place.secret)
    client = s3.S3Client(
        bootstrap=bootstrap,
        region='us-east-1',
        signing_config=s3.create_default_s3_signing_config(
            region='us-east-1', credential_provider=keys
        ),
        tls_mode=s3.S3RequestTlsMode.DISABLED,
    )
    host = urllib.parse.urlsplit(place.endpoint).netloc
    where = place.where(location)
    headers = [('Host', host)]
    if path := more.get('send_filepath'):
        headers.append(('Content-Length', str(os.path.getsize(path))))
    kind = s3.S3RequestType.PUT_OBJECT if path else s3.S3RequestType.GET_OBJECT
    request = http.HttpRequest(
        method,
        f'/{where["Bucket"]}/{where["Key"]}',
        http.HttpHeaders(headers),
    )
    client.make_request(
        request=request, type=kind, **more
    ).finished_future.result()


def _crt_read(job: Job) -> None:
    _crt(at(job.origin), 'GET', job.uri, recv_filepath=job.path)


def _crt_write(job: Job) -> None:
    _crt(at(job.place), 'PUT', job.target, send_filepath=job.source)


BOTO3_COPY = _library('boto3 copy', 'boto3', _boto3_copy)
BOTO3_READ = _library('boto3 download_file', 'boto3', _boto3_download)
BOTO3_WRITE = _library('boto3 upload_file', 'boto3', _boto3_upload)
GLANCE_READ = _library('glance_store: its loop', 'boto3', _glance_read)
GLANCE_WRITE = _library('glance_store: its threads', 'boto3', _glance_write)
OBSTORE_COPY = _library('obstore copy', 'obstore', _obstore_copy)
OBSTORE_READ = _library('obstore get', 'obstore', _obstore_read)
OBSTORE_WRITE = _library('obstore put', 'obstore', _obstore_write)
CRT_READ = _library('awscrt', 'awscrt', _crt_read)
CRT_WRITE = _library('awscrt', 'awscrt', _crt_write)
S5CMD_COPY = _program(
    's5cmd cp',
    _place,
    lambda job: _s5cmd(
        job.place,
        _s3_url(job.origin, job.uri),
        _s3_url(job.place, job.target),
    ),
)
S5CMD_READ = _program(
    's5cmd cp',
    _origin,
    lambda job: _s5cmd(job.origin, _s3_url(job.origin, job.uri), job.path),
)
S5CMD_WRITE = _program(
    's5cmd cp',
    _place,
    lambda job: _s5cmd(job.place, job.source, _s3_url(job.place, job.target)),
)
RCLONE_COPY = _program(
    'rclone copyto',
    _place,
    lambda job: (
        'copyto',
        _remote(job.origin, job.uri),
        _remote(job.place, job.target),
    ),
)
RCLONE_READ = _program(
    'rclone copyto',
    _origin,
    lambda job: ('copyto', _remote(job.origin, job.uri), job.path),
)
RCLONE_WRITE = _program(
    'rclone copyto',
    _place,
    lambda job: ('copyto', job.source, _remote(job.place, job.target)),
)
