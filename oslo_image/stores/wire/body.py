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

"""The body of an answer: counted, bounded, straight into the caller's buffer.

==============================  =============================================
the server                      the reader raises
==============================  =============================================
ends before its stated length   Truncated, with the offset delivered
ends without its final chunk    Truncated
sends more than it stated       SizeMismatch
resets, times out or stalls     SourceUnavailable, with the offset delivered
states no length and hangs up   nothing: that is how such a body ends. Its
                                length is then unverified.
==============================  =============================================
"""

from __future__ import annotations

import http.client
from collections.abc import Callable

from oslo_image import exception
from oslo_image.exception import Side
from oslo_image.stores.wire import failures
from oslo_image.stores.wire.answer import Answer


class Body:
    """A :class:`~oslo_image.stores.base.Reader` over one answer.

    :param answer: the answer; its head has been read.
    :param stated: the Content-Length in bytes, or None.
    :param release: called once at the end with whether the connection may
        serve another request.
    """

    def __init__(
        self,
        answer: Answer,
        stated: int | None,
        release: Callable[[bool], None],
        *,
        side: Side = 'source',
        about: object = None,
    ) -> None:
        self._answer = answer
        self._release: Callable[[bool], None] | None = release
        self._side: Side = side
        self._about = about
        self._start = 0
        self._done = 0
        self._late: exception.ImageError | None = None
        #: The bytes of the whole body; None: it ends where it ends.
        self.length = answer.length if answer.length == 0 else stated
        if self.length == 0:
            self._finish()

    @property
    def offset(self) -> int:
        """The position in the image of the next byte to be delivered."""
        return self._start + self._done

    def place(self, start: int, length: int | None) -> None:
        """Say where in the image the body begins and how long it must be.

        :param length: bytes; None leaves it to what the server stated.
        :raises ProtocolViolation: when the server stated another length.
        """
        self._start = start
        if length is None:
            return
        if self.length not in (None, length):
            raise exception.ProtocolViolation(
                f'the body is stated to have {self.length} bytes, not {length}'
            )
        self.length = length

    def readinto(self, buffer: memoryview, /) -> int:
        """Read some bytes; 0 is the verified end.

        :raises Truncated, SizeMismatch, SourceUnavailable: see above.
        """
        if self._late is not None:
            raise self._late
        left = None if self.length is None else self.length - self._done
        if left is not None:
            buffer = buffer[:left]
        if not buffer or self._release is None:
            return 0
        count = self._receive(buffer)
        if count == left:
            self._verify_end()
        self._done += count
        if not count and left is not None:
            raise self._fail(
                exception.Truncated(
                    f'the server stated {self.length} bytes and sent '
                    f'{self._done}'
                )
            )
        if not count:
            self._finish()
        return count

    def _receive(self, buffer: memoryview) -> int:
        """Receive once; when chunks break off, keep what came before."""
        answer = self._answer
        answer.clock.allow(len(buffer))
        try:
            if answer.chunked:
                return answer.readinto(buffer)
            return answer.receive(buffer)
        except http.client.IncompleteRead as error:
            # What it counts as partial lies in the buffer already.
            count, failure = len(error.partial), self._translate(error)
        except failures.FAILURES as error:
            count, failure = 0, self._translate(error)
        self._done += count
        self._fail(failure)
        self._done -= count
        if not count:
            raise failure
        self._late = failure
        return count

    def _verify_end(self) -> None:
        """All stated bytes are here: that must be the end.

        If it is not, the last ones do not count as delivered.
        """
        answer = self._answer
        if answer.chunked:
            extra = self._receive(memoryview(bytearray(1)))
        else:
            extra = answer.has_surplus()
        if extra:
            raise self._fail(
                exception.SizeMismatch(
                    f'the server sent more than {self.length} bytes'
                )
            )
        self._finish()

    def _translate(self, error: Exception) -> exception.ImageError:
        return failures.translate(
            error, 'the transfer broke off', side=self._side
        )

    def _fail(self, error: exception.ImageError) -> exception.ImageError:
        self.close()
        what = 'source' if self._side == 'source' else 'destination'
        context = {what: self._about, 'side': self._side}
        return error.annotate(offset=self.offset, **context)

    def _finish(self) -> None:
        self._let_go(reusable=not self._answer.will_close)

    def close(self) -> None:
        """Let go of the connection; of no further use unless at the end."""
        self._let_go(reusable=False)

    def _let_go(self, *, reusable: bool) -> None:
        release, self._release = self._release, None
        if release is not None:
            self._answer.close()
            release(reusable)

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
