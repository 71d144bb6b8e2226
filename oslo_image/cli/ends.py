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

"""SRC and DST: a URI, a plain path, an image's id, or ``-``."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
import threading
from typing import Any

from oslo_image import exception, masking, stores
from oslo_image.image import Location
from oslo_image.move import Mover
from oslo_image.stores.file import FileStore, path_of, uri_for
from oslo_image.stores.glance.uri import SCHEMES

LOG = logging.getLogger(__name__)

STREAM = '-'
SOURCE_HELP = "a URI, a path, an image's id, or - for standard input"
DESTINATION_HELP = 'a URI, a path, or - for standard output'
_TICK = 200
_GLANCE = frozenset(SCHEMES)


def uri_of(text: str, *, path: bool = False) -> str | None:
    """Return the URI that is meant, or None for an image's id.

    :param path: whether what is no URI is a path in any case; else it is one
        when it has a slash or exists.
    :raises InvalidLocation: for a path that can only be a directory's.
    """
    if '://' in text:
        _warn(text)
        return text
    if not path and is_id(text):
        return None
    if not text or text.endswith('/'):
        raise exception.InvalidLocation(f'{text!r} names no file')
    return uri_for(text)


def is_id(text: str) -> bool:
    """Tell whether SRC is an image's id: no URI, no path, nothing that is."""
    return '/' not in text and not os.path.lexists(text)


def asks_cloud(*uris: str, source: str = STREAM) -> bool:
    """Tell whether a cloud may be asked; SRC may be an id, not only a URI."""
    named = {
        one.partition('://')[0].lower()
        for one in (source, *uris)
        if '://' in one
    }
    return bool(named & _GLANCE) or source != STREAM and is_id(source)


def mover(
    text: str, config: Any, disk_format: str | None, cancel: threading.Event
) -> Mover:
    """Return the mover of SRC.

    :param cancel: ends the waiting for standard input.
    :raises InvalidOption: for a format that contradicts an image's record.
    """
    image = {'disk_format': disk_format} if disk_format else None
    if text == STREAM:
        return Mover('stdin', config, image=image, data=Stdin(cancel))
    uri = uri_of(text)
    if uri is None and image:
        raise exception.InvalidOption(
            '--disk-format is for URIs and paths; an image has its own'
        )
    return Mover(uri or text, config, image=image)


def writer(text: str, config: Any, if_exists: str) -> Any:
    """Return the writer for DST; nothing is opened or made yet.

    :param if_exists: "fail" or "overwrite"; a block device always exists,
        and is overwritten where it is.
    :raises DestinationExists: for a block device that is not to be touched.
    :raises InvalidOption: for an image that would go to a terminal.
    """
    if text == STREAM:
        if os.isatty(1):
            raise exception.InvalidOption(
                'standard output is a terminal; send it to a file or a pipe'
            )
        return open(1, 'wb', buffering=0, closefd=False)
    uri = uri_of(text, path=True) or text
    if not _is_block_device(uri):
        how: Any = 'replace' if if_exists == 'overwrite' else 'fail'
        return stores.open_writer(uri, config, if_exists=how)
    if if_exists != 'overwrite':
        raise exception.DestinationExists(
            'it is a block device; --if-exists overwrite writes to it',
            destination=Location(uri),
            side='destination',
        )
    return stores.open_writer(uri, config, if_exists='in_place')


class Stdin:
    """Standard input as ``data=``; it is there once, and can be left."""

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._begun = False

    def __call__(self) -> Stdin:
        """Begin."""
        if self._begun:
            raise exception.SourceError(
                'standard input cannot be read again', side='source'
            )
        self._begun = True
        return self

    def read(self, count: int) -> bytes:
        """Return the next bytes; none at the end.

        :raises Cancelled: while waiting for them.
        """
        poll = select.poll()
        poll.register(0, select.POLLIN)
        try:
            while not poll.poll(_TICK):
                if self._cancel.is_set():
                    raise exception.Cancelled('the copy was cancelled')
            return os.read(0, count)
        except OSError as error:
            raise exception.from_os_error(error, 'source') from error


def _is_block_device(uri: str) -> bool:
    location = Location(uri)
    if location.scheme not in FileStore.schemes:
        return False
    with contextlib.suppress(OSError, ValueError):
        return stat.S_ISBLK(os.stat(path_of(location)).st_mode)
    return False


def _warn(uri: str) -> None:
    if masking.mask_uri(uri) != uri:
        LOG.warning(
            'warning: every user of this machine can see the secret in %s '
            'while this runs; a configuration file hides it',
            masking.mask_uri(uri),
        )
