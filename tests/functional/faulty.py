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

"""Changes to a source, and filesystems that know less than others."""

import errno
import os

from tests.functional.images import MiB


def shrink(path):
    os.truncate(path, MiB)


def vanish(path):
    os.truncate(path, 0)


def grow(path):
    with path.open('ab') as file:
        file.write(b'more')


def rewrite(path):
    with path.open('r+b') as file:
        file.seek(7 * MiB)
        file.write(b'other')


def once(action):
    """Return a progress callback that acts the first time."""
    calls = []

    def progress(done, total):
        if not calls:
            action()
        calls.append(done)

    return progress


def without_nameless_files(monkeypatch):
    """Be a filesystem without O_TMPFILE, as vfat and many of FUSE's are."""
    real = os.open

    def opening(path, flags, *arguments, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            number = errno.EOPNOTSUPP
            raise OSError(number, os.strerror(number))
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, 'open', opening)


def without_links(monkeypatch):
    """Be a filesystem without hard links, as vfat is."""

    def link(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, 'link', link)
