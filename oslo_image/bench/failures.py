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

"""Why a way failed, in a line."""

from __future__ import annotations

import os
import re
import subprocess

from oslo_image import masking

_URI = re.compile(r'[A-Za-z][\w+.-]*://\S+')
_LONGEST = 200


def reason(error: BaseException) -> str:
    """Return the error in one line, without the secrets of a URI.

    Of a program that failed, it is what the program said last.
    """
    if isinstance(error, subprocess.CalledProcessError):
        text = _said(error)
    else:
        text = str(error) or type(error).__name__
    line = ' '.join(masking.printable(' '.join(text.split())).split())
    line = _URI.sub(lambda found: masking.mask_uri(found[0]), line)
    return line if len(line) <= _LONGEST else f'{line[:_LONGEST]}…'


def _said(error: subprocess.CalledProcessError) -> str:
    program = os.path.basename(os.fspath(error.cmd[0]))
    said = error.stderr or b''
    text = said if isinstance(said, str) else said.decode(errors='replace')
    last = text.strip().rpartition('\n')[2]
    ended = f'{program} ended with {error.returncode}'
    return f'{ended}: {last}' if last else ended
