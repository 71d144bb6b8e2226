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

"""Commands that move bits into the catalogue: shown, and stopped cleanly."""

from __future__ import annotations

import argparse
import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from oslo_image import exception
from oslo_image.cli import codes, display
from oslo_image.cli.command import ShowOne, say
from oslo_image.cli.image import fields
from oslo_image.cli.supervise import Interrupted
from oslo_image.cli.watch import watch
from oslo_image.image import Image

_INTERVAL = 10


class Moving(ShowOne):
    """A command that shows progress on stderr and then the image."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run; a signal has an exit code of its own."""
        try:
            return super().run(parsed_args)
        except Interrupted as stop:
            self.report(stop.error)
            return codes.code_of_signal(stop.signum)

    def move(
        self,
        work: Callable[..., Image],
        cancel: threading.Event,
        left: str,
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Return the fields of the image that the work returns.

        :param left: what may be left when there is no time to clean up.
        """
        loudness = getattr(self.app_args, 'verbose_level', 1)
        show = display.choose(loudness, _INTERVAL)

        def undo(code: int) -> None:
            show.close()
            error = exception.Cancelled('ended without waiting for the copy')
            say(f'{error}; {left}')

        with contextlib.closing(show):
            image = watch(show, work, cancel, undo=undo)
        return fields.shown(image)
