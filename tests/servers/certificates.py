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


"""Certificates of an authority of a server's own."""

from __future__ import annotations

import os
import pathlib

import trustme

from tests.servers import base


def authority(directory: pathlib.Path) -> trustme.CA:
    """Make an authority; who trusts it reads ``ca.pem`` there."""
    made = trustme.CA()
    made.cert_pem.write_to_path(os.fspath(directory / 'ca.pem'))
    return made


def issue(
    authority: trustme.CA, path: pathlib.Path, name: str = base.HOST
) -> None:
    """Write a key and its certificate into one file."""
    issued = authority.issue_cert(name).private_key_and_cert_chain_pem
    issued.write_to_path(os.fspath(path))


def server(directory: pathlib.Path) -> pathlib.Path:
    """Return a file with a key and a certificate of a new authority."""
    path = directory / 'server.pem'
    issue(authority(directory), path)
    return path
