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

"""Who may not, or reaches nobody: a precise error, and no secret in it."""

import errno
import io
import logging
import re
import time
import traceback

import pytest

from oslo_image import exception
from oslo_image.stores.rbd.connection import RbdAuth
from tests.functional import clusters, faulty, images
from tests.functional.images import MiB

SIZE = 16 * MiB
KEY = re.compile(r'key = (\S+)')


@pytest.fixture(autouse=True)
def no_secret(cluster, caplog, capfd):
    """No key of the cluster is in what was logged, printed or raised."""
    caplog.set_level(logging.DEBUG)
    yield
    said = capfd.readouterr()
    everything = caplog.text + said.out + said.err
    for path in cluster.server.directory.glob('*keyring'):
        for key in KEY.findall(path.read_text()):
            assert key not in everything


def user(cluster, name, **caps):
    cluster.server.user(name, **caps)
    return RbdAuth(user=name)


def fails(kind, copy, side):
    """Return the error that a copy ends with; it is shown in full."""
    began = time.monotonic()
    with pytest.raises(exception.ImageError) as caught:
        copy()
    error = caught.value
    traceback.print_exception(error)
    print(repr(error))
    assert type(error) is kind, error
    assert error.side == side
    assert time.monotonic() - began < 15
    return error


@pytest.fixture
def origin(cluster, tmp_path):
    """The URI of a snapshot."""
    parts = clusters.pieces(SIZE)
    return cluster.make('images', tmp_path.name, SIZE, parts, 'snap')


def reading(cluster, uri, auth=None, **options):
    return lambda: cluster.mover(uri, auth, **options).copy(io.BytesIO())


def writing(cluster, uri, auth=None, **options):
    def copy():
        return cluster.mover('data', data=lambda: io.BytesIO(b'bits')).copy(
            cluster.writer(uri, auth, **options)
        )

    return copy


def test_read_only(cluster, origin, tmp_path):
    auth = user(
        cluster,
        'reader',
        mon='profile rbd',
        osd='profile rbd-read-only pool=images',
    )
    target = io.BytesIO()
    cluster.mover(origin, auth).copy(target)
    content = clusters.content(SIZE, clusters.pieces(SIZE))
    assert target.getvalue() == content

    head = cluster.uri('images', tmp_path.name)
    error = fails(
        exception.PermissionDenied, reading(cluster, head, auth), 'source'
    )
    assert 'rbd_read_unpinned' in str(error)
    target = io.BytesIO()
    cluster.mover(head, auth, rbd_read_unpinned=True).copy(target)
    assert target.getvalue() == content

    for pool in ('images', 'vms'):
        name = cluster.uri(pool, f'{tmp_path.name}-new')
        fails(
            exception.PermissionDenied,
            writing(cluster, name, auth),
            'destination',
        )
    fails(
        exception.PermissionDenied,
        writing(cluster, head, auth, if_exists='in_place'),
        'destination',
    )
    assert cluster.read('images', tmp_path.name) == content


def test_without_rights(cluster, origin, tmp_path):
    auth = user(cluster, 'nobody', mon='allow r')
    fails(exception.PermissionDenied, reading(cluster, origin, auth), 'source')
    name = cluster.uri('vms', f'{tmp_path.name}-new')
    fails(
        exception.PermissionDenied,
        writing(cluster, name, auth),
        'destination',
    )


@pytest.mark.parametrize('how', ['no such user', 'wrong key', 'no keyring'])
def test_unknown(cluster, origin, tmp_path, how):
    name = how.replace(' ', '-')
    keyring = cluster.server.directory / f'ceph.client.{name}.keyring'
    if how == 'wrong key':
        cluster.server.user(name, mon='profile rbd', osd='profile rbd')
        admin = cluster.server.directory / 'ceph.client.admin.keyring'
        (key,) = KEY.findall(admin.read_text())
        keyring.write_text(f'[client.{name}]\nkey = {key}\n')
    elif how == 'no such user':
        admin = cluster.server.directory / 'ceph.client.admin.keyring'
        (key,) = KEY.findall(admin.read_text())
        keyring.write_text(f'[client.{name}]\nkey = {key}\n')
    else:
        cluster.server.user(name, mon='profile rbd', osd='profile rbd')
        keyring.unlink()
    auth = RbdAuth(user=name)
    for copy, side in (
        (reading(cluster, origin, auth), 'source'),
        (writing(cluster, cluster.uri('vms', name), auth), 'destination'),
    ):
        error = fails(exception.PermissionDenied, copy, side)
        assert f'client.{name}' in str(error)
        assert str(cluster.server.conf) in str(error)


def test_what_is_not_there(cluster, tmp_path):
    nowhere = cluster.uri('nowhere', 'image')
    fails(exception.ImageNotFound, reading(cluster, nowhere), 'source')
    fails(exception.DestinationError, writing(cluster, nowhere), 'destination')
    image = cluster.uri('images', tmp_path.name)
    fails(exception.ImageNotFound, reading(cluster, image), 'source')
    fails(
        exception.DestinationError,
        writing(cluster, image, if_exists='in_place'),
        'destination',
    )
    auth = RbdAuth(conf=str(tmp_path / 'no.conf'))
    for copy, side, kind in (
        (
            reading(cluster, image, auth),
            'source',
            exception.SourceUnavailable,
        ),
        (
            writing(cluster, image, auth),
            'destination',
            exception.DestinationError,
        ),
    ):
        assert 'no.conf' in str(fails(kind, copy, side))


@pytest.mark.parametrize('gone', ['frozen', 'stopped'])
def test_monitor_gone(cluster, tmp_path, gone):
    """A new connection is given up after rados_connect_timeout."""
    uri = cluster.uri('images', tmp_path.name)
    auth = RbdAuth(connect_timeout=2)
    monitor = cluster.server.mon

    def check():
        began = time.monotonic()
        error = fails(
            exception.SourceUnavailable, reading(cluster, uri, auth), 'source'
        )
        assert time.monotonic() - began < 6
        assert error.errno == errno.ETIMEDOUT
        assert str(cluster.server.conf) in str(error)
        assert 'client.admin' in str(error)

    if gone == 'frozen':
        with monitor.frozen():
            check()
    else:
        monitor.stop()
        try:
            check()
        finally:
            monitor.start()
    fails(exception.ImageNotFound, reading(cluster, uri, auth), 'source')


def test_osd_gone_for_good(cluster, origin, tmp_path):
    """What gets no answer in rbd_operation_timeout has failed."""
    source = clusters.file_of(tmp_path / 'source', SIZE)
    osd = cluster.server.osd
    began = []

    def stop():
        osd.stop()
        began.append(time.monotonic())

    uri = cluster.uri('vms', f'{tmp_path.name}-new')
    try:
        with pytest.raises(exception.DestinationError) as caught:
            cluster.mover(images.uri(source)).copy(
                cluster.writer(uri, rbd_operation_timeout=2),
                progress=faulty.once(stop),
                rate_limit=16 * MiB,
            )
        took = time.monotonic() - began[0]
        with pytest.raises(exception.SourceUnavailable) as other:
            cluster.mover(
                origin, rbd_operation_timeout=2, retries=1, retry_pause=0.1
            ).copy(io.BytesIO())
    finally:
        osd.start()
    assert caught.value.errno == errno.ETIMEDOUT
    assert other.value.errno == errno.ETIMEDOUT
    assert took < 60
    (note,) = caught.value.__notes__
    cluster.bury('vms')
    (left,) = cluster.leftovers('vms')
    assert left[1].name in note
    assert left[0].remove_leftover(left[1])
