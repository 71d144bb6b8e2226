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

"""Send a request again while the server cannot take it for the moment."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from oslo_image import backoff, exception
from oslo_image.stores.wire.watch import Watch

LOG = logging.getLogger(__name__)
T = TypeVar('T')
#: New tries of one request, and the seconds before the first: with the
#: shortest pauses there is one after 15 s, which a server may take to restart.
RETRIES = 6
PAUSE = 0.5


class Persistence:
    """New tries for what one writer sends; thread safe.

    A source that breaks is tried again by whoever reads it, since it may go
    on at another location. A destination has none, and no other can know
    whether a request may come twice: so the writers of stores do it here.
    """

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._watch = Watch()

    @property
    def watch(self) -> Watch:
        """What requests outside of :meth:`run` are to be watched by."""
        return self._watch

    def run(self, task: Callable[[Watch], T], patience: float = math.inf) -> T:
        """Return what a task returns that can be run again.

        :param task: called with what its request is to be watched by.
        :param patience: seconds after which there is no new try.
        :raises ImageError: one that is not temporary, or stayed too long.
        """
        ended, watch = self._ended, self._watch
        tries = 0
        until = time.monotonic() + patience
        while True:
            try:
                return task(watch)
            except exception.ImageError as error:
                tries += 1
                delay = backoff.delay(error, tries, PAUSE)
                if delay is None or tries > RETRIES or ended.is_set():
                    raise
                if time.monotonic() > until:
                    raise
                LOG.info('%s; trying again (%d)', error, tries)
                if ended.wait(delay):
                    raise

    def interrupt(self) -> None:
        """Wake who waits; what is begun from now on is another copy's."""
        ended, self._ended = self._ended, threading.Event()
        watch, self._watch = self._watch, Watch()
        ended.set()
        watch.interrupt()
