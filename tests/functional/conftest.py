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

"""Servers and filesystems, started once a session by whoever asks first.

A test makes its own names on them (``tmp_path.name`` is unique) and leaves
no file open.
"""

import contextlib
import os
import pathlib
import shutil
import threading
import time
import types
from collections.abc import Generator, Iterator
from typing import Any

import botocore.endpoint
import pytest

from oslo_image.stores import vacancy
from oslo_image.stores.wire import again
from tests.functional import (
    boxes,
    buckets,
    clients,
    clusters,
    images,
    proxy,
)
from tests.functional import pools as pools_of
from tests.servers import base, filesystems, policy, rclone
from tests.servers import ceph as ceph_server
from tests.servers import glance as glance_server
from tests.servers import keystone as keystone_server
from tests.servers import nginx as nginx_server
from tests.servers import swift as swift_server

HERE = pathlib.Path(__file__).parent
MiB = 1 << 20
GiB = 1 << 30


def _group(item: pytest.Item) -> str:
    """Say which tests a test shares servers with that take long to start."""
    used = set(getattr(item, 'fixturenames', ()))
    if hasattr(item, 'callspec'):
        used.update(map(str, item.callspec.params.values()))
    for group, names in (
        ('ceph', ('ceph', 'other_ceph', 'rgw')),
        ('swift', ('swift', 'keystone')),
    ):
        if any(name.startswith(names) for name in used):
            return group
    return item.path.stem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let workers (``-n 2 --dist loadgroup``) start each server once.

    Those with the most tests come first, the others fill what is left.
    """
    order = {'ceph': 0, 'swift': 1}
    ours = {
        item: _group(item) for item in items if item.path.is_relative_to(HERE)
    }
    for item, group in ours.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: order.get(ours.get(item, ''), len(order)))


def _loop_filesystem(kind: filesystems.Kind, about: str) -> Any:
    """Return the fixture of a filesystem of 8 GiB, of which little is used.

    :param about: its docstring, for ``pytest --fixtures``.
    """

    def root(
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Iterator[pathlib.Path]:
        directory = tmp_path_factory.mktemp('filesystem')
        with policy.provided(
            filesystems.loop_filesystem(kind, 8 * GiB, directory)
        ) as path:
            yield path

    root.__doc__ = about
    return pytest.fixture(scope='session', name=kind)(root)


xfs = _loop_filesystem('xfs', 'The root of an XFS filesystem with reflink.')
btrfs = _loop_filesystem(
    'btrfs', 'The root of a btrfs filesystem; it has reflink.'
)
ext4 = _loop_filesystem(
    'ext4', 'The root of an ext4 filesystem; it has no reflink.'
)


@pytest.fixture(scope='session')
def tmpfs_dir(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[pathlib.Path]:
    """The root of a tmpfs of 512 MiB; it has no reflink."""
    directory = tmp_path_factory.mktemp('filesystem')
    with policy.provided(filesystems.tmpfs(512 * MiB, directory)) as root:
        yield root


@pytest.fixture
def block_device(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """The path of a block device of 64 MiB, all zeros."""
    with policy.provided(filesystems.loop_device(64 * MiB, tmp_path)) as path:
        yield path


def _own(
    request: pytest.FixtureRequest, name: str, tmp_path: pathlib.Path
) -> pathlib.Path:
    """Make a directory of the test's own on the filesystem of a fixture."""
    own: pathlib.Path = request.getfixturevalue(name) / tmp_path.name
    own.mkdir()
    request.addfinalizer(lambda: shutil.rmtree(own))
    return own


@pytest.fixture(params=['xfs', 'btrfs'])
def sharing(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> pathlib.Path:
    """A directory on a filesystem with reflink: on each kind."""
    return _own(request, request.param, tmp_path)


@pytest.fixture(params=['ext4', 'tmpfs_dir'])
def plain(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> pathlib.Path:
    """A directory on a filesystem without reflink: on each kind."""
    return _own(request, request.param, tmp_path)


@pytest.fixture
def on_btrfs(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> pathlib.Path:
    return _own(request, 'btrfs', tmp_path)


@pytest.fixture
def on_ext4(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> pathlib.Path:
    return _own(request, 'ext4', tmp_path)


@pytest.fixture
def on_tmpfs(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> pathlib.Path:
    return _own(request, 'tmpfs_dir', tmp_path)


@pytest.fixture
def place(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> pathlib.Path:
    """A directory of the test's own, on a filesystem with reflink."""
    return _own(request, 'xfs', tmp_path)


@pytest.fixture
def source(place: pathlib.Path) -> pathlib.Path:
    """An image with holes; older than any clock's tick, so writes show."""
    path = images.holey(place / 'source')
    os.utime(path, (1, 1))
    return path


@pytest.fixture(params=images.COPYING)
def strategy(request: pytest.FixtureRequest) -> str:
    """Each of the strategies that move a file's payload."""
    name: str = request.param
    return name


@pytest.fixture
def nothing_stays_open() -> Iterator[None]:
    """Whatever happens in the test, no descriptor and no thread is left."""
    descriptors = set(os.listdir('/proc/self/fd'))
    threads = threading.active_count()
    yield
    assert set(os.listdir('/proc/self/fd')) <= descriptors
    # Those of earlier tests may end meanwhile.
    assert threading.active_count() <= threads


@pytest.fixture(scope='session')
def nginx(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[nginx_server.Nginx]:
    """nginx over HTTP, serving what a test puts into its ``root``."""
    root = tmp_path_factory.mktemp('nginx')
    with policy.provided(nginx_server.Nginx(root)) as server:
        yield server


@pytest.fixture(scope='session')
def nginx_tls(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[nginx_server.Nginx]:
    """nginx over HTTPS, by the certificate authority in ``ca_file``."""
    root = tmp_path_factory.mktemp('nginx')
    with policy.provided(nginx_server.Nginx(root, tls=True)) as server:
        yield server


@pytest.fixture(scope='session')
def ceph() -> Iterator[ceph_server.Cluster]:
    """A Ceph cluster with the pools images, vms and volumes."""
    with policy.provided(ceph_server.Cluster()) as cluster:
        yield cluster


@pytest.fixture
def cluster(
    ceph: ceph_server.Cluster, tmp_path: pathlib.Path
) -> Iterator[clusters.Cluster]:
    """``ceph``; what the test leaves there under its own name is removed."""
    with clusters.watched(ceph) as seen:
        yield seen
        seen.clear(tmp_path.name)


@pytest.fixture(scope='session')
def other_ceph() -> Iterator[ceph_server.Cluster]:
    """A second cluster like ``ceph``, of another fsid."""
    with policy.provided(ceph_server.Cluster()) as cluster:
        yield cluster


@pytest.fixture(scope='session')
def ceph_pools(ceph: ceph_server.Cluster) -> Iterator[pools_of.Pools]:
    with contextlib.closing(pools_of.Pools(ceph)) as opened:
        yield opened


@pytest.fixture(scope='session')
def other_ceph_pools(
    other_ceph: ceph_server.Cluster,
) -> Iterator[pools_of.Pools]:
    with contextlib.closing(pools_of.Pools(other_ceph)) as opened:
        yield opened


@pytest.fixture
def pools(ceph_pools: pools_of.Pools) -> Iterator[pools_of.Pools]:
    """The pools of ``ceph``; what the test leaves there is removed."""
    ceph_pools.keep()
    yield ceph_pools
    ceph_pools.clean()


@pytest.fixture
def other_pools(
    other_ceph_pools: pools_of.Pools,
) -> Iterator[pools_of.Pools]:
    """The pools of ``other_ceph``, likewise."""
    other_ceph_pools.keep()
    yield other_ceph_pools
    other_ceph_pools.clean()


@pytest.fixture(scope='session')
def rgw(ceph: ceph_server.Cluster) -> Iterator[ceph_server.Rgw]:
    """A gateway of ``ceph``, for S3 and for Swift."""
    with policy.provided(ceph_server.Rgw(ceph)) as server:
        yield server


@pytest.fixture(scope='session')
def rgw_user(rgw: ceph_server.Rgw) -> ceph_server.User:
    """Somebody with keys for both APIs of ``rgw``."""
    return rgw.user('glance')


@pytest.fixture
def bucket(
    rgw: ceph_server.Rgw, rgw_user: ceph_server.User, tmp_path: pathlib.Path
) -> Iterator[buckets.Bucket]:
    """A bucket of the test's own in ``rgw``."""
    name = tmp_path.name.replace('_', '-').lower()
    with buckets.made(rgw, rgw_user, name) as own:
        yield own


@pytest.fixture(scope='session')
def rgw_proxy(rgw: ceph_server.Rgw) -> Iterator[proxy.Proxy]:
    with proxy.Proxy(rgw.port) as running:
        yield running


@pytest.fixture
def s3_proxy(rgw_proxy: proxy.Proxy) -> Iterator[proxy.Proxy]:
    """A proxy in front of ``rgw``, without faults yet."""
    yield rgw_proxy
    rgw_proxy.clear()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once, by botocore too."""
    monkeypatch.setattr(again, 'PAUSE', 0.01)
    pauses = types.SimpleNamespace(sleep=lambda seconds: time.sleep(0.01))
    monkeypatch.setattr(botocore.endpoint, 'time', pauses)


@pytest.fixture
def faulty(
    bucket: buckets.Bucket,
    s3_proxy: proxy.Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> buckets.Bucket:
    """``bucket``, behind ``s3_proxy``; how much is asked is no haste's."""
    monkeypatch.setattr(vacancy, 'LASTS', 60)
    return bucket.via(s3_proxy.url)


@pytest.fixture(scope='session')
def rclone_s3(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[rclone.RcloneS3]:
    """S3 without Ceph; its buckets are directories in its ``root``."""
    root = tmp_path_factory.mktemp('rclone')
    with policy.provided(rclone.RcloneS3(root)) as server:
        yield server


@pytest.fixture(scope='session')
def swift() -> Iterator[swift_server.Swift]:
    """OpenStack Swift; it knows its ``users`` itself."""
    with policy.provided(swift_server.Swift()) as server:
        yield server


@pytest.fixture(scope='session')
def keystone() -> Iterator[keystone_server.Keystone]:
    """Keystone; a test makes users of its own."""
    with policy.provided(keystone_server.Keystone()) as server:
        yield server


@pytest.fixture(scope='session')
def keystone_user(
    keystone: keystone_server.Keystone,
) -> keystone_server.User:
    """A member of the project ``images``."""
    return keystone.user('glance', 'images', 'member')


@pytest.fixture(scope='session')
def swift_keystone(
    keystone: keystone_server.Keystone,
) -> Iterator[swift_server.Swift]:
    """OpenStack Swift, for the users of ``keystone``."""
    with policy.provided(swift_server.Swift(keystone)) as server:
        yield server


@pytest.fixture
def swift_box(
    swift: swift_server.Swift, tmp_path: pathlib.Path
) -> Iterator[boxes.Box]:
    """A container of the test's own in ``swift``."""
    user = swift.users[0]
    login = swift.auth_url, user.login, user.key
    with clients.swift(*login) as client:
        yield boxes.Box(client, boxes.options(*login), tmp_path.name)


@pytest.fixture(scope='session')
def swift_front(swift: swift_server.Swift) -> Iterator[proxy.Proxy]:
    with proxy.Proxy(swift.proxy.port) as running:
        yield running


@pytest.fixture
def swift_proxy(swift_front: proxy.Proxy) -> Iterator[proxy.Proxy]:
    """A proxy in front of ``swift``, without faults yet."""
    yield swift_front
    swift_front.clear()


@pytest.fixture
def swift_faulty_box(
    swift_box: boxes.Box, swift_proxy: proxy.Proxy
) -> boxes.Box:
    """``swift_box``, behind ``swift_proxy``."""
    return swift_box.via(swift_proxy)


@pytest.fixture
def rgw_box(
    rgw: ceph_server.Rgw,
    rgw_user: ceph_server.User,
    tmp_path: pathlib.Path,
) -> Iterator[boxes.Box]:
    """A container of the test's own in ``rgw``."""
    login = rgw.swift_auth_url, rgw_user.swift_user, rgw_user.swift_key
    with clients.swift(*login) as client:
        yield boxes.Box(client, boxes.options(*login), tmp_path.name)


@pytest.fixture
def rgw_faulty_box(rgw_box: boxes.Box, s3_proxy: proxy.Proxy) -> boxes.Box:
    """``rgw_box``, behind ``s3_proxy``."""
    return rgw_box.via(s3_proxy)


@pytest.fixture
def keystone_box(
    swift_keystone: swift_server.Swift,
    keystone: keystone_server.Keystone,
    keystone_user: keystone_server.User,
    tmp_path: pathlib.Path,
) -> Iterator[boxes.Box]:
    """A container of the test's own in ``swift_keystone``."""
    password = clients.password(keystone, keystone_user)
    user = f'{keystone_user.project}:{keystone_user.name}'
    options = boxes.options(keystone.url, user, keystone_user.password)
    with clients.swift_by_keystone(password) as client:
        yield boxes.Box(client, options, tmp_path.name)


@pytest.fixture(params=['swift_box', 'rgw_box'])
def box(request: pytest.FixtureRequest) -> boxes.Box:
    """A container of the test's own: in each server."""
    found: boxes.Box = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=['swift_faulty_box', 'rgw_faulty_box'])
def faulty_box(request: pytest.FixtureRequest) -> boxes.Box:
    """A container of the test's own, behind a proxy: in each server."""
    found: boxes.Box = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope='session')
def glance(
    ceph: ceph_server.Cluster,
    rgw: ceph_server.Rgw,
    rgw_user: ceph_server.User,
    xfs: pathlib.Path,
) -> Iterator[glance_server.Glance]:
    """Glance over file (on ``xfs``), rbd, s3 and http, for everybody."""
    with policy.provided(
        glance_server.Glance(
            cluster=ceph, gateway=(rgw, rgw_user), images=xfs / 'glance'
        )
    ) as server:
        yield server


@pytest.fixture(scope='session')
def glance_keystone(
    keystone: keystone_server.Keystone,
    swift_keystone: swift_server.Swift,
) -> Iterator[glance_server.Glance]:
    """Glance over file, swift and http, for the users of ``keystone``."""
    with policy.provided(
        glance_server.Glance(identity=keystone, archive=swift_keystone)
    ) as server:
        yield server


@pytest.fixture(scope='session')
def glance_tasks(
    ceph: ceph_server.Cluster,
    rgw: ceph_server.Rgw,
    rgw_user: ceph_server.User,
    keystone: keystone_server.Keystone,
) -> Iterator[glance_server.Glance]:
    """Glance over file, rbd, s3 and http, for the users of ``keystone``.

    Without users it has no tasks, such as copying to another store.
    """
    with policy.provided(
        glance_server.Glance(
            identity=keystone,
            cluster=ceph,
            gateway=(rgw, rgw_user),
            region=None,
        )
    ) as server:
        yield server


@pytest.fixture(scope='session')
def glance_elsewhere(
    ceph: ceph_server.Cluster, keystone: keystone_server.Keystone
) -> Iterator[glance_server.Glance]:
    """Glance of ``keystone``'s region Elsewhere; it hides locations.

    It is over file and rbd.
    """
    hidden = {
        'show_multiple_locations': 'false',
        'show_image_direct_url': 'false',
    }
    with policy.provided(
        glance_server.Glance(
            cluster=ceph,
            identity=keystone,
            options=hidden,
            region='Elsewhere',
        )
    ) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers that a failed test has used."""
    report = yield
    if report.failed:
        for fixture in getattr(item, 'funcargs', {}).values():
            if isinstance(fixture, base.Service):
                report.sections.append((f'{fixture.name} log', fixture.log()))
    return report
