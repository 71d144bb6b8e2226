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


"""Tokens, limits and lives of the object stores of the functional tests."""

import datetime
import pathlib
import time

import botocore.exceptions
import pytest
import swiftclient
from keystoneauth1.identity import v3

from tests.functional import clients, processes
from tests.servers import base, policy
from tests.servers import ceph as ceph_server
from tests.servers import keystone as keystone_server
from tests.servers import swift as swift_server
from tests.servers.swift import daemons

MiB = 1 << 20
DATA = bytes(range(256)) * 4


def status(url: str, token: str) -> int:
    """Return what the account answers to whoever has this token."""
    try:
        swiftclient.head_account(url, token)
    except swiftclient.ClientException as error:
        code: int = error.http_status
        return code
    return 200


def refused(url: str, token: str) -> bool:
    """Say whether a token is worthless, or becomes so within 10 seconds."""
    deadline = time.monotonic() + 10
    while status(url, token) != 401:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


class TestTokens:
    def test_of_tempauth_are_forgotten(
        self, swift: swift_server.Swift
    ) -> None:
        user = swift.users[0]
        with clients.swift(swift.auth_url, user.login, user.key) as client:
            url, token = client.get_auth()
        assert status(url, token) == 200
        swift.forget_tokens()
        assert status(url, token) == 401

    def test_of_tempauth_are_had_by_a_name_with_an_at_sign(
        self, swift: swift_server.Swift
    ) -> None:
        user = swift.users[2]
        assert user.login == 'tenant@example.org:user@example.org'
        with clients.swift(swift.auth_url, user.login, user.key) as client:
            assert status(*client.get_auth()) == 200

    def test_of_keystone_are_revoked(
        self,
        swift_keystone: swift_server.Swift,
        keystone: keystone_server.Keystone,
        keystone_user: keystone_server.User,
    ) -> None:
        url = swift_keystone.storage_url(keystone_user)
        token = keystone.token(keystone_user)
        assert status(url, token) == 200
        keystone.revoke(token)
        assert refused(url, token)

    def test_of_an_application_credential_expire_with_it(
        self,
        swift_keystone: swift_server.Swift,
        keystone: keystone_server.Keystone,
        keystone_user: keystone_server.User,
    ) -> None:
        now = datetime.datetime.now(datetime.UTC)
        end = now + datetime.timedelta(seconds=3)
        credential = keystone.application_credential(
            keystone_user, end.strftime('%Y-%m-%dT%H:%M:%S')
        )
        auth = v3.ApplicationCredential(
            keystone.url,
            application_credential_id=credential.id,
            application_credential_secret=credential.secret,
        )
        with clients.swift_by_keystone(auth) as client:
            url, token = client.get_auth()
        assert url == swift_keystone.storage_url(keystone_user)
        assert status(url, token) == 200
        assert refused(url, token)


class TestRgw:
    def test_is_full(
        self, rgw: ceph_server.Rgw, rgw_user: ceph_server.User
    ) -> None:
        keys = rgw_user.access_key, rgw_user.secret_key
        with clients.s3(rgw, *keys) as client:
            client.create_bucket(Bucket='full')
            client.put_object(Bucket='full', Key='one', Body=bytes(MiB))
            rgw.set_quota('full', MiB)
            with pytest.raises(
                botocore.exceptions.ClientError, match='QuotaExceeded'
            ):
                client.put_object(Bucket='full', Key='other', Body=DATA)
            rgw.set_quota('full', 0)
            client.put_object(Bucket='full', Key='other', Body=DATA)

    def test_gives_tokens_for_a_time_and_leaves_nothing(
        self, ceph: ceph_server.Cluster, rgw_user: ceph_server.User
    ) -> None:
        """What it stores stays: another gateway knows the same users."""
        with policy.provided(
            ceph_server.Rgw(ceph, token_seconds=1)
        ) as another:
            directory = another.directory
            with clients.swift(
                another.swift_auth_url, rgw_user.swift_user, rgw_user.swift_key
            ) as client:
                url, token = client.get_auth()
            assert status(url, token) == 200
            assert refused(url, token)
            assert len(processes.naming(directory)) == 1
        assert processes.naming(directory) == []
        assert not directory.exists()


class TestSwiftCluster:
    def test_keeps_its_data_while_a_part_is_down(
        self, swift: swift_server.Swift, tmp_path: pathlib.Path
    ) -> None:
        user = swift.users[0]
        with clients.swift(swift.auth_url, user.login, user.key) as client:
            client.put_container(tmp_path.name)
            client.put_object(tmp_path.name, 'object', DATA)
            swift.object.stop()
            try:
                with pytest.raises(swiftclient.ClientException, match='503'):
                    client.get_object(tmp_path.name, 'object')
            finally:
                swift.object.start()
            assert client.get_object(tmp_path.name, 'object')[1] == DATA

    def test_has_the_limits_asked_for_and_leaves_nothing(self) -> None:
        with (
            pytest.raises(ZeroDivisionError),
            policy.provided(
                swift_server.Swift(
                    max_segments=3, constraints={'max_file_size': MiB}
                )
            ) as swift,
        ):
            directory = swift.directory
            user = swift.users[0]
            with clients.swift(swift.auth_url, user.login, user.key) as client:
                known = client.get_capabilities()
                assert known['slo']['max_manifest_segments'] == 3
                assert known['swift']['max_file_size'] == MiB
                client.put_container('container')
                with pytest.raises(swiftclient.ClientException, match='413'):
                    client.put_object('container', 'x', bytes(MiB + 1))
            assert len(processes.naming(directory)) == 4
            raise ZeroDivisionError
        assert processes.naming(directory) == []
        assert not directory.exists()

    def test_shows_why_it_does_not_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(daemons.Proxy, 'module', 'nonsense')
        swift = swift_server.Swift()
        with pytest.raises(base.StartError, match=r'swift\.nonsense'):
            swift.start()
        assert processes.naming(swift.directory) == []
        assert not swift.directory.exists()


def test_a_missing_environment_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(base, 'ENVIRONMENT', tmp_path)
    with pytest.raises(base.Unavailable, match='bootstrap.sh servers'):
        swift_server.Swift().start()
