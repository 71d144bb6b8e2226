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

"""Copies to and from S3 while the server, or the way to it, fails.

After each: the right bytes or a precise error, and nothing is left in the
bucket, or the error names it.
"""

import hashlib
import io
import logging
import threading
import time
import traceback

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.s3 import service
from tests.functional import buckets, images
from tests.functional.buckets import PART
from tests.functional.images import MiB

pytestmark = pytest.mark.usefixtures('short_pauses')

#: Three parts, of which the last is short.
SIZE = 2 * PART + MiB
DATA = images.noise(SIZE)
PARTS = 3
SLOW = (503, {'Retry-After': '0'}, b'<Error><Code>SlowDown</Code></Error>')


@pytest.fixture(autouse=True)
def no_secret(caplog, bucket):
    """No key and no signature is in what was logged."""
    caplog.set_level(logging.DEBUG, 'oslo_image')
    yield
    assert_clean(caplog.text, bucket)


def assert_clean(text, bucket):
    assert bucket.keys[1] not in text
    for words in ('Signature=', 'Signature:\n', 'X-Amz-Security-Token: '):
        assert all(rest.startswith('***') for rest in text.split(words)[1:]), (
            words
        )


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'source'
    path.write_bytes(DATA)
    return images.uri(path)


def shown(error):
    """Return all that an error shows, and what lies behind it."""
    told = ''.join(traceback.format_exception(error))
    seen = [error, error.__cause__, error.__context__]
    return told + ''.join(f'{one!r} {one}' for one in seen)


@pytest.fixture
def failing(bucket):
    """Run a copy that fails; return the error, which shows no secret."""

    def run(kind, copy, *arguments, **more):
        with pytest.raises(kind) as caught:
            copy(*arguments, **more)
        assert_clean(shown(caught.value), bucket)
        return caught.value

    return run


class TestSending:
    """From a file to an object, by parts and in one PUT."""

    @pytest.mark.parametrize('number', range(1, PARTS + 1))
    @pytest.mark.parametrize(
        'fault',
        [
            {'cut_request': 500_000},
            {'lose_answer': True},
            {'answer': SLOW},
            {'answer': (500, {})},
            {'answer': (429, {'Retry-After': '0'})},
        ],
        ids=['cut', 'no answer', 'slow', '500', '429'],
    )
    def test_a_part_is_sent_again(
        self, bucket, faulty, s3_proxy, source, number, fault
    ):
        s3_proxy.on('PUT', f'partNumber={number}&', times=2, **fault)

        result = faulty.send(source, 'image')

        assert tuple(result) == (True, SIZE)
        assert bucket.read('image') == DATA
        assert bucket.state() == ['image']
        assert s3_proxy.asked('PUT', f'partNumber={number}&') == 3

    @pytest.mark.parametrize('number', range(1, PARTS + 1))
    @pytest.mark.parametrize(
        'fault',
        [{'cut_request': 1000}, {'answer': SLOW}, {'answer': (403, {})}],
        ids=['cut', 'slow', 'denied'],
    )
    def test_a_part_that_cannot_be_sent(
        self, bucket, faulty, s3_proxy, source, failing, number, fault
    ):
        s3_proxy.on('PUT', f'partNumber={number}&', times=None, **fault)

        error = failing(exception.ImageError, faulty.send, source, 'image')

        denied = fault.get('answer') == (403, {})
        assert isinstance(error, exception.PermissionDenied) == denied
        assert error.temporary != denied
        assert error.side == 'destination'
        assert error.destination_state == 'untouched'
        assert bucket.state() == []

    def test_a_pause_that_the_server_asks_for(
        self, bucket, faulty, s3_proxy, source
    ):
        slow = (503, {'Retry-After': '1'})
        s3_proxy.on('PUT', 'partNumber=1&', answer=slow)

        result = faulty.send(source, 'image')

        assert 1 <= result.seconds < 5
        assert bucket.read('image') == DATA

    def test_a_cancellation_ends_a_pause(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        slow = (503, {'Retry-After': '25'})
        s3_proxy.on('PUT', 'partNumber=1&', answer=slow, times=None)
        cancel = threading.Event()
        timer = threading.Timer(0.5, cancel.set)
        timer.start()
        began = time.monotonic()

        failing(
            exception.Cancelled, faulty.send, source, 'image', cancel=cancel
        )

        timer.join()
        assert time.monotonic() - began < 5
        assert bucket.state() == []

    @pytest.mark.parametrize(
        ('size', 'known', 'asked'),
        [
            (SIZE, True, ('PUT', 'partNumber=1&')),
            (SIZE, True, ('POST', 'uploads')),
            (SIZE, True, ('POST', 'uploadId')),
            (SIZE, False, ('PUT', 'partNumber=1&')),
            (PART - 1, True, ('PUT', '/image$')),
            (PART - 1, False, ('POST', 'uploadId')),
        ],
        ids=['part', 'begin', 'complete', 'stream', 'one PUT', 'streamed'],
    )
    def test_a_cancellation_ends_a_wait_for_the_server(
        self, bucket, faulty, s3_proxy, failing, size, known, asked
    ):
        """Whichever answer is waited for, and whichever thread waits."""
        cancel = threading.Event()
        s3_proxy.on(*asked, before=cancel.set, pause=8, times=None)
        mover = move.Mover(
            'an-image',
            faulty.config,
            image={'size': size if known else None},
            data=lambda: io.BytesIO(DATA[:size]),
        )
        began = time.monotonic()

        error = failing(
            exception.Cancelled,
            mover.copy,
            faulty.writer('image'),
            cancel=cancel,
        )

        assert time.monotonic() - began < 6
        left = ''.join(getattr(error, '__notes__', ()))
        unsure = asked[0] == 'POST' or size < PART
        assert bucket.state() == [] or (unsure and bucket.name in left)

    @pytest.mark.parametrize(
        'fault',
        [
            {'cut_request': 0},
            {'answer': SLOW},
            {'lose_answer': True},
        ],
        ids=['cut', 'slow', 'no answer'],
    )
    @pytest.mark.parametrize('if_exists', ['fail', 'replace'])
    @pytest.mark.parametrize('small', [1, PART - 1])
    def test_a_small_image_is_sent_again(
        self, bucket, faulty, s3_proxy, tmp_path, small, if_exists, fault
    ):
        (tmp_path / 'small').write_bytes(DATA[:small])
        s3_proxy.on('PUT', '/image$', **fault)

        result = faulty.send(
            images.uri(tmp_path / 'small'), 'image', if_exists=if_exists
        )

        assert result.success
        assert s3_proxy.asked('PUT') == 2
        assert bucket.read('image') == DATA[:small]

    def test_a_small_image_whose_answer_is_always_lost(
        self, bucket, faulty, s3_proxy, tmp_path
    ):
        (tmp_path / 'small').write_bytes(b'small')
        s3_proxy.on('PUT', '/image$', lose_answer=True, times=None)

        result = faulty.send(
            images.uri(tmp_path / 'small'), 'image', if_exists='replace'
        )

        assert result.success
        assert bucket.read('image') == b'small'

    def test_another_was_first(
        self, bucket, faulty, s3_proxy, tmp_path, failing
    ):
        """Even where our own answer was lost before."""
        (tmp_path / 'small').write_bytes(b'small')
        source = images.uri(tmp_path / 'small')
        s3_proxy.on(
            'PUT',
            '/image$',
            before=lambda: bucket.put('image', b'other'),
            answer=SLOW,
        )

        error = failing(
            exception.DestinationExists, faulty.send, source, 'image'
        )

        assert error.destination_state == 'untouched'
        assert bucket.read('image') == b'other'

    def test_nobody_knows_whether_it_is_there(
        self, bucket, faulty, s3_proxy, tmp_path, failing
    ):
        """The answer is lost, and then the server: the error says so."""
        (tmp_path / 'small').write_bytes(b'small')
        source = images.uri(tmp_path / 'small')
        s3_proxy.on('PUT', '/image$', lose_answer=True, times=None)
        s3_proxy.on('HEAD', '/image$', answer=(503, {}), first=2, times=None)

        error = failing(
            exception.DestinationError, faulty.send, source, 'image'
        )

        assert f'{bucket.name}/image' in ''.join(error.__notes__)

    def test_the_upload_cannot_begin(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        s3_proxy.on('POST', 'uploads', answer=SLOW, times=None)

        error = failing(
            exception.DestinationError, faulty.send, source, 'image'
        )

        assert error.temporary
        assert error.retry_after == 0
        assert bucket.state() == []

    def test_the_upload_begins_late(self, bucket, faulty, s3_proxy, source):
        s3_proxy.on('POST', 'uploads', answer=SLOW, times=2)

        assert faulty.send(source, 'image').success
        assert bucket.state() == ['image']


class TestUnheard:
    """S3 began an upload, and its answer was lost."""

    @pytest.mark.parametrize('times', [1, 2, 5])
    def test_is_aborted(self, bucket, faulty, s3_proxy, source, times):
        s3_proxy.on('POST', 'uploads', lose_answer=True, times=times)

        assert faulty.send(source, 'image').success

        assert s3_proxy.asked('POST', 'uploads') == times + 1
        assert bucket.state() == ['image']

    def test_is_aborted_when_the_copy_fails(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        s3_proxy.on('POST', 'uploads', lose_answer=True)
        s3_proxy.on('PUT', 'partNumber=2&', answer=(403, {}), times=None)

        failing(exception.PermissionDenied, faulty.send, source, 'image')

        assert bucket.state() == []

    def test_is_aborted_when_none_is_heard_of(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        s3_proxy.on('POST', 'uploads', lose_answer=True, times=None)

        error = failing(
            exception.DestinationError, faulty.send, source, 'image'
        )

        assert error.temporary
        assert bucket.state() == []

    def test_anothers_is_not(self, bucket, faulty, s3_proxy, source):
        """It has a part, or is of another key."""
        own = [
            bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
            for key in ('image', 'image2')
        ]
        bucket.client.upload_part(
            Bucket=bucket.name,
            Key='image',
            UploadId=own[0]['UploadId'],
            PartNumber=1,
            Body=b'a part',
        )
        s3_proxy.on('POST', 'uploads', lose_answer=True)

        assert faulty.send(source, 'image').success

        assert sorted(bucket.uploads()) == sorted(
            one['UploadId'] for one in own
        )

    def test_one_too_many_is_named(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        """Then nobody can tell which one is ours."""
        for _ in range(2):
            bucket.client.create_multipart_upload(
                Bucket=bucket.name, Key='image'
            )
        s3_proxy.on('POST', 'uploads', lose_answer=True)
        s3_proxy.on('PUT', 'partNumber=2&', answer=(403, {}), times=None)

        error = failing(
            exception.PermissionDenied, faulty.send, source, 'image'
        )

        told = ''.join(error.__notes__)
        assert f'an upload of {bucket.name}/image' in told
        assert len(bucket.uploads()) == 3
        store = stores.registry.Stores(bucket.config)
        location = store.location(bucket.uri('image'))
        found = store.find(location).leftovers(location, older_than=0)
        assert len(list(found)) == 3

    def test_one_too_many_is_told_of_when_the_copy_succeeds(
        self, bucket, faulty, s3_proxy, source, caplog
    ):
        for _ in range(2):
            bucket.client.create_multipart_upload(
                Bucket=bucket.name, Key='image'
            )
        s3_proxy.on('POST', 'uploads', lose_answer=True)
        writer = faulty.writer('image')

        assert move.Mover(source, faulty.config).copy(writer).success

        [left] = writer.leftovers
        assert (
            left == f'an upload of {bucket.name}/image that S3 began unheard'
        )
        assert left in caplog.text
        assert len(bucket.uploads()) == 3

    @pytest.mark.parametrize('times', [1, 4])
    def test_what_was_refused_was_not_begun(
        self, bucket, faulty, s3_proxy, source, times
    ):
        """A rival's upload, of the same seconds and user, is not aborted."""
        own = bucket.client.create_multipart_upload(
            Bucket=bucket.name, Key='image'
        )
        s3_proxy.on('POST', 'uploads', answer=SLOW, times=times)

        assert faulty.send(source, 'image').success

        assert bucket.uploads() == [own['UploadId']]

    def test_is_named_when_s3_does_not_tell(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        s3_proxy.on('POST', 'uploads', lose_answer=True)
        s3_proxy.on('PUT', 'partNumber=2&', answer=(403, {}), times=None)
        s3_proxy.on('GET', 'uploads', answer=SLOW, times=None)

        error = failing(
            exception.PermissionDenied, faulty.send, source, 'image'
        )

        assert f'of {bucket.name}/image' in ''.join(error.__notes__)
        assert len(bucket.uploads()) == 1


class TestCompleting:
    def test_an_error_in_a_200(self, bucket, faulty, s3_proxy, source):
        body = b'<Error><Code>InternalError</Code></Error>'
        s3_proxy.on('POST', 'uploadId', answer=(200, {}, body))

        assert faulty.send(source, 'image').success
        assert bucket.state() == ['image']
        assert s3_proxy.asked('POST', 'uploadId') == 2

    @pytest.mark.parametrize(
        ('code', 'kind'),
        [
            ('InternalError', exception.DestinationError),
            ('InvalidPart', exception.DestinationError),
            ('AccessDenied', exception.PermissionDenied),
        ],
    )
    def test_an_error_in_every_200(
        self, bucket, faulty, s3_proxy, source, failing, code, kind
    ):
        body = f'<Error><Code>{code}</Code></Error>'.encode()
        s3_proxy.on('POST', 'uploadId', answer=(200, {}, body), times=None)

        error = failing(kind, faulty.send, source, 'image')

        assert code in str(error)
        assert error.destination_state == 'untouched'
        assert bucket.state() == []

    @pytest.mark.parametrize('times', [1, None])
    @pytest.mark.parametrize('if_exists', ['fail', 'replace'])
    def test_the_answer_is_lost(
        self, bucket, faulty, s3_proxy, source, times, if_exists
    ):
        """It succeeded, and nobody heard of it."""
        bucket.put('image', b'old')
        if if_exists == 'fail':
            bucket.delete('image')
        s3_proxy.on('POST', 'uploadId', lose_answer=True, times=times)

        result = faulty.send(source, 'image', if_exists=if_exists)

        assert tuple(result) == (True, SIZE)
        assert bucket.read('image') == DATA
        assert bucket.state() == ['image']

    def test_an_old_object_of_the_same_size_is_not_what_became_of_it(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        """Another's cleaning up aborted the upload."""
        bucket.put('image', DATA[::-1])

        def abort():
            for one in buckets.uploads(bucket.client, bucket.name):
                bucket.client.abort_multipart_upload(
                    Bucket=bucket.name,
                    Key=one['Key'],
                    UploadId=one['UploadId'],
                )

        time.sleep(1.1)  # Dates have whole seconds.
        s3_proxy.on('POST', 'uploadId', before=abort)

        error = failing(
            exception.DestinationError,
            faulty.send,
            source,
            'image',
            if_exists='replace',
        )

        assert error.destination_state == 'untouched'
        assert bucket.read('image') == DATA[::-1]
        assert bucket.state() == ['image']

    @pytest.mark.parametrize('times', [1, None])
    def test_the_answer_comes_too_late(
        self, bucket, faulty, s3_proxy, source, monkeypatch, times
    ):
        """It succeeded, and took longer than anybody waits."""
        monkeypatch.setattr(service, '_READ_TIMEOUT', 1)
        service.service.cache_clear()
        s3_proxy.on(
            'POST', 'uploadId', after=lambda: time.sleep(2.5), times=times
        )

        result = faulty.send(source, 'image')

        service.service.cache_clear()
        assert tuple(result) == (True, SIZE)
        assert bucket.read('image') == DATA
        assert bucket.state() == ['image']

    def test_nobody_knows_what_became_of_it(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        """It is an object; the error says that it may be."""
        s3_proxy.on('POST', 'uploadId', lose_answer=True, times=None)
        s3_proxy.on('GET', 'uploadId', answer=(503, {}), times=None)
        s3_proxy.on('HEAD', '/image$', answer=(503, {}), first=3, times=None)

        error = failing(
            exception.DestinationError, faulty.send, source, 'image'
        )

        assert bucket.state() == ['image']
        assert f'{bucket.name}/image, unless' in ''.join(error.__notes__)
        assert error.destination_state == 'modified'

    def test_another_was_first(
        self, bucket, faulty, s3_proxy, source, failing
    ):
        s3_proxy.on(
            'PUT',
            'partNumber=2&',
            before=lambda: bucket.put('image', b'other'),
        )

        error = failing(
            exception.DestinationExists, faulty.send, source, 'image'
        )

        assert error.destination_state == 'untouched'
        assert bucket.state() == ['image']
        assert bucket.read('image') == b'other'

    def test_the_abort_fails(self, bucket, faulty, s3_proxy, source, failing):
        """The upload is named, and found by what looks for leftovers."""
        s3_proxy.on('PUT', 'partNumber=2&', answer=(403, {}), times=None)
        s3_proxy.on('DELETE', 'uploadId', answer=SLOW, times=None)

        error = failing(
            exception.PermissionDenied, faulty.send, source, 'image'
        )

        [left] = bucket.uploads()
        assert left in ''.join(error.__notes__)
        found = stores.registry.Stores(bucket.config)
        location = found.location(bucket.uri('image'))
        store = found.find(location)
        [leftover] = store.leftovers(location, older_than=0)
        assert left in leftover.name
        assert store.remove_leftover(leftover)
        assert bucket.state() == []


class TestReading:
    """From an object to a file and to a stream."""

    @pytest.fixture(autouse=True)
    def image(self, bucket):
        bucket.put('image', DATA)

    def target(self, tmp_path):
        return stores.open_writer(images.uri(tmp_path / 'target'))

    @pytest.mark.parametrize('number', [1, 2, 3])
    @pytest.mark.parametrize(
        'fault',
        [
            {'cut_answer': 0},
            {'cut_answer': 50_000},
            {'lose_answer': True},
            {'answer': SLOW},
            {'answer': (500, {})},
            {'answer': (429, {'Retry-After': '0'})},
        ],
        ids=['cut', 'cut within', 'no answer', 'slow', '500', '429'],
    )
    def test_goes_on(self, faulty, s3_proxy, tmp_path, number, fault):
        s3_proxy.on('GET', '/image', first=number, **fault)

        assert faulty.fetch('image', self.target(tmp_path)).success
        assert (tmp_path / 'target').read_bytes() == DATA

    @pytest.mark.parametrize('number', [1, 2, 3])
    def test_replaced_between_ranges(
        self, bucket, faulty, s3_proxy, tmp_path, failing, number
    ):
        """The first one tells the size; three more have the bytes."""
        other = 2 * DATA[::-1]
        bucket.put('image', 2 * DATA)
        s3_proxy.on(
            'GET',
            '/image',
            first=number,
            before=lambda: bucket.put('image', other),
        )

        error = failing(
            exception.SourceChanged,
            faulty.fetch,
            'image',
            self.target(tmp_path),
        )

        assert error.side == 'source'
        assert error.destination_state == 'untouched'
        assert not (tmp_path / 'target').exists()

    def test_another_etag(self, faulty, s3_proxy, tmp_path, failing):
        """Of a server that looks at no condition."""
        s3_proxy.on('GET', '/image', first=2, fields={'ETag': '"other"'})
        failing(
            exception.SourceChanged,
            faulty.fetch,
            'image',
            self.target(tmp_path),
        )
        assert not (tmp_path / 'target').exists()

    @pytest.mark.parametrize('number', [1, 2])
    def test_deleted_in_the_middle(
        self, bucket, faulty, s3_proxy, tmp_path, failing, number
    ):
        s3_proxy.on(
            'GET',
            '/image',
            first=number,
            before=lambda: bucket.delete('image'),
        )

        error = failing(
            (exception.ImageNotFound, exception.SourceChanged),
            faulty.fetch,
            'image',
            self.target(tmp_path),
        )

        assert error.side == 'source'
        assert not (tmp_path / 'target').exists()

    @pytest.mark.parametrize(
        ('code', 'status', 'kind', 'word'),
        [
            ('ExpiredToken', 400, exception.PermissionDenied, 'new ones'),
            ('InvalidObjectState', 403, exception.SourceError, 'restore'),
            ('AccessDenied', 403, exception.PermissionDenied, 'Access'),
        ],
    )
    @pytest.mark.parametrize('number', [1, 2])
    def test_denied_in_the_middle(
        self,
        faulty,
        s3_proxy,
        tmp_path,
        failing,
        number,
        code,
        status,
        kind,
        word,
    ):
        body = f'<Error><Code>{code}</Code></Error>'.encode()
        answer = status, {}, body
        s3_proxy.on('GET', '/image', first=number, answer=answer, times=None)

        error = failing(kind, faulty.fetch, 'image', self.target(tmp_path))

        assert word in str(error)
        assert error.side == 'source'
        assert not (tmp_path / 'target').exists()

    def test_a_declared_digest(self, faulty, s3_proxy, tmp_path):
        """Cut and gone on, the bytes are those that were declared."""
        for number in (1, 2, 3):
            s3_proxy.on('GET', '/image', first=number, cut_answer=70_000)
        record = {
            'size': SIZE,
            'os_hash_algo': 'sha256',
            'os_hash_value': hashlib.sha256(DATA).hexdigest(),
        }
        mover = move.Mover(faulty.uri('image'), faulty.config, image=record)
        target = io.BytesIO()

        assert mover.copy(target).verified
        assert target.getvalue() == DATA
