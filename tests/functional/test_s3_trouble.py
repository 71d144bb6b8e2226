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

"""An S3 server that is full, away or of another time, and killed copies."""

import base64
import concurrent.futures
import contextlib
import datetime
import hashlib
import io
import json
import logging
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.registry import Stores
from oslo_image.stores.s3 import S3Auth
from tests.functional import buckets, images
from tests.functional.buckets import PART
from tests.servers.ceph.rgw import DOMAIN

SIZE = 3 * PART + 7
DATA = images.noise(SIZE)
ROOT = pathlib.Path(__file__).parents[2]
_COPYING = """
import json, sys
import pytest
from oslo_image import move, stores
from tests.functional import buckets
source, target, config, most = sys.argv[1:]
config = json.loads(config)
if int(most):
    buckets.copy_in_parts(pytest.MonkeyPatch(), int(most))
move.Mover(source, config).copy(stores.open_writer(target, config))
"""
COMMAND = [sys.executable, '-m', 'oslo_image.cli.main', '-q']


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'source'
    path.write_bytes(DATA)
    return images.uri(path)


@pytest.fixture
def options(bucket, tmp_path):
    """Arguments that lead the command to the server."""
    path = tmp_path / 'conf'
    lines = (f'{name} = {text}' for name, text in bucket.config.items())
    path.write_text(
        '[glance_store]\n'
        + '\n'.join(one for one in lines if one.startswith('s3_'))
    )
    return ['--config-file', str(path)]


class TestAway:
    """The server is stopped while a copy runs, and comes back."""

    @pytest.fixture
    def outage(self, rgw):
        """Run a copy, and stop the server for a while when it has begun.

        In this thread: the server's life hangs on that which started it.
        """

        def run(copy, seconds=1):
            begun = []
            with concurrent.futures.ThreadPoolExecutor() as pool:
                future = pool.submit(copy, lambda *call: begun.append(call))
                while not begun and not future.done():
                    time.sleep(0.005)
                rgw.stop()
                try:
                    time.sleep(seconds)
                finally:
                    rgw.start()
                return future.result()

        return run

    @pytest.mark.parametrize('seconds', [1, 10])
    def test_reading_goes_on(self, bucket, outage, tmp_path, seconds):
        bucket.put('image', DATA)
        mover = move.Mover(
            bucket.uri('image'),
            {**bucket.config, 'retry_pause': 0.5, 'parallel_requests': 1},
        )
        target = images.uri(tmp_path / 'target')

        result = outage(
            lambda progress: mover.copy(
                stores.open_writer(target),
                progress=progress,
                rate_limit=2 * SIZE,
            ),
            seconds,
        )

        assert result.success
        assert (tmp_path / 'target').read_bytes() == DATA

    @pytest.mark.parametrize('seconds', [1, 10])
    def test_writing_goes_on(self, bucket, outage, source, seconds):
        mover = move.Mover(source, {'parallel_requests': 1})

        result = outage(
            lambda progress: mover.copy(
                bucket.writer('image'), progress=progress
            ),
            seconds,
        )

        assert result.success
        assert bucket.read('image') == DATA
        assert bucket.state() == ['image']


class TestOutage:
    """Nothing gets through, neither to the server nor back."""

    def test_of_ten_seconds(
        self, bucket, faulty, s3_proxy, source, tmp_path, monkeypatch
    ):
        """Whatever is at work then goes on."""
        buckets.copy_in_parts(monkeypatch, SIZE - 1)
        faulty = faulty.slow()
        bucket.put('image', DATA)
        bucket.put('small', DATA[:PART])
        target = stores.open_writer(images.uri(tmp_path / 'target'))
        met, gone = threading.Barrier(5, timeout=60), threading.Event()

        def wait():
            met.wait()
            assert gone.wait(60)

        s3_proxy.on('GET', '/image$', first=2, before=wait)
        for pattern in ('/sent.*partNumber=2', '/parts.*partNumber=2', '/one'):
            s3_proxy.on('PUT', pattern, before=wait)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            copies = [
                pool.submit(faulty.fetch, 'image', target),
                pool.submit(faulty.send, source, 'sent'),
                pool.submit(faulty.copy, 'image', 'parts'),
                pool.submit(faulty.copy, 'small', 'one'),
            ]
            met.wait()
            with s3_proxy.away():
                gone.set()
                time.sleep(10)
            results = [one.result() for one in copies]

        assert all(one.success for one in results)
        assert (tmp_path / 'target').read_bytes() == DATA
        assert bucket.read('sent') == bucket.read('parts') == DATA
        assert bucket.read('one') == DATA[:PART]
        assert bucket.state() == ['image', 'one', 'parts', 'sent', 'small']

    def test_that_does_not_end(
        self, bucket, faulty, s3_proxy, source, short_pauses
    ):
        """The error says what the server could not be told to drop."""
        with contextlib.ExitStack() as stack:
            s3_proxy.on(
                'PUT',
                'partNumber=2',
                before=lambda: stack.enter_context(s3_proxy.away()),
            )
            with pytest.raises(exception.DestinationError) as caught:
                faulty.send(source, 'image')

        assert caught.value.temporary
        assert caught.value.side == 'destination'
        [left] = bucket.state()
        assert left in ''.join(caught.value.__notes__)


class TestFull:
    @pytest.mark.parametrize(
        'size', [1, PART - 1, SIZE], ids=['1', 'PUT', 'parts']
    )
    def test_no_room(self, rgw, bucket, tmp_path, size):
        """By sendfile and from memory; afterwards there is room again."""
        data = DATA[:size]
        (tmp_path / 'small').write_bytes(data)
        small = images.uri(tmp_path / 'small')
        declared = {'checksum': hashlib.md5(data).hexdigest()}
        bucket.put('old', b'12')
        rgw.set_quota(bucket.name, 1)
        try:
            for more in ({}, {'verify': 'always'}):
                image = declared if more else None
                mover = move.Mover(small, bucket.config, image=image)
                with pytest.raises(exception.NoSpace) as caught:
                    mover.copy(bucket.writer('image'), **more)
                assert caught.value.side == 'destination'
                assert caught.value.destination_state == 'untouched'
                assert bucket.state() == ['old']
            with pytest.raises(exception.NoSpace):
                bucket.copy('old', 'image')
        finally:
            rgw.set_quota(bucket.name, 0)
        assert bucket.send(small, 'image').success


class TestKeys:
    def test_another_time(self, bucket, monkeypatch, source):
        """This machine's clock is an hour late, as the server sees it."""
        import botocore.auth
        import botocore.compat

        class Late(datetime.datetime):
            @classmethod
            def utcnow(cls):
                return super().now(datetime.UTC) - datetime.timedelta(hours=1)

            @classmethod
            def now(cls, tz=None):
                return super().now(tz) - datetime.timedelta(hours=1)

        bucket.put('image', DATA)
        late = Late.now(datetime.UTC)
        if hasattr(botocore.auth, 'get_current_datetime'):
            monkeypatch.setattr(
                botocore.auth, 'get_current_datetime', lambda *more: late
            )
        else:
            monkeypatch.setattr(botocore.auth.datetime, 'datetime', Late)

        with pytest.raises(
            exception.PermissionDenied, match='clock'
        ) as caught:
            bucket.send(source, 'other', if_exists='replace')

        assert not caught.value.temporary
        with pytest.raises(exception.PermissionDenied):
            bucket.fetch('image', stores.open_writer(f'{source}-copy'))
        monkeypatch.undo()
        assert bucket.state() == ['image']

    def test_the_secret_is_another(self, bucket, source):
        bucket.keys = bucket.keys[0], 'another'
        with pytest.raises(exception.PermissionDenied, match='secret key'):
            bucket.send(source, 'image', if_exists='replace')

    def test_there_is_no_such_user(self, bucket, source):
        bucket.keys = 'nobody', 'another'
        with pytest.raises(exception.PermissionDenied):
            bucket.send(source, 'image')

    def test_there_are_none(self, bucket, source, monkeypatch, tmp_path):
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_PROFILE'):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
        monkeypatch.setenv('AWS_CONFIG_FILE', str(tmp_path / 'none'))
        monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', str(tmp_path / 'no'))
        bucket.keys = '', ''
        with pytest.raises(exception.PermissionDenied, match='no S3 keys'):
            bucket.send(source, 'image')

    def test_of_the_environment(self, bucket, source, monkeypatch):
        """boto3 looks where it always does."""
        access, secret = bucket.keys
        monkeypatch.setenv('AWS_ACCESS_KEY_ID', access)
        monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', secret)
        bucket.keys = '', ''
        assert bucket.send(source, 'image').success
        assert bucket.read('image') == DATA

    def test_for_a_catalogues_location(self, bucket, tmp_path):
        """At the configured endpoint, wherever it is; and at no other."""
        bucket.put('image', DATA)
        for host, allowed in ((bucket.url, True), ('http://other', False)):
            record = {
                'size': SIZE,
                'locations': [{'url': bucket.uri('image')}],
            }
            mover = move.Mover(
                'an-id',
                {**bucket.config, 's3_store_host': host},
                image=record,
                auth=S3Auth(*bucket.keys),
            )
            for name, kind in (('parallel', 'file'), ('s3_copy', 's3')):
                target = (
                    stores.open_writer(images.uri(tmp_path / 'target'))
                    if kind == 'file'
                    else bucket.writer('copy')
                )
                if allowed:
                    assert mover.copy(target).strategy == name
                else:
                    with pytest.raises(exception.LocationDenied):
                        mover.copy(target)
            (tmp_path / 'target').unlink(missing_ok=True)
            bucket.delete('copy')

    def test_in_an_old_uri(self, bucket, source):
        """Read, written by and deleted; what comes back is without keys."""
        access, secret = bucket.keys
        uri = bucket.uri('image').replace('://', f'://{access}:{secret}@')

        result = move.Mover(source).copy(stores.open_writer(uri))

        assert result.destination.reveal() == bucket.uri('image')
        assert stores.stat(uri).size == SIZE
        stores.delete(uri)
        assert bucket.state() == []

    def test_nothing_shows_them(self, bucket, source, tmp_path, caplog):
        """Not even what all libraries together say for debugging."""
        caplog.set_level(logging.DEBUG)
        access, secret = bucket.keys
        auth = S3Auth(access, secret, 'c4n4ry-token')
        told = []

        def copy(one, to, **more):
            mover = move.Mover(one, bucket.config, **more)
            result = mover.copy(to, notify=told.append)
            told.append(result)

        bucket.send(source, 'image')
        copy(bucket.uri('image'), bucket.writer('copy'))
        copy(source, bucket.writer('image', if_exists='replace'))
        target = stores.open_writer(images.uri(tmp_path / 'target'))
        copy(bucket.uri('image'), target)
        # RGW does not mind a token that it does not know.
        copy(bucket.uri('image'), bucket.writer('other'), auth=auth)
        wrong = S3Auth(access, 'c4n4ry-secret')
        with pytest.raises(exception.PermissionDenied) as caught:
            copy(bucket.uri('image'), bucket.writer('other'), auth=wrong)
        told.append(caught.value)
        stores.delete(bucket.uri('copy'), bucket.config)

        shown = caplog.text + ''.join(f'{one!r} {one}' for one in told)
        assert 'botocore' in caplog.text
        assert 'Authorization' in caplog.text
        assert 'c4n4ry' not in shown
        assert secret not in shown
        for word in ('Signature=', 'Signature:\n'):
            assert word in shown
            for rest in shown.split(word)[1:]:
                assert rest.startswith('***')


class TestKilled:
    def test_is_found_and_removed(self, bucket, options, source):
        """SIGKILL leaves an upload, and nothing under the name."""
        copying = subprocess.Popen(
            [
                *COMMAND,
                'copy',
                *options,
                '--bwlimit',
                '5M',
                source.removeprefix('file://'),
                bucket.uri('image'),
            ]
        )
        with copying:
            deadline = time.monotonic() + 20
            while not bucket.uploads():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            copying.kill()
        [left] = bucket.state()

        def gc(*more):
            return subprocess.run(
                [*COMMAND, 'gc', *more, *options, bucket.uri('image')],
                capture_output=True,
                text=True,
                check=True,
            ).stdout

        assert left not in gc()  # it is young
        assert left in gc('--older-than', '0', '--dry-run')
        assert bucket.state() == [left]
        assert left in gc('--older-than', '0')
        assert bucket.state() == []
        assert bucket.send(source, 'image').success

    @pytest.mark.parametrize(
        ('copies', 'asked', 'when'),
        [
            (False, ('POST', 'uploads'), 'after'),
            (False, ('PUT', 'partNumber=2'), 'before'),
            (False, ('POST', 'uploadId'), 'after'),
            (True, ('PUT', 'partNumber=2'), 'before'),
            (True, ('PUT', 'partNumber=2'), 'after'),
            (True, ('POST', 'uploadId'), 'after'),
        ],
    )
    def test_at_any_moment(
        self, bucket, faulty, s3_proxy, source, copies, asked, when
    ):
        """It is an object, whole, or an upload that is found and removed."""
        if copies:
            bucket.put('source', DATA)
            source = faulty.uri('source')
        config = json.dumps(faulty.config)
        gate = threading.Event()

        def kill():
            assert gate.wait(60)
            copying.kill()
            copying.wait()

        s3_proxy.on(*asked, **{when: kill}, times=None)
        copying = subprocess.Popen(
            [
                sys.executable,
                '-c',
                _COPYING,
                source,
                faulty.uri('image'),
                config,
                str(SIZE - 1 if copies else 0),
            ],
            cwd=ROOT,
        )
        gate.set()
        assert copying.wait(60) == -signal.SIGKILL

        own = ['source'] if copies else []
        if asked[1] == 'uploadId':
            assert bucket.state() == ['image', *own]
            assert bucket.read('image') == DATA
            return
        assert bucket.names() == own
        [left] = bucket.uploads()
        store = Stores(bucket.config)
        location = store.location(bucket.uri('image'))
        for one in store.find(location).leftovers(location, older_than=0):
            assert left in one.name
            assert store.find(location).remove_leftover(one)
        assert bucket.state() == own

    @pytest.mark.parametrize(
        ('where', 'expected'),
        [
            ('', ['dir', 'dir/a', 'dir/b', 'other']),
            ('dir/', ['dir/a', 'dir/b']),
            ('dir', ['dir']),
        ],
        ids=['bucket', 'prefix', 'key'],
    )
    def test_of_many_keys(self, bucket, options, where, expected):
        """A bucket stands for all, and a key that ends in a slash for some."""
        begun = {
            key: bucket.client.create_multipart_upload(
                Bucket=bucket.name, Key=key
            )['UploadId']
            for key in ('dir', 'dir/a', 'dir/b', 'other')
        }

        done = subprocess.run(
            [
                *COMMAND,
                'gc',
                '--older-than=0',
                '-fjson',
                *options,
                bucket.uri(where),
            ],
            capture_output=True,
            check=True,
        )

        assert sorted(one['Name'] for one in json.loads(done.stdout)) == [
            f'upload {one} of {bucket.name}/{key}'
            for one, key in sorted((begun[key], key) for key in expected)
        ]
        left = [begun[key] for key in begun if key not in expected]
        assert sorted(bucket.uploads()) == sorted(left)

    def test_interrupted(self, bucket, options, source):
        """Ctrl-C leaves nothing."""
        copying = subprocess.Popen(
            [
                *COMMAND,
                'copy',
                *options,
                '--bwlimit',
                '5M',
                source.removeprefix('file://'),
                bucket.uri('image'),
            ],
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 20
        while not bucket.uploads():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        copying.send_signal(2)
        _, said = copying.communicate(timeout=20)
        assert copying.returncode == 130, said
        assert bucket.state() == []


class TestBuckets:
    def test_there_is_none(self, bucket, source):
        bucket = bucket.via(bucket.url)
        bucket.name += '-none'
        with pytest.raises(exception.DestinationError, match='no such bucket'):
            bucket.send(source, 'image')
        with pytest.raises(exception.ImageNotFound):
            stores.stat(bucket.uri('image'), bucket.config)

    @pytest.mark.parametrize('size', [0, 1, SIZE])
    def test_is_made(self, bucket, tmp_path, size):
        name, bucket.name = bucket.name, f'{bucket.name}-new'
        config = {**bucket.config, 's3_store_create_bucket_on_put': True}
        for key in ('image', 'another'):
            with stores.open_writer(bucket.uri(key), config) as writer:
                writer.write(DATA[:size])
                writer.commit()
        assert bucket.read('another') == DATA[:size]
        bucket.empty()
        bucket.client.delete_bucket(Bucket=bucket.name)
        bucket.name = name

    @pytest.mark.parametrize(
        'code', ['BucketAlreadyExists', 'BucketAlreadyOwnedByYou']
    )
    def test_another_copy_makes_it(
        self, bucket, faulty, s3_proxy, tmp_path, code
    ):
        """Amazon's answer to who comes second, or asks again."""
        body = f'<Error><Code>{code}</Code></Error>'.encode()
        here = f'/{bucket.name}$'
        s3_proxy.on('HEAD', here, answer=(404, {}))
        s3_proxy.on('PUT', here, answer=(409, {}, body))
        config = {**faulty.config, 's3_store_create_bucket_on_put': True}
        with stores.open_writer(faulty.uri('image'), config) as writer:
            writer.write(b'bits')
            writer.commit()
        assert bucket.read('image') == b'bits'

    def test_planning_makes_none(self, bucket, source):
        config = {**bucket.config, 's3_store_create_bucket_on_put': True}
        name, bucket.name = bucket.name, f'{bucket.name}-new'
        writer = stores.open_writer(bucket.uri('image'), config)
        move.Mover(source).plan(writer)
        writer.close()
        found = bucket.client.list_buckets()['Buckets']
        assert bucket.name not in [one['Name'] for one in found]
        bucket.name = name


class TestOptions:
    """Those of glance_store that say how a server is asked."""

    def test_a_bucket_may_be_a_host(
        self, faulty, s3_proxy, bucket, monkeypatch, source
    ):
        real = socket.getaddrinfo

        def resolve(host, *more, **other):
            known = str(host) == f'{bucket.name}.{DOMAIN}'
            return real('127.0.0.1' if known else host, *more, **other)

        monkeypatch.setattr(socket, 'getaddrinfo', resolve)
        there = faulty.via(faulty.url.replace('127.0.0.1', DOMAIN))
        config = {**there.config, 's3_store_bucket_url_format': 'virtual'}

        for to, come in (('image', source), ('copy', there.uri('image'))):
            writer = stores.open_writer(there.uri(to), config)
            assert move.Mover(come, config).copy(writer).success

        assert bucket.read('image') == bucket.read('copy') == DATA
        hosts = {one.headers['host'] for one in s3_proxy.requests}
        assert hosts == {f'{bucket.name}.{DOMAIN}:{s3_proxy.port}'}

    def test_the_region_is_signed_for(self, faulty, s3_proxy, bucket, source):
        config = {
            **faulty.config,
            's3_store_region_name': 'somewhere',
            's3_store_thread_pools': 3,
        }
        writer = stores.open_writer(faulty.uri('image'), config)
        assert move.Mover(source, config).copy(writer).success
        assert bucket.read('image') == DATA
        assert all(
            '/somewhere/s3/aws4_request' in one.headers['authorization']
            for one in s3_proxy.requests
        )


def test_no_proxy_of_the_environment_is_used(bucket, monkeypatch, source):
    """Neither for what boto3 asks nor for the bytes."""
    for scheme in ('http', 'https', 'all'):
        monkeypatch.setenv(f'{scheme}_proxy', 'http://127.0.0.1:9')
    monkeypatch.setenv('no_proxy', '')
    # Another region is another client, made in this environment.
    config = {**bucket.config, 's3_store_region_name': 'elsewhere'}
    writer = stores.open_writer(bucket.uri('image'), config)
    assert move.Mover(source, config).copy(writer).success
    target = io.BytesIO()
    assert move.Mover(bucket.uri('image'), config).copy(target).success
    assert target.getvalue() == DATA


class TestChecksums:
    """s3_store_enable_data_integrity_protection; the server checks, or not."""

    @pytest.mark.parametrize('size', [0, 7, SIZE])
    def test_go_with_the_bytes(self, bucket, faulty, s3_proxy, tmp_path, size):
        (tmp_path / 'image').write_bytes(DATA[:size])
        config = {
            **faulty.config,
            's3_store_enable_data_integrity_protection': True,
            's3_store_request_checksum_calculation': 'when_supported',
            's3_store_response_checksum_validation': 'when_supported',
        }

        move.Mover(images.uri(tmp_path / 'image')).copy(
            stores.open_writer(faulty.uri('image'), config)
        )

        assert bucket.read('image') == DATA[:size]
        sent = {
            one.headers['x-amz-checksum-crc32']
            for one in s3_proxy.requests
            if one.method == 'PUT'
        }
        assert sent == {
            base64.b64encode(
                zlib.crc32(DATA[:size][at : at + PART]).to_bytes(4)
            ).decode()
            for at in range(0, size or 1, PART)
        }
        target = stores.open_writer(images.uri(tmp_path / 'target'))
        move.Mover(faulty.uri('image'), config).copy(target)
        assert (tmp_path / 'target').read_bytes() == DATA[:size]
        copied = stores.open_writer(faulty.uri('copy'), config)
        assert move.Mover(faulty.uri('image'), config).copy(copied).zero_copy

    def test_are_not_sent_unless_asked_for(self, faulty, s3_proxy, source):
        faulty.send(source, 'image')
        for one in s3_proxy.requests:
            assert 'x-amz-checksum-crc32' not in one.headers


class TestRivals:
    """if_exists="fail", as far as the servers look."""

    @pytest.mark.parametrize('size', [0, 1, PART - 1])
    def test_one_put_is_exclusive(self, bucket, size):
        """RGW looks at the condition of a PUT: one wins, whoever asked."""
        writers = [bucket.writer('image', size=size) for _ in range(2)]
        for writer in writers:
            writer.write(DATA[:size])
            writer.check(size)

        writers[1].commit()
        with pytest.raises(exception.DestinationExists):
            writers[0].commit()

        assert bucket.state() == ['image']

    def test_parts_are_looked_for_again(self, bucket, source):
        """Not by the server: just before the parts are joined."""
        writers = [bucket.writer('image', size=SIZE) for _ in range(2)]
        for writer in writers:
            writer.write(DATA)

        writers[1].commit()
        with pytest.raises(exception.DestinationExists):
            writers[0].commit()

        assert bucket.state() == ['image']

    def test_the_server_is_asked_to_look(self, faulty, s3_proxy, source):
        faulty.send(source, 'image')
        faulty.send(source, 'image', if_exists='replace')
        asked = [
            one.headers.get('if-none-match')
            for one in s3_proxy.requests
            if one.method == 'POST' and 'uploadId' in one.target
        ]
        assert asked == ['*', None]
