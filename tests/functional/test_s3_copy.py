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

"""Copies that an S3 server makes by itself."""

import datetime
import io
import threading
import time

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores import vacancy
from oslo_image.stores.s3 import S3Auth, copying
from tests.functional import buckets, clients, images
from tests.functional.buckets import PART

pytestmark = pytest.mark.usefixtures('short_pauses')

SIZE = 2 * PART + 7
DATA = images.noise(SIZE)
OTHER = DATA[::-1]
SLOW = (503, {'Retry-After': '0'}, b'<Error><Code>SlowDown</Code></Error>')
COPY = '/copy$'


@pytest.fixture
def image(bucket):
    bucket.put(
        'image', DATA, ContentType='image/raw', Metadata={'colour': 'blue'}
    )


@pytest.fixture(params=['whole', 'parts'])
def way(request, monkeypatch):
    """Copy in one request, and as one does beyond 5 GiB."""
    if request.param == 'parts':
        buckets.copy_in_parts(monkeypatch, SIZE - 1)
    return request.param


@pytest.fixture
def versioned(bucket):
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={'Status': 'Enabled'}
    )
    yield bucket
    found = bucket.client.list_object_versions(Bucket=bucket.name)
    for one in (*found.get('Versions', ()), *found.get('DeleteMarkers', ())):
        bucket.client.delete_object(
            Bucket=bucket.name, Key=one['Key'], VersionId=one['VersionId']
        )


def versions(bucket, key):
    found = bucket.client.list_object_versions(Bucket=bucket.name, Prefix=key)
    return len(found.get('Versions', ())), len(found.get('DeleteMarkers', ()))


@pytest.mark.usefixtures('image')
class TestCopying:
    def test_nothing_passes_through(self, bucket, faulty, s3_proxy, way):
        result = faulty.copy('image', 'copy', zero_copy='require')

        assert tuple(result) == (True, 0)
        assert result.strategy == 's3_copy'
        assert result.size == SIZE
        assert bucket.read('copy') == DATA
        assert bucket.state() == ['copy', 'image']
        assert not s3_proxy.asked('GET', '/image')
        assert sum(one.length for one in s3_proxy.requests) < 10_000

    @pytest.mark.parametrize('if_exists', ['fail', 'replace'])
    def test_is_little_asked(self, faulty, s3_proxy, if_exists):
        """For what there is, for the free name if it matters, and to copy.

        The answer's ETag shows that it was the version that was looked at.
        """
        assert faulty.copy('image', 'copy', if_exists=if_exists).success
        asked = sorted(
            (one.method, one.target.rpartition('/')[2])
            for one in s3_proxy.requests
        )
        looked = [('HEAD', 'copy')] if if_exists == 'fail' else []
        assert asked == [*looked, ('HEAD', 'image'), ('PUT', 'copy')]

    def test_both_ends_are_asked_at_a_time(self, faulty, s3_proxy):
        met = threading.Barrier(2, timeout=20)
        s3_proxy.on('HEAD', '/image$', before=met.wait)
        s3_proxy.on('HEAD', COPY, before=met.wait)
        assert faulty.copy('image', 'copy').success

    def test_a_free_name_is_looked_for_anew(
        self, bucket, faulty, s3_proxy, monkeypatch
    ):
        """When the last look was a while ago."""
        monkeypatch.setattr(vacancy, 'LASTS', 0)

        def take(notice):
            if isinstance(notice, move.Plan):
                bucket.put('copy', b'other')

        with pytest.raises(exception.DestinationExists):
            faulty.copy('image', 'copy', notify=take)

        assert bucket.read('copy') == b'other'
        assert s3_proxy.asked('HEAD', COPY) == 2

    def test_keeps_what_goes_with_the_bytes(self, bucket, way):
        expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
        bucket.put(
            'image',
            DATA,
            ContentType='image/raw',
            Metadata={'colour': 'blue'},
            Expires=expires,
        )

        bucket.copy('image', 'copy')

        head = bucket.head('copy')
        assert head['ContentType'] == 'image/raw'
        assert head['Metadata'] == {'colour': 'blue'}
        assert head['Expires'] == expires

    @pytest.mark.parametrize('size', [0, 1])
    def test_small_ones(self, bucket, size):
        bucket.put('small', DATA[:size])
        assert bucket.copy('small', 'copy').success
        assert bucket.read('copy') == DATA[:size]

    @pytest.mark.parametrize('size', [PART - 1, PART, PART + 1, SIZE - 1])
    def test_around_the_limits(self, bucket, way, size):
        bucket.put('image', DATA[:size])
        assert bucket.copy('image', 'copy').zero_copy
        assert bucket.read('copy') == DATA[:size]

    @pytest.mark.parametrize(
        'code', [None, 'InvalidRequest', 'EntityTooLarge']
    )
    def test_a_large_one_is_asked_for_at_once(
        self, bucket, faulty, s3_proxy, monkeypatch, code
    ):
        """As RGW does it; in parts where the server says that it is large."""
        monkeypatch.setattr(copying, 'ONE_REQUEST', SIZE - 1)
        monkeypatch.setattr(copying, '_PART', PART)
        if code:
            body = f'<Error><Code>{code}</Code></Error>'.encode()
            s3_proxy.on('PUT', COPY, answer=(400, {}, body), times=None)

        assert faulty.copy('image', 'copy').zero_copy

        assert s3_proxy.asked('PUT', COPY) == 1
        assert s3_proxy.asked('PUT', 'partNumber') == (3 if code else 0)
        assert bucket.read('copy') == DATA
        assert bucket.state() == ['copy', 'image']

    def test_replaces(self, bucket, way):
        bucket.put('copy', b'old')
        assert bucket.copy('image', 'copy', if_exists='replace').success
        assert bucket.read('copy') == DATA

    def test_does_not_replace(self, bucket):
        bucket.put('copy', b'old')
        with pytest.raises(exception.DestinationExists):
            bucket.copy('image', 'copy')
        assert bucket.read('copy') == b'old'

    def test_names_with_slashes_and_spaces(self, bucket, way):
        bucket.put('a b/ä+c?', DATA)
        assert bucket.copy('a b/ä+c?', 'd/é f').zero_copy
        assert bucket.read('d/é f') == DATA

    def test_what_is_not_preserved_is_in_the_plan(
        self, bucket, faulty, s3_proxy
    ):
        s3_proxy.on(
            'HEAD',
            '/image$',
            fields={
                'x-amz-server-side-encryption': 'aws:kms',
                'x-amz-server-side-encryption-aws-kms-key-id': 'a-key',
                'x-amz-object-lock-mode': 'GOVERNANCE',
                'x-amz-object-lock-legal-hold': 'ON',
                'x-amz-storage-class': 'STANDARD_IA',
            },
        )
        mover = move.Mover(faulty.uri('image'), faulty.config)
        plan = mover.plan(faulty.writer('copy'))

        [told] = [one for one in plan.offers if one.strategy == 's3_copy']
        assert (
            'not preserved: encryption aws:kms, its key a-key, object lock '
            'GOVERNANCE, legal hold ON, storage class STANDARD_IA'
        ) in str(told)

    def test_tags_of_a_large_one_are_not(self, bucket, way):
        mover = move.Mover(bucket.uri('image'), bucket.config)
        plan = mover.plan(bucket.writer('copy'))
        [told] = [one for one in plan.offers if one.strategy == 's3_copy']
        assert ('preserved: tags' in str(told)) == (way == 'parts')

    def test_between_endpoints(self, bucket, faulty):
        """One server under two names is two servers, to us."""
        result = move.Mover(bucket.uri('image'), bucket.config).copy(
            faulty.writer('copy')
        )
        assert result.strategy == 'parallel'
        assert 'different endpoints' in images.reasons(result)['s3_copy']
        assert bucket.read('copy') == DATA


@pytest.fixture(scope='module')
def other_user(rgw):
    return rgw.user('another-tenant')


class TestKeys:
    """Two users, each with a bucket of its own."""

    @pytest.fixture
    def foreign(self, rgw, other_user, bucket):
        name = f'{bucket.name}-foreign'
        with buckets.made(rgw, other_user, name) as own:
            yield own

    @pytest.mark.usefixtures('image')
    def test_denied_to_the_server(self, bucket, foreign):
        """Refused, with the remedy; then by both sets of keys."""
        mover = move.Mover(
            bucket.uri('image'), bucket.config, auth=S3Auth(*bucket.keys)
        )

        result = mover.copy(foreign.writer('copy'))

        assert result.strategy == 'parallel'
        [refusal] = [
            one for one in result.refusals if one.strategy == 's3_copy'
        ]
        assert 'AccessDenied' in refusal.reason
        assert "destination's keys" in refusal.remedy
        assert foreign.read('copy') == DATA
        assert foreign.state() == ['copy']

    @pytest.mark.usefixtures('image')
    def test_denied_in_parts(self, bucket, foreign, way):
        mover = move.Mover(
            bucket.uri('image'), bucket.config, auth=S3Auth(*bucket.keys)
        )

        result = mover.copy(foreign.writer('copy'), zero_copy='require')

        assert tuple(result) == (False, 0)
        assert foreign.state() == []

    @pytest.mark.usefixtures('image')
    def test_allowed_by_the_owner(self, bucket, foreign, other_user, rgw_user):
        """Other keys are no obstacle where they may read."""
        bucket.client.put_object_acl(
            Bucket=bucket.name,
            Key='image',
            GrantFullControl=f'id={rgw_user.name}',
            GrantRead=f'id={other_user.name}',
        )
        mover = move.Mover(
            bucket.uri('image'), bucket.config, auth=S3Auth(*bucket.keys)
        )

        assert mover.copy(foreign.writer('copy')).zero_copy
        assert foreign.read('copy') == DATA


class TestVersions:
    def test_the_opened_version_is_copied(self, versioned, way):
        """What replaced it in the meantime is not."""
        versioned.put('image', DATA)
        mover = move.Mover(versioned.uri('image'), versioned.config)

        def replace(notice):
            if isinstance(notice, move.Plan):
                versioned.put('image', OTHER)

        result = mover.copy(versioned.writer('copy'), notify=replace)

        assert result.strategy == 's3_copy'
        assert versioned.read('copy') == DATA
        assert versioned.read('image') == OTHER

    def test_the_opened_version_is_read(self, versioned):
        versioned.put('image', DATA)
        with stores.open_source(
            versioned.uri('image'), versioned.config
        ) as source:
            versioned.put('image', OTHER)
            buffer = memoryview(bytearray(SIZE))
            assert source.read_into(0, buffer) == SIZE
            source.check_unchanged()
        assert buffer == DATA

    def test_deleted_in_the_middle(self, versioned):
        """A marker hides it; the version that was opened is still read."""
        versioned.put('image', DATA)
        with stores.open_source(
            versioned.uri('image'), versioned.config
        ) as source:
            versioned.delete('image')
            buffer = memoryview(bytearray(10))
            assert source.read_into(100, buffer) == 10
        assert buffer == DATA[100:110]
        with pytest.raises(exception.ImageNotFound):
            stores.stat(versioned.uri('image'), versioned.config)

    def test_what_was_replaced_comes_back(self, versioned):
        """A copy that fails after the server made it takes its version."""
        versioned.put('image', DATA)
        versioned.put('copy', b'old')

        with pytest.raises(exception.TooLarge) as caught:
            fail_after_copying(versioned, if_exists='replace')

        assert caught.value.destination_state == 'restored'
        assert versioned.read('copy') == b'old'
        assert versions(versioned, 'copy') == (1, 0)


def fail_after_copying(bucket, **more):
    """Copy, and fail when the server is done."""

    def progress(done, total):
        raise exception.TooLarge('too late')

    bucket.copy('image', 'copy', progress=progress, **more)


@pytest.mark.usefixtures('image')
class TestFaults:
    @pytest.mark.parametrize(
        'fault',
        [
            {'answer': SLOW},
            {'answer': (500, {})},
            {'lose_answer': True},
            {
                'answer': (
                    200,
                    {},
                    b'<Error><Code>InternalError</Code></Error>',
                )
            },
        ],
        ids=['slow', '500', 'no answer', 'error in a 200'],
    )
    @pytest.mark.parametrize('times', [1, None])
    def test_of_the_one_request(self, bucket, faulty, s3_proxy, fault, times):
        """Asked again; or given up; or done, though nobody heard of it."""
        s3_proxy.on('PUT', COPY, times=times, **fault)

        if times or 'lose_answer' in fault:
            assert faulty.copy('image', 'copy').zero_copy
            assert bucket.read('copy') == DATA
            assert bucket.state() == ['copy', 'image']
            return
        result = move.Mover(faulty.uri('image'), faulty.config).copy(
            faulty.writer('copy')
        )
        # Nothing is there, so a copy through here may begin.
        assert result.strategy == 'parallel'
        assert 'the server would not' in images.reasons(result)['s3_copy']

    @pytest.mark.parametrize('number', [1, 2, 3])
    @pytest.mark.parametrize('times', [1, None])
    @pytest.mark.parametrize('fault', ['slow', 'no answer'])
    def test_of_a_part(
        self, bucket, faulty, s3_proxy, monkeypatch, number, times, fault
    ):
        buckets.copy_in_parts(monkeypatch, SIZE - 1)
        faults = {'slow': {'answer': SLOW}, 'no answer': {'lose_answer': True}}
        s3_proxy.on(
            'PUT', f'partNumber={number}\\b', times=times, **faults[fault]
        )

        if times:
            assert faulty.copy('image', 'copy').zero_copy
            assert bucket.read('copy') == DATA
        else:
            with pytest.raises(exception.DestinationError) as caught:
                faulty.copy('image', 'copy')
            assert caught.value.temporary
            assert caught.value.destination_state == 'untouched'
            assert bucket.state() == ['image']

    def test_nobody_knows_whether_it_is_there(self, bucket, faulty, s3_proxy):
        s3_proxy.on('PUT', COPY, lose_answer=True, times=None)
        s3_proxy.on('HEAD', COPY, answer=(503, {}), first=2, times=None)

        with pytest.raises(exception.DestinationError) as caught:
            faulty.copy('image', 'copy')

        assert f'{bucket.name}/copy' in ''.join(caught.value.__notes__)
        assert caught.value.destination_state == 'modified'

    @pytest.mark.parametrize('inspect', ['never', 'always'])
    def test_replaced_in_the_middle(
        self, bucket, faulty, s3_proxy, way, inspect
    ):
        """RGW ignores the condition: it is found out, and taken back."""
        s3_proxy.on(
            'PUT',
            COPY if way == 'whole' else 'partNumber=2',
            before=lambda: bucket.put('image', OTHER),
        )

        with pytest.raises(exception.SourceChanged) as caught:
            faulty.copy('image', 'copy', inspect=inspect)

        assert caught.value.side == 'source'
        assert caught.value.destination_state == 'untouched'
        assert bucket.state() == ['image']

    def test_a_cancellation_ends_the_wait(self, bucket, faulty, s3_proxy, way):
        cancel = threading.Event()
        s3_proxy.on(
            'PUT',
            COPY if way == 'whole' else 'partNumber=2',
            before=cancel.set,
            pause=8,
            times=None,
        )
        began = time.monotonic()

        with pytest.raises(exception.Cancelled) as caught:
            faulty.copy('image', 'copy', cancel=cancel)

        assert time.monotonic() - began < 6
        assert s3_proxy.asked('PUT', COPY) < 2
        told = ''.join(getattr(caught.value, '__notes__', ()))
        assert (f'{bucket.name}/copy, unless' in told) == (way == 'whole')
        assert 'image' in bucket.state()

    def test_a_server_that_looks_at_the_condition(
        self, bucket, faulty, s3_proxy, way
    ):
        body = b'<Error><Code>PreconditionFailed</Code></Error>'
        s3_proxy.on('PUT', '/copy', answer=(412, {}, body))

        with pytest.raises(exception.SourceChanged) as caught:
            faulty.copy('image', 'copy')

        assert caught.value.side == 'source'
        assert bucket.state() == ['image']

    def test_deleted_in_the_middle(self, bucket, faulty, s3_proxy, way):
        s3_proxy.on(
            'PUT',
            COPY if way == 'whole' else 'partNumber=2',
            before=lambda: bucket.delete('image'),
        )

        with pytest.raises(exception.ImageError) as caught:
            move.Mover(faulty.uri('image'), faulty.config).copy(
                faulty.writer('copy')
            )

        assert caught.value.side == 'source'
        assert bucket.state() == []

    def test_taken_back(self, bucket, way):
        with pytest.raises(exception.TooLarge) as caught:
            fail_after_copying(bucket)
        assert caught.value.destination_state == 'untouched'
        assert bucket.state() == ['image']

    def test_what_was_replaced_is_gone(self, bucket):
        """Without versions: the error says so."""
        bucket.put('copy', b'old')
        with pytest.raises(exception.TooLarge) as caught:
            fail_after_copying(bucket, if_exists='replace')
        assert caught.value.destination_state == 'modified'
        assert bucket.state() == ['image']

    @pytest.mark.parametrize(
        ('if_exists', 'state'),
        [('fail', 'untouched'), ('replace', 'modified')],
    )
    def test_what_another_put_there_stays(self, bucket, if_exists, state):
        """And what was there before it is not there again."""
        if if_exists == 'replace':
            bucket.put('copy', b'old')

        def late(done, total):
            bucket.put('copy', b'of another')
            raise exception.TooLarge('too late')

        with pytest.raises(exception.TooLarge) as caught:
            bucket.copy('image', 'copy', progress=late, if_exists=if_exists)

        assert caught.value.destination_state == state
        assert bucket.read('copy') == b'of another'


class TestRclone:
    """A server that copies whole objects, and makes no part of one."""

    @pytest.fixture
    def bucket(self, rclone_s3, tmp_path):
        name = tmp_path.name.replace('_', '-')
        with buckets.made(rclone_s3, rclone_s3, name) as own:
            own.put('image', DATA)
            yield own

    def test_whole(self, bucket):
        assert bucket.copy('image', 'copy').zero_copy
        assert bucket.read('copy') == DATA

    def test_parts_are_refused(self, bucket, monkeypatch):
        buckets.copy_in_parts(monkeypatch, SIZE - 1)

        result = move.Mover(bucket.uri('image'), bucket.config).copy(
            bucket.writer('copy')
        )

        assert result.strategy == 'parallel'
        assert 'no ETag for part' in images.reasons(result)['s3_copy']
        assert bucket.read('copy') == DATA
        assert bucket.state() == ['copy', 'image']


def test_read_by_a_plain_client(rgw, rgw_user, bucket):
    """A copy is an object like any other."""
    bucket.put('image', DATA)
    bucket.copy('image', 'copy')
    keys = rgw_user.access_key, rgw_user.secret_key
    target = io.BytesIO()
    with clients.s3(rgw, *keys) as client:
        client.download_fileobj(bucket.name, 'copy', target)
    assert target.getvalue() == DATA
    assert bucket.head('copy')['ContentLength'] == SIZE
