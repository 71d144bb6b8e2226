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

"""What the S3 store says without a server."""

import gc
import io
import logging
import weakref

import pytest

from oslo_image import exception, stores
from oslo_image.image import Location
from oslo_image.stores import wire
from oslo_image.stores.registry import Stores
from oslo_image.stores.s3 import S3Auth, copying, library, service, uri
from oslo_image.stores.s3.writer import LARGEST

HOST = 'https://s3.example.org'
CONFIG = {
    's3_store_host': HOST,
    's3_store_access_key': 'configured',
    's3_store_secret_key': 'c4n4ry',
}


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('s3://h/b/k', ('http://h', 'b', 'k', '', '')),
        ('s3+http://h:81/b/k', ('http://h:81', 'b', 'k', '', '')),
        ('s3+https://h/path/b/k', ('https://h/path', 'b', 'k', '', '')),
        ('s3://h/b/a%2Fb%20c', ('http://h', 'b', 'a/b c', '', '')),
        ('s3://AK:se/cr+et@h/b/k', ('http://h', 'b', 'k', 'AK', 'se/cr+et')),
        ('s3://AK:se%2Fcret@h/b/k', ('http://h', 'b', 'k', 'AK', 'se/cret')),
    ],
)
def test_uris(text, expected):
    assert tuple(uri.parse(text)) == expected


@pytest.mark.parametrize(
    'text',
    ['s3://h', 's3:///b', 's3:///b/k', 's3://AK@h/b/k', 's3://AK:@h/b/k'],
)
def test_malformed_uris(text):
    with pytest.raises(exception.InvalidLocation):
        uri.parse(text)


@pytest.mark.parametrize('text', ['s3://h/b', 's3://h:81/b/'])
def test_a_bucket_is_no_object(text):
    """It has leftovers, and nothing to read, to write or to delete."""
    found = Stores(CONFIG)
    location = found.location(text)
    assert uri.parse(text)[1:3] == ('b', '')
    store = found.find(location)
    for ask in (store.open_source, store.open_writer, store.delete):
        with pytest.raises(exception.InvalidLocation, match='key'):
            ask(location)


def test_what_is_built_has_no_keys():
    spec = uri.parse('s3+https://AK:secret@h/b/a%2Fb')
    assert uri.build(spec) == 's3+https://h/b/a%2Fb'
    assert 'secret' not in repr(spec)


@pytest.mark.parametrize('text', ['s3://AK:c4n4ry@h/b/k', 's3://A:c4/n@h/b/k'])
def test_keys_are_masked(text):
    location = Location(text)
    assert 'c4' not in f'{location} {location!r}'


class TestKeys:
    """The keys of the options are for the endpoint of the options."""

    @staticmethod
    def keys(text, *, auth=None, trusted=True):
        found = Stores(CONFIG)
        location = found.location(text, trusted=trusted)
        spec = uri.parse(text)
        return found.find(location)._service(location, spec, auth)

    def test_configured_endpoint(self):
        service = self.keys('s3+https://s3.example.org/b/k', trusted=False)
        assert service.settings.auth == S3Auth('configured', 'c4n4ry')

    def test_another_endpoint(self):
        service = self.keys('s3+https://elsewhere.example.org/b/k')
        assert service.settings.auth is None

    def test_the_same_host_over_http(self):
        service = self.keys('s3://s3.example.org/b/k')
        assert service.settings.auth is None

    def test_the_callers_own_come_first(self):
        own = S3Auth('own', 'secret')
        text = 's3+https://uri:other@s3.example.org/b/k'
        assert self.keys(text, auth=own).settings.auth == own
        assert self.keys(text).settings.auth == S3Auth('uri', 'other')

    @pytest.mark.parametrize('auth', [None, S3Auth('own', 'secret')])
    def test_a_catalogue_names_no_endpoint(self, auth):
        with pytest.raises(exception.LocationDenied):
            self.keys('s3://elsewhere/b/k', auth=auth, trusted=False)

    def test_no_secret_is_shown(self):
        service = self.keys('s3+https://s3.example.org/b/k')
        assert 'c4n4ry' not in f'{service!r} {service.settings!r}'


@pytest.mark.parametrize(
    ('addressing', 'expected'),
    [
        ('path', f'{HOST}/bkt/a/b%20c'),
        ('virtual', 'https://bkt.s3.example.org/a/b%20c'),
        # botocore's choice for an endpoint of one's own.
        ('auto', f'{HOST}/bkt/a/b%20c'),
    ],
)
def test_bucket_url_format(addressing, expected):
    found = Stores({**CONFIG, 's3_store_bucket_url_format': addressing})
    location = found.location('s3+https://s3.example.org/bkt/a%2Fb%20c')
    spec = uri.parse(location.reveal())
    service = found.find(location)._service(location, spec, None)
    assert service.url(spec.bucket, spec.key) == expected
    assert service.url(spec.bucket, spec.key, versionId='1/2') == (
        f'{expected}?versionId=1%2F2'
    )


class TestBackends:
    """Of several, the one whose endpoint and bucket a location names."""

    CONFIG = {
        'enabled_backends': {
            'near': 's3',
            'far': 's3',
            'archive': 's3',
            'any': 's3',
        },
        'near': {'s3_store_host': HOST, 's3_store_bucket': 'near'},
        'far': {'s3_store_host': 'https://far.example.org:8080'},
        'archive': {'s3_store_host': HOST, 's3_store_bucket': 'archive'},
        'any': {'s3_store_host': HOST},
    }

    @pytest.mark.parametrize(
        ('text', 'backend'),
        [
            ('s3+https://s3.example.org/near/k', 'near'),
            ('s3+https://s3.example.org/archive/k', 'archive'),
            ('s3+https://s3.example.org/another/k', 'any'),
            ('s3+https://far.example.org:8080/near/k', 'far'),
        ],
    )
    def test_is_found(self, text, backend):
        found = Stores(self.CONFIG)
        store = found.find(found.location(text))
        assert store.options is found.conf[backend]


class Answer:
    """An answer over the wire, as far as errors are made of it."""

    retry_after = 7.0

    def __init__(self, status, code):
        self.status = status
        self._body = f'<Error><Code>{code}</Code></Error>'.encode()

    def read(self, limit):
        return self._body


class TestErrors:
    """The code of an answer, by whichever way it came."""

    CASES = [
        (400, 'ExpiredToken', 'PermissionDenied', 'PermissionDenied', False),
        (400, 'RequestTimeout', 'SourceUnavailable', 'DestinationError', True),
        (403, 'AccessDenied', 'PermissionDenied', 'PermissionDenied', False),
        (403, 'QuotaExceeded', 'NoSpace', 'NoSpace', False),
        (403, 'InvalidObjectState', 'SourceError', 'SourceError', False),
        (403, 'RequestTimeTooSkewed', *['PermissionDenied'] * 2, False),
        (404, 'NoSuchKey', 'ImageNotFound', 'DestinationError', False),
        (404, 'NoSuchUpload', 'ImageNotFound', 'DestinationError', False),
        (409, 'OperationAborted', 'SourceUnavailable', 'InUse', True),
        (
            412,
            'PreconditionFailed',
            'SourceChanged',
            'DestinationExists',
            False,
        ),
        (503, 'SlowDown', 'SourceUnavailable', 'DestinationError', True),
        (500, 'InternalError', 'SourceUnavailable', 'DestinationError', True),
        (501, 'NotImplemented', 'SourceError', 'DestinationError', False),
    ]

    @pytest.mark.parametrize(
        ('status', 'code', 'source', 'destination', 'again'), CASES
    )
    def test_of_a_code(self, status, code, source, destination, again):
        for side, kind in (('source', source), ('destination', destination)):
            over_the_wire = library.refused(Answer(status, code), side)
            with pytest.raises(exception.ImageError) as by_boto3:
                with library.mapped(side):
                    raise library.load().exceptions.ClientError(
                        {
                            'Error': {'Code': code},
                            'ResponseMetadata': {
                                'HTTPStatusCode': status,
                                'HTTPHeaders': {'retry-after': '7'},
                            },
                        },
                        'GetObject',
                    )
            for error in (over_the_wire, by_boto3.value):
                assert type(error).__name__ == kind
                assert error.temporary == again
                assert error.side == side
                assert code in str(error)
                if again:
                    assert error.retry_after == 7

    def test_in_the_body_of_a_200(self):
        with pytest.raises(exception.DestinationError) as caught:
            with library.mapped('destination'):
                raise library.load().exceptions.ClientError(
                    {
                        'Error': {'Code': 'InternalError'},
                        'ResponseMetadata': {'HTTPStatusCode': 200},
                    },
                    'CopyObject',
                )
        assert caught.value.temporary

    def test_no_answer(self):
        """What botocore says quotes the URL, which may be signed."""
        with pytest.raises(exception.DestinationError) as caught:
            with library.mapped('destination'):
                raise library.load().exceptions.EndpointConnectionError(
                    endpoint_url='http://h/?X-Amz-Signature=c4n4ry'
                )
        assert caught.value.temporary
        assert 'c4n4ry' not in str(caught.value)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    'place',
    ['ho_st!.x/bucket', 'host:99999/bucket', '127.0.0.1:9/Bad_Bucket!'],
)
def test_what_can_be_no_place(place):
    """It is said at once, and nobody is asked again and again."""
    config = {**CONFIG, 's3_store_host': f'http://{place.partition("/")[0]}'}
    for open_it in (
        lambda: stores.open_source(f's3://{place}/k', config),
        lambda: stores.open_writer(f's3://{place}/k', config).check(3),
        lambda: stores.open_writer(
            f's3://{place}/k', config, size=1, if_exists='replace'
        ).commit(0),
    ):
        with pytest.raises(exception.InvalidLocation) as caught:
            open_it()
        assert not caught.value.temporary


class Expired:
    """Keys that botocore would have to renew, and cannot."""

    def get_frozen_credentials(self):
        raise library.load().exceptions.CredentialRetrievalError(
            provider='iam-role', error_msg='http://h/?token=c4n4ry'
        )


def test_keys_that_cannot_be_renewed(monkeypatch):
    """What leaves the wire is ours, and shows nothing of theirs."""
    used = service.Service(service.Settings(HOST, auth=S3Auth('a', 'b')))
    assert used.region
    monkeypatch.setattr(used, '_find_credentials', Expired)
    client = wire.Client(wire.Settings())
    with pytest.raises(
        exception.PermissionDenied, match='Retrieval'
    ) as caught:
        client.request('GET', f'{HOST}/b/k', auth=used, trusted=True)
    assert 'c4n4ry' not in f'{caught.value}'
    assert caught.value.__suppress_context__ or not caught.value.__context__


@pytest.mark.parametrize(
    'size', [1, 5000 << 30, copying.LIMITS.most * copying._PART + 1, LARGEST]
)
def test_copied_parts_are_no_more_than_there_may_be(size):
    part = copying.part_size(size)
    assert part <= copying.LIMITS.largest
    assert -(-size // part) <= copying.LIMITS.most


@pytest.mark.parametrize(
    'text',
    [
        "'Authorization': b'AWS4 A, Signature=c4n4ry', 'x': 'shown'",
        'Signature:\nc4n4ry',
        "'X-Amz-Security-Token': b'c4n4ry', 'x': 'shown'",
        'x-amz-date:1\nx-amz-security-token:c4n4ry\nshown',
        'https://h/b/k?X-Amz-Signature=c4n4ry&x=shown',
    ],
)
def test_what_botocore_logs(text):
    library.load()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger('botocore.auth')
    level = logger.level
    logger.addHandler(handler)
    try:
        logger.setLevel(logging.DEBUG)
        logger.debug('%s', text)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert 'c4n4ry' not in stream.getvalue()
    assert '***' in stream.getvalue()
    assert ('shown' in text) == ('shown' in stream.getvalue())


def test_an_unknown_option_of_a_writer():
    with pytest.raises(exception.InvalidOption, match='colour'):
        stores.open_writer('s3://h/b/k', colour='red')


def test_a_writer_goes_with_its_last_reference():
    """Its connections are closed then, in order, and not by a collection."""
    writer = stores.open_writer('s3://h/b/k', CONFIG)
    known = weakref.ref(writer)
    gc.disable()
    try:
        del writer
        assert known() is None
    finally:
        gc.enable()
