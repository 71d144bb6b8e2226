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

"""The store of objects in S3, with glance_store's options and URIs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.base import IfExists, Leftover, MiB, Writer
from oslo_image.stores.s3 import uri as uris
from oslo_image.stores.s3.options import list_opts
from oslo_image.stores.s3.service import S3Auth, Service, Settings, service
from oslo_image.stores.web import WebStore

if TYPE_CHECKING:
    from oslo_config import cfg

    from oslo_image.stores import wire
    from oslo_image.stores.s3.source import S3Source


class S3Store(WebStore):
    """Objects of any S3 server."""

    schemes = uris.SCHEMES
    libraries: ClassVar[dict[str, str]] = {'boto3': 's3'}

    @classmethod
    def list_opts(cls) -> list[cfg.Opt]:
        """Return the options; those of glance_store keep their names."""
        return list_opts()

    def parse(self, uri: str) -> Location:
        """Check a URI.

        :raises InvalidLocation: saying which piece is wrong.
        """
        uris.parse(uri)
        return Location(uri)

    def affinity(self, location: Location) -> int:
        """Go by the endpoint, and then by the bucket.

        :returns: 0 for another endpoint; 1 where none is configured; 2 to 4.
        """
        spec = uris.parse(location.reveal())
        if not self.options.s3_store_host:
            return 1
        if spec.endpoint != uris.endpoint(self.options.s3_store_host):
            return 0
        bucket = self.options.s3_store_bucket
        return 3 if not bucket else 4 if bucket == spec.bucket else 2

    def open_source(self, location: Location, *, auth: Any = None) -> S3Source:
        """Open one version of an object, by one request for what it is.

        :param auth: an :class:`S3Auth`; what else it may be is another
            store's.
        """
        from oslo_image.stores.s3.source import S3Source

        spec = uris.parse_object(location.reveal())
        used = self._service(location, spec, auth)
        return S3Source(location, spec, used, self._wire())

    def open_writer(
        self,
        location: Location,
        *,
        size: int | None = None,
        if_exists: IfExists = 'fail',
        auth: Any = None,
        **options: Any,
    ) -> Writer:
        """Return a writer of an object.

        :param auth: an :class:`S3Auth`.
        """
        from oslo_image.stores.s3.writer import S3Writer

        if options or if_exists == 'in_place':
            what = next(iter(options), 'in_place')
            raise exception.InvalidOption(f'an object in S3 knows no {what!r}')
        spec = uris.parse_object(location.reveal())
        return S3Writer(
            location,
            size,
            spec,
            self._service(location, spec, auth),
            self._wire(),
            part=self.options.s3_store_large_object_chunk_size * MiB,
            whole=self.options.s3_store_large_object_size * MiB,
            replace=if_exists == 'replace',
            make_bucket=self.options.s3_store_create_bucket_on_put,
        )

    def delete(self, location: Location, *, auth: Any = None) -> None:
        """Delete an object.

        :raises ImageNotFound: S3 itself says nothing where there was none.
        """
        from oslo_image.stores.s3 import library

        spec = uris.parse_object(location.reveal())
        client = self._service(location, spec, auth).client
        where = {'Bucket': spec.bucket, 'Key': spec.key}
        with library.mapped('source', location):
            client.head_object(**where)
            client.delete_object(**where)

    def leftovers(
        self, location: Location, *, older_than: float, auth: Any = None
    ) -> Iterator[Leftover]:
        """Yield multipart uploads to this key that were begun long ago.

        A bucket stands for all keys in it, and a key that ends in a slash for
        all that begin so.

        An upload bears no name of ours, and nobody tells who still sends:
        the key and the age must do.
        """
        from oslo_image.stores.s3 import leftovers

        spec = uris.parse(location.reveal())
        used = self._service(location, spec, auth)
        yield from leftovers.find(used, spec, older_than, location)

    def remove_leftover(self, leftover: Leftover, *, auth: Any = None) -> bool:
        """Abort the upload."""
        from oslo_image.stores.s3 import leftovers

        return leftovers.remove(leftover.key)

    def _service(
        self, location: Location, spec: uris.Spec, auth: Any
    ) -> Service:
        """Return the endpoint, with the keys that are meant for it.

        :raises LocationDenied: for an endpoint that only a catalogue names.
        """
        o = self.options
        ours = bool(o.s3_store_host) and (
            spec.endpoint == uris.endpoint(o.s3_store_host)
        )
        if not (ours or location.trusted):
            raise exception.LocationDenied(
                f'{spec.endpoint} is not the endpoint that is configured'
            )
        keys: S3Auth | None = None
        if isinstance(auth, S3Auth):
            keys = auth
        elif spec.access:
            keys = S3Auth(spec.access, spec.secret)
        elif ours and o.s3_store_access_key:
            keys = S3Auth(o.s3_store_access_key, o.s3_store_secret_key or '')
        checks = (
            o.s3_store_request_checksum_calculation,
            o.s3_store_response_checksum_validation,
        )
        settings = Settings(
            endpoint=spec.endpoint,
            region=o.s3_store_region_name or '',
            auth=keys,
            addressing=o.s3_store_bucket_url_format,
            ca_file=o.s3_store_cacert or '',
            checksums=(
                checks
                if o.s3_store_enable_data_integrity_protection
                else ('when_required', 'when_required')
            ),
        )
        return service(settings)

    def _connecting(self) -> wire.Settings:
        from oslo_image.stores import wire

        return wire.Settings(ca_file=self.options.s3_store_cacert or None)
