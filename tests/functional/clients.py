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


"""Plain clients of the object stores: boto3 and swiftclient."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.config
import requests
import swiftclient
from keystoneauth1 import session as sessions
from keystoneauth1.identity import v3

from tests.servers import keystone


@contextlib.contextmanager
def s3(server: Any, access_key: str, secret_key: str) -> Iterator[Any]:
    options: dict[str, Any] = {
        's3': {'addressing_style': 'path'},
        'retries': {'total_max_attempts': 1},
    }
    # rclone sends the checksum of the whole with a range of it, and botocore
    # checks it, if it is new enough.
    check = 'response_checksum_validation'
    if check in botocore.config.Config.OPTION_DEFAULTS:
        options[check] = 'when_required'
    client = boto3.client(
        's3',
        endpoint_url=server.url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name='us-east-1',
        config=botocore.config.Config(**options),
    )
    with contextlib.closing(client):
        yield client


@contextlib.contextmanager
def swift(
    auth_url: str, user: str, key: str
) -> Iterator[swiftclient.Connection]:
    connection = swiftclient.Connection(auth_url, user, key, retries=0)
    with contextlib.closing(connection):
        yield connection


@contextlib.contextmanager
def swift_by_keystone(auth: Any) -> Iterator[swiftclient.Connection]:
    with requests.Session() as http:
        session = sessions.Session(auth, session=http)
        connection = swiftclient.Connection(session=session, retries=0)
        with contextlib.closing(connection):
            yield connection


def password(server: keystone.Keystone, user: keystone.User) -> Any:
    return v3.Password(
        server.url,
        username=user.name,
        password=user.password,
        project_name=user.project,
        user_domain_id=keystone.DOMAIN,
        project_domain_id=keystone.DOMAIN,
    )
