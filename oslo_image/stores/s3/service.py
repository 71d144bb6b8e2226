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

"""An S3 endpoint as one user sees it: boto3's client, and signed requests."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import os
import threading
import urllib.parse
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from oslo_image import exception
from oslo_image.stores.base import DescriptorRange
from oslo_image.stores.per_process import PerProcess
from oslo_image.stores.s3 import library

if TYPE_CHECKING:
    from oslo_image.stores.s3.transport import Asked, Transport
    from oslo_image.stores.wire import Watch

#: How long one request of the control plane may take, in seconds.
_READ_TIMEOUT = 60
_CONNECT_TIMEOUT = 10
#: Of what went on for so many seconds there is no new try of ours: each of
#: boto3's may have had the server do it once more.
PATIENCE = 120.0
#: How often boto3 sends a request at most.
ATTEMPTS = 3
#: What S3 says of a bucket that is there.
_TAKEN = ('BucketAlreadyExists', 'BucketAlreadyOwnedByYou')
#: The field of a body's CRC32, the one checksum that all SDKs know.
CHECKSUM = 'x-amz-checksum-crc32'


@dataclasses.dataclass(frozen=True, slots=True)
class S3Auth:
    """The caller's own keys; hand them as ``auth``.

    :param token: of temporary keys.
    """

    access: str
    secret: str = dataclasses.field(repr=False)
    token: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """All that tells one service from another.

    :param addressing: ``auto``, ``virtual`` or ``path``.
    :param checksums: ``when_required`` or ``when_supported``, for requests
        and for answers.
    """

    endpoint: str
    region: str = ''
    auth: S3Auth | None = None
    addressing: str = 'auto'
    ca_file: str = ''
    checksums: tuple[str, str] = ('when_required', 'when_required')


class _Own:
    """What one process has."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.session: Any = None
        self.client: Any = None
        self.transport: Transport | None = None


class Service:
    """One endpoint, reached with one user's keys.

    Shared by threads, and usable after a fork: a connection of boto3's serves
    one process.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._own = PerProcess(_Own)

    @property
    def _session(self) -> Any:
        own = self._own.get()
        with own.lock:
            if own.session is None:
                keys = self.settings.auth
                own.session = library.load().session.Session(
                    aws_access_key_id=keys.access if keys else None,
                    aws_secret_access_key=keys.secret if keys else None,
                    aws_session_token=keys.token if keys else None,
                    region_name=self.settings.region or None,
                )
            return own.session

    @property
    def client(self) -> Any:
        """boto3's client, for all but the bytes.

        :raises PermissionDenied: when there are no keys, which may come yet.
        """
        own = self._own.get()
        with own.lock:
            if own.client is None:
                own.client = self._make_client()
            return own.client

    def _make_client(self) -> Any:
        self._find_credentials()
        config = library.load().config.Config(
            s3={'addressing_style': self.settings.addressing},
            signature_version='s3v4',
            retries={'mode': 'standard', 'total_max_attempts': ATTEMPTS},
            user_agent_extra='oslo.image',
            **_checksums(*self.settings.checksums),
        )
        with library.preparing():
            made = self._session.client(
                's3', endpoint_url=self.settings.endpoint, config=config
            )
        made.meta.events.register('before-send.s3', self._transport.send)
        return made

    @property
    def _transport(self) -> Transport:
        own = self._own.get()
        with own.lock:
            if own.transport is None:
                own.transport = _transport(self.settings.ca_file)
            return own.transport

    def watched(
        self, watch: Watch | None
    ) -> contextlib.AbstractContextManager[Asked]:
        """Let what this thread asks by :attr:`client` be watched."""
        return self._transport.watched(watch)

    def _find_credentials(self) -> Any:
        with library.preparing():
            found = self._session.get_credentials()
        if found is None:
            raise exception.PermissionDenied(
                'there are no S3 keys: none in the options, none where boto3 '
                'looks'
            )
        return found

    @property
    def checksums(self) -> bool:
        """Whether bodies go with a checksum, so that we must see them."""
        return self.settings.checksums[0] == 'when_supported'

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return str(self.client.meta.region_name or 'us-east-1')

    def checksum(
        self, pieces: Iterable[memoryview | DescriptorRange]
    ) -> dict[str, str]:
        """Return the field with a body's checksum, if one is to be sent."""
        if not self.checksums:
            return {}
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(bytes_of(piece), crc)
        return {CHECKSUM: base64.b64encode(crc.to_bytes(4)).decode()}

    def url(self, bucket: str, key: str, **query: str) -> str:
        """Return the URL of an object, in the addressing style that is set.

        :raises InvalidLocation: for a bucket that can be none.
        """
        client = self.client
        with library.preparing():
            signed = client.generate_presigned_url(
                'head_object', Params={'Bucket': bucket, 'Key': key}
            )
        bare = str(signed).partition('?')[0]
        return f'{bare}?{urllib.parse.urlencode(query)}' if query else bare

    def find(self, **where: str) -> dict[str, Any] | None:
        """Return what a bucket has of a key; None: nothing.

        :param where: Bucket and Key.
        :raises: boto3's errors.
        """
        errors = library.load().exceptions
        try:
            found: dict[str, Any] = self.client.head_object(**where)
        except errors.ClientError as error:
            if library.code_of(error) not in library.ABSENT:
                raise
            return None
        return found

    def exists(self, **where: str) -> bool:
        """Tell whether a bucket has an object of a key."""
        with library.mapped('destination'):
            return self.find(**where) is not None

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket, unless it is there."""
        if self._has_bucket(bucket):
            return
        errors = library.load().exceptions
        region = self.region
        more = {}
        if self.settings.region and region != 'us-east-1':
            place = {'LocationConstraint': region}
            more = {'CreateBucketConfiguration': place}
        with library.mapped('destination'):
            try:
                self.client.create_bucket(Bucket=bucket, **more)
            except errors.ClientError as error:
                # Another copy was first, or an answer was lost.
                if library.code_of(error) not in _TAKEN or not (
                    self._has_bucket(bucket)
                ):
                    raise

    def _has_bucket(self, bucket: str) -> bool:
        errors = library.load().exceptions
        with library.mapped('destination'):
            try:
                self.client.head_bucket(Bucket=bucket)
            except errors.ClientError as error:
                if library.code_of(error) not in library.ABSENT:
                    raise
                return False
        return True

    def sign(
        self, method: str, url: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Sign a request, all but its body.

        The body goes unsigned: its bytes may never enter this process.

        :raises PermissionDenied: when the keys have expired, and there are
            no new ones.
        """
        lib = library.load()
        request = lib.awsrequest.AWSRequest(
            method=method,
            url=url,
            headers={
                name: value
                for name, value in headers.items()
                if name == 'Host' or name.lower().startswith('x-amz-')
            },
        )
        found = self._find_credentials()
        with library.preparing():
            keys = found.get_frozen_credentials()
        signer = _signer()(keys, 's3', self.region)
        signer.add_auth(request)
        return {
            name: value
            for name, value in request.headers.items()
            if name.lower() != 'host'
        }

    def renew(self) -> bool:
        """Keys that expire are renewed by botocore before they do."""
        return False


def bytes_of(piece: memoryview | DescriptorRange) -> bytes | memoryview:
    """Return what a piece of a body holds."""
    if isinstance(piece, DescriptorRange):
        return os.pread(piece.fileno, piece.length, piece.offset)
    return piece


@functools.lru_cache(maxsize=32)
def service(settings: Settings) -> Service:
    """Return the service of these settings: making a client takes 70 ms."""
    return Service(settings)


def _transport(ca_file: str) -> Transport:
    from oslo_image.stores.s3.transport import Transport
    from oslo_image.stores.wire import Settings as WireSettings

    return Transport(
        WireSettings(
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=_READ_TIMEOUT,
            # Amazon sends a space now and then while it joins parts.
            minimum_rate=0,
            ca_file=ca_file or None,
        )
    )


@functools.cache
def _signer() -> Any:
    """Return botocore's signer, which over http would hash an empty body."""

    class Unsigned(library.load().auth.S3SigV4Auth):  # type: ignore[misc]
        def payload(self, request: Any) -> str:
            return 'UNSIGNED-PAYLOAD'

    return Unsigned


def _checksums(requests: str, answers: str) -> dict[str, str]:
    """Return the options of botocore 1.36 and later; before, none exist."""
    import botocore

    major, minor = (int(part) for part in botocore.__version__.split('.')[:2])
    if (major, minor) < (1, 36):
        return {}
    return {
        'request_checksum_calculation': requests,
        'response_checksum_validation': answers,
    }
